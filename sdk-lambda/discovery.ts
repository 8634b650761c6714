/**
 * The manifest that tells the server what is deployed here.
 *
 * Invariant: only fields of the manifest schema, of the version negotiated, are sent: the server refuses a
 * registration that has an unknown one. Absent options stay absent, so that the server's defaults apply.
 */
import type { Definition, HandlerDefinition } from './definitions.ts';
import { type Duration, toMillis } from './duration.ts';
import type { DefaultServiceOptions, ObjectOptions, ServiceHandlerOpts } from './options.ts';
import { type Serde, serde } from './serde.ts';

/** V7 waits for its future trees; see the decision on protocol versions. */
export const MIN_PROTOCOL = 5;
export const MAX_PROTOCOL = 6;

const MANIFEST_VERSIONS = [4, 3, 2] as const;
export const manifestContentType = (version: number): string =>
  `application/vnd.restate.endpointmanifest.v${version}+json`;

/** The manifest version that first has a field. Options came with version 3, those about retries with version 4. */
const since = (field: string): number => SINCE[field] ?? (field.startsWith(RETRY_PREFIX) ? 4 : 3);
const SINCE: Readonly<Record<string, number>> = {
  name: 1,
  ty: 1,
  handlers: 1,
  input: 1,
  output: 1,
  documentation: 2,
  metadata: 2,
};

/** These have the same names in the manifest, the latter with a prefix. */
const OPTIONS = [
  'journalRetention',
  'idempotencyRetention',
  'inactivityTimeout',
  'abortTimeout',
  'ingressPrivate',
  'enableLazyState',
] as const;
const RETRY_PREFIX = 'retryPolicy';
const RETRY_OPTIONS = [
  'initialInterval',
  'maxInterval',
  'maxAttempts',
  'exponentiationFactor',
  'onMaxAttempts',
] as const;

const KIND = { service: 'SERVICE', object: 'VIRTUAL_OBJECT', workflow: 'WORKFLOW' } as const;

/** The highest version that both sides know, undefined when there is none. */
export function negotiateManifest(accept: string | undefined): number | undefined {
  return MANIFEST_VERSIONS.find(version => accept?.includes(manifestContentType(version)));
}

export type ManifestResult = { readonly manifest: object } | { readonly unsupported: string };

export function buildManifest(
  definitions: Iterable<Definition>,
  defaults: DefaultServiceOptions,
  version: number,
): ManifestResult {
  const services = [...definitions].map(({ parts }) => describeService(parts, defaults));
  const fields = services.flatMap(service => [service, ...service.handlers]).flatMap(Object.keys);
  const unsupported = fields.find(field => since(field) > version);
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

function describeService(parts: Definition['parts'], defaults: DefaultServiceOptions) {
  const { name, kind, handlers, description, metadata } = parts;
  const options = { ...defaults, ...parts.options };
  return {
    name,
    ty: KIND[kind],
    handlers: [...handlers.values()].map(handler => describeHandler(handler, options)),
    ...describeOptions(options),
    ...present({ documentation: description, metadata }),
  };
}

function describeHandler({ name, kind, options }: HandlerDefinition, ofService: DefaultServiceOptions) {
  const defaultSerde: Serde<unknown> = ofService.serde ?? serde.json;
  const input = options.input ?? options.serde ?? defaultSerde;
  const output = options.output ?? options.serde ?? defaultSerde;
  return {
    name,
    ...present({
      ty: manifestValue(kind),
      // An option of the workflow, a fact about its run handler.
      workflowCompletionRetention:
        kind === 'workflow' ? manifestValue(ofService.workflowRetention) : undefined,
    }),
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

function describeOptions(options: ObjectOptions) {
  const { retryPolicy = {} } = options;
  return present(
    Object.fromEntries([
      ...OPTIONS.map(name => [name, manifestValue(options[name])]),
      ...RETRY_OPTIONS.map(name => [
        `${RETRY_PREFIX}${name.charAt(0).toUpperCase()}${name.slice(1)}`,
        name === 'exponentiationFactor' ? retryPolicy[name] : manifestValue(retryPolicy[name]),
      ]),
    ]),
  );
}

/** Durations are whole milliseconds there, and names are in capitals. */
function manifestValue(value: Duration | number | boolean | string | undefined): unknown {
  if (typeof value === 'string') return value.toUpperCase();
  return value === undefined || typeof value === 'boolean' ? value : Math.floor(toMillis(value));
}

function present(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
