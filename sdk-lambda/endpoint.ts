/** The services that one deployment serves, and what holds for all of them. */
import { refuseDefinition } from './coded-error.ts';
import { Definition, type ServiceDefinition } from './definitions.ts';
import { type Verify, verifierOf } from './identity.ts';
import type { LoggerTransport } from './logger.ts';
import type { DefaultServiceOptions } from './options.ts';
import { type JournalValueCodec, once } from './value-codec.ts';

export type AnyDefinition = ServiceDefinition<string, unknown>;

/** What an endpoint serves, and how. */
export interface EndpointOptions {
  /** What `service`, `object` and `workflow` returned. Two of one name are refused. */
  readonly services: readonly AnyDefinition[];
  /** Of all services; theirs and their handlers' own win. */
  readonly defaultServiceOptions?: DefaultServiceOptions | undefined;
  /** Gets what handlers write to `ctx.console`. */
  readonly logger?: LoggerTransport | undefined;
  /** `publickeyv1_...`: requests that none of these keys has signed get 401. @default all requests are taken */
  readonly identityKeys?: readonly string[] | undefined;
  /**
   * Makes the codec that all values pass on their way to and from the journal, before the first attempt. While it
   * fails, attempts fail with `HF_SDK_CODEC` and are retried, and each asks again.
   */
  readonly journalValueCodecProvider?: (() => Promise<JournalValueCodec>) | undefined;
}

/** Services and what holds for all of them, for attempts without an adapter. */
export class Endpoint {
  /** For all services, those that were added before as well. */
  defaults: DefaultServiceOptions = {};
  /** As in `EndpointOptions`. */
  logger: LoggerTransport | undefined;
  /** Whether a request is signed by one of the keys. */
  verify: Verify | undefined;
  /** The codec, made once. */
  codec: (() => Promise<JournalValueCodec>) | undefined;
  /** By their names, in the order in which they were added. */
  readonly services = new Map<string, Definition>();

  /** Throws `HF_SDK_DEFINITION` on what is no definition, and on a name that is taken. */
  add(definition: AnyDefinition): void {
    const service: unknown = definition;
    if (!(service instanceof Definition)) {
      refuseDefinition(`"${definition?.name}" is no definition of this copy of the SDK.`);
    }
    const { name } = service;
    if (this.services.has(name)) refuseDefinition(`Two services are named "${name}".`);
    this.services.set(name, service);
  }

  /** By its name. */
  service(name: string): Definition | undefined {
    return this.services.get(name);
  }
}

/** Of these services, with no options. */
export function createEndpoint(services: Iterable<AnyDefinition>): Endpoint {
  const endpoint = new Endpoint();
  for (const service of services) endpoint.add(service);
  return endpoint;
}

export function endpointOf(options: EndpointOptions): Endpoint {
  const { services, defaultServiceOptions, logger, identityKeys, journalValueCodecProvider, ...others } =
    options;
  // Ignored in silence, a misspelt option would leave requests unverified.
  for (const [name, value] of Object.entries(others)) {
    if (value !== undefined) refuseDefinition(`The endpoint has no option "${name}".`);
  }
  const target = createEndpoint(services);
  target.defaults = defaultServiceOptions ?? {};
  target.logger = logger;
  if (identityKeys) target.verify = verifierOf(identityKeys);
  if (journalValueCodecProvider) target.codec = once(journalValueCodecProvider);
  return target;
}

/** The same, one call at a time. `E` is the builder of an adapter, which adds how it is served. */
export interface EndpointBuilder<E> {
  /** Adds a service, object or workflow. */
  bind(definition: AnyDefinition): E;
  /** Requests that none of these keys has signed get 401. */
  withIdentityV1(...keys: string[]): E;
  /** Of all services of this endpoint; theirs and their handlers' own win. */
  defaultServiceOptions(options: DefaultServiceOptions): E;
  /** Gets what handlers write to `ctx.console`. */
  setLogger(logger: LoggerTransport): E;
  /** As the option of the same name. */
  journalValueCodecProvider(provider: () => Promise<JournalValueCodec>): E;
}

export function builderOf<Served extends object, E extends EndpointBuilder<E>>(
  served: (target: Endpoint) => Served,
): Served & EndpointBuilder<E> {
  const target = new Endpoint();
  // The cast: an adapter's builder is what this returns.
  const self = () => builder as unknown as E;
  const builder: Served & EndpointBuilder<E> = {
    ...served(target),
    bind(definition) {
      target.add(definition);
      return self();
    },
    withIdentityV1(...keys) {
      target.verify = verifierOf(keys);
      return self();
    },
    defaultServiceOptions(options) {
      target.defaults = options;
      return self();
    },
    setLogger(logger) {
      target.logger = logger;
      return self();
    },
    journalValueCodecProvider(provider) {
      target.codec = once(provider);
      return self();
    },
  };
  return builder;
}
