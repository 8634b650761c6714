/** The services that one deployment serves, and what holds for all of them. */
import { refuseDefinition } from './coded-error.ts';
import { Definition, type ServiceDefinition } from './definitions.ts';
import { type Verify, verifierOf } from './identity.ts';
import type { LoggerTransport } from './logger.ts';
import type { DefaultServiceOptions } from './options.ts';

export type AnyDefinition = ServiceDefinition<string, unknown>;

export interface EndpointOptions {
  readonly services: readonly AnyDefinition[];
  readonly defaultServiceOptions?: DefaultServiceOptions | undefined;
  /** Gets what handlers write to `ctx.console`. */
  readonly logger?: LoggerTransport | undefined;
  /** `publickeyv1_...`: requests that none of these keys has signed get 401. @default all requests are taken */
  readonly identityKeys?: readonly string[] | undefined;
}

export class Endpoint {
  /** For all services, those that were added before as well. */
  defaults: DefaultServiceOptions = {};
  logger: LoggerTransport | undefined;
  verify: Verify | undefined;
  readonly #services = new Map<string, Definition>();

  add(definition: AnyDefinition): void {
    const service: unknown = definition;
    if (!(service instanceof Definition)) {
      refuseDefinition(
        `"${definition?.name}" is not a definition. Pass what service(...) returned, from this copy of the SDK.`,
      );
    }
    if (this.#services.has(service.name)) {
      refuseDefinition(`Two services are named "${service.name}"; rename one.`);
    }
    this.#services.set(service.name, service);
  }

  service(name: string): Definition | undefined {
    return this.#services.get(name);
  }

  get services(): Iterable<Definition> {
    return this.#services.values();
  }
}

export function createEndpoint(services: Iterable<AnyDefinition>): Endpoint {
  const endpoint = new Endpoint();
  for (const service of services) endpoint.add(service);
  return endpoint;
}

export function endpointOf(options: EndpointOptions): Endpoint {
  const { services, defaultServiceOptions, logger, identityKeys, ...others } = options;
  // Ignored in silence, a misspelt option would leave requests unverified.
  for (const [name, value] of Object.entries(others)) {
    if (value !== undefined) refuseDefinition(`The endpoint has no option "${name}". Remove it.`);
  }
  const target = createEndpoint(services);
  target.defaults = defaultServiceOptions ?? {};
  target.logger = logger;
  if (identityKeys) target.verify = verifierOf(identityKeys);
  return target;
}

/** The same, one call at a time. `E` is the builder of an adapter, which adds how it is served. */
export interface EndpointBuilder<E> {
  bind(definition: AnyDefinition): E;
  /** Requests that none of these keys has signed get 401. */
  withIdentityV1(...keys: string[]): E;
  /** Of all services of this endpoint; theirs and their handlers' own win. */
  defaultServiceOptions(options: DefaultServiceOptions): E;
  setLogger(logger: LoggerTransport): E;
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
  };
  return builder;
}
