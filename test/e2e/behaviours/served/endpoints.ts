/**
 * Everything that is served to the table, by name: an endpoint is a Lambda function, or a path of an HTTP server.
 *
 * A name says all there is to know about what it serves, so that a function or server needs nothing else:
 * `plain-<sdk>`, `keyed-<sdk>`, `lazy-<sdk>`, `mortal-<service>`, `foreign-<service>`, `late-<service>`, `versioned-<service>-<revision>`.
 */
import { keyedServices, plainServices } from '../define.ts';
import { SDK_NAMES, type SdkName } from '../dimensions.ts';
import { mortal } from '../handlers/special.ts';
import { versionedServices } from '../handlers/versioned.ts';
import { type Context, namesOf, type Sdk, type Services } from '../sdk.ts';
import { lateService, USES, versionedName } from '../versions.ts';

export interface EndpointSettings {
  readonly name: string;
  /** That its handlers are built with. */
  readonly sdk: SdkName;
}

const SERVED: Readonly<Record<string, (sdk: Sdk, about: string, revision: number) => Services>> = {
  plain: (sdk, about) => plainServices(sdk, namesOf(about as SdkName)),
  keyed: (sdk, about) => keyedServices(sdk, namesOf(about as SdkName), false),
  lazy: (sdk, about) => {
    const names = namesOf(about as SdkName, 'lazy');
    return [...plainServices(sdk, names), ...keyedServices(sdk, names, true)];
  },
  versioned: versionedServices,
  mortal: (sdk, name) => [sdk.service({ name, handlers: mortal(sdk) as never })],
  foreign: (sdk, name) => [sdk.service({ name, handlers: {} })],
  late: (sdk, name) => [
    sdk.service({ name, handlers: { hello: async (_ctx: Context): Promise<string> => 'at last' } }),
  ],
};

export function servicesFor(sdk: Sdk, endpoint: string): Services {
  const [kind = '', about = '', revision] = endpoint.split('-');
  const services = SERVED[kind]?.(sdk, about, Number(revision));
  if (services === undefined) throw new Error(`there is no endpoint ${endpoint}`);
  return services;
}

/** Registered before anything is played. */
export const MAIN_ENDPOINTS: readonly EndpointSettings[] = SDK_NAMES.flatMap(sdk =>
  ['plain', 'keyed', 'lazy'].map(kind => ({ name: `${kind}-${sdk}`, sdk })),
);

/** Registered by rows. `variants`: those in which the orchestrator is killed, those in which it is not, or both. */
export const rowEndpoints = (variants: readonly boolean[]): readonly EndpointSettings[] =>
  SDK_NAMES.flatMap(sdk => [
    { name: `foreign-${sdk}Foreign`, sdk },
    ...variants.flatMap(killed => [
      { name: `late-${lateService(sdk, killed)}`, sdk: 'Holdfast' as const },
      ...USES.flatMap(({ use, revisions }) =>
        revisions.map(revision => ({
          name: versionedName(sdk, use, killed, revision),
          // Only where a journal is replayed by another revision does it matter whose handlers they are.
          sdk: use === 'Moved' ? sdk : ('Holdfast' as const),
        })),
      ),
    ]),
  ]);
