/** The services that one deployment serves. */
import { refuseDefinition } from './coded-error.ts';
import { Definition, type ServiceDefinition } from './definitions.ts';
import type { LoggerTransport } from './logger.ts';
import type { DefaultServiceOptions } from './options.ts';

export type AnyDefinition = ServiceDefinition<string, unknown>;

export class Endpoint {
  /** For all services, those that were added before as well. */
  defaults: DefaultServiceOptions = {};
  logger: LoggerTransport | undefined;
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
