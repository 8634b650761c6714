/**
 * The manifest that tells the server what is deployed here.
 *
 * Invariant: only fields of the manifest schema, of the version negotiated, are sent: the server refuses a
 * registration that has an unknown one. Absent options stay absent, so that the server's defaults apply.
 */
import type { Definition, HandlerDefinition, ServiceHandlerOpts, ServiceOptions } from './definitions.ts';
import { toMillis } from './duration.ts';
import { type Serde, serde } from './serde.ts';

/** V7 waits for its future trees; see the decision on protocol versions. */
export const MIN_PROTOCOL = 5;
export const MAX_PROTOCOL = 6;

const MANIFEST_VERSIONS = [4, 3, 2] as const;
export const manifestContentType = (version: number): string =>
  `application/vnd.restate.endpointmanifest.v${version}+json`;

/** The manifest version that first has a field; those not listed are as old as the manifest. */
const SINCE: Readonly<Record<string, number>> = {
  documentation: 2,
  metadata: 2,
  ingressPrivate: 3,
  journalRetention: 3,
  idempotencyRetention: 3,
  inactivityTimeout: 3,
  abortTimeout: 3,
  retryPolicyInitialInterval: 4,
  retryPolicyMaxInterval: 4,
  retryPolicyMaxAttempts: 4,
  retryPolicyExponentiationFactor: 4,
  retryPolicyOnMaxAttempts: 4,
};

const KIND = { service: 'SERVICE' } as const;

/** The highest version that both sides know, undefined when there is none. */
export function negotiateManifest(accept: string | undefined): number | undefined {
  return MANIFEST_VERSIONS.find(version => accept?.includes(manifestContentType(version)));
}

export type ManifestResult = { readonly manifest: object } | { readonly unsupported: string };

export function buildManifest(definitions: Iterable<Definition>, version: number): ManifestResult {
  const services = [...definitions].map(describeService);
  const fields = services.flatMap(service => [service, ...service.handlers]).flatMap(Object.keys);
  const unsupported = fields.find(field => (SINCE[field] ?? 1) > version);
  if (unsupported !== undefined) return { unsupported };
  return {
    manifest: {
      protocolMode: 'REQUEST_RESPONSE',
      minProtocolVersion: MIN_PROTOCOL,
      maxProtocolVersion: MAX_PROTOCOL,
      services,
    },
  };
}

function describeService({ name, kind, handlers, options, description, metadata }: Definition) {
  return {
    name,
    ty: KIND[kind],
    handlers: [...handlers.values()].map(handler => describeHandler(handler, options.serde ?? serde.json)),
    ...describeOptions(options),
    ...present({ documentation: description, metadata }),
  };
}

function describeHandler({ name, options }: HandlerDefinition, defaultSerde: Serde<unknown>) {
  const input = options.input ?? options.serde ?? defaultSerde;
  const output = options.output ?? options.serde ?? defaultSerde;
  return {
    name,
    input: describeInput(input, options),
    output: {
      setContentTypeIfEmpty: options.setOutputContentTypeIfEmpty ?? false,
      ...present({ contentType: output.contentType, jsonSchema: output.jsonSchema }),
    },
    ...describeOptions(options),
    ...present({ documentation: options.description, metadata: options.metadata }),
  };
}

function describeInput(input: Serde<unknown>, { accept }: ServiceHandlerOpts<unknown, unknown>) {
  const contentType = accept ?? input.contentType;
  // No content type at all means "only an empty body", which excludes the other fields.
  if (contentType === undefined) return present({ jsonSchema: input.jsonSchema });
  return { required: false, contentType, ...present({ jsonSchema: input.jsonSchema }) };
}

function describeOptions(options: ServiceOptions) {
  const { retryPolicy } = options;
  const ms = (duration: Parameters<typeof toMillis>[0] | undefined) =>
    duration === undefined ? undefined : toMillis(duration);
  return present({
    journalRetention: ms(options.journalRetention),
    idempotencyRetention: ms(options.idempotencyRetention),
    inactivityTimeout: ms(options.inactivityTimeout),
    abortTimeout: ms(options.abortTimeout),
    ingressPrivate: options.ingressPrivate,
    retryPolicyInitialInterval: ms(retryPolicy?.initialInterval),
    retryPolicyMaxInterval: ms(retryPolicy?.maxInterval),
    retryPolicyMaxAttempts: retryPolicy?.maxAttempts,
    retryPolicyExponentiationFactor: retryPolicy?.exponentiationFactor,
    retryPolicyOnMaxAttempts: retryPolicy?.onMaxAttempts?.toUpperCase(),
  });
}

function present(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
