/**
 * The manifest that tells the server what is deployed here.
 *
 * Invariant: only fields of the manifest schema, of the version negotiated, are sent: the server refuses a
 * registration that has an unknown one. Absent options stay absent, so that the server's defaults apply.
 */
import type { Definition, HandlerDefinition } from './definitions.ts';
import { type Duration, toMillis } from './duration.ts';
import type { DefaultServiceOptions, ObjectOptions } from './options.ts';
import { json, type Serde } from './serde.ts';

export const MIN_PROTOCOL = 5;
export const MAX_PROTOCOL = 7;

const MANIFEST_VERSIONS = [4, 3, 2] as const;
export const manifestContentType = (version: number): string =>
  `application/vnd.restate.endpointmanifest.v${version}+json`;

/** Options came with version 3, those about retries with version 4. What was there before is called by one word. */
const since = (field: string): number => (field.startsWith(RETRY_PREFIX) ? 4 : /[A-Z]/.test(field) ? 3 : 2);

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

/** The highest version that both sides know, undefined when there is none. */
export function negotiateManifest(accept: string | undefined): number | undefined {
  return MANIFEST_VERSIONS.find(version => accept?.includes(manifestContentType(version)));
}

/** What an adapter can do, as the manifest tells it. */
export interface AdapterTraits {
  readonly protocolMode: 'BIDI_STREAM' | 'REQUEST_RESPONSE';
  /** Told to servers that know the field. */
  readonly lambdaCompression?: 'zstd' | undefined;
  /** Extensions of ours. In headers, because a server refuses a manifest with a field that it does not know. */
  readonly headers?: Readonly<Record<string, string>>;
}
const FIRST_WITH_COMPRESSION = 4;

/** The manifest, or the field of it that the version lacks. */
export function buildManifest(
  definitions: Iterable<Definition>,
  defaults: DefaultServiceOptions,
  version: number,
  { protocolMode, lambdaCompression }: AdapterTraits,
): object | string {
  const services = [...definitions].map(({ parts }) => describeService(parts, defaults));
  const fields = services
    .flatMap(service => [service, ...service.handlers])
    .flatMap(Object.entries)
    .filter(([, value]) => value !== undefined);
  const unsupported = fields.find(([name]) => since(name) > version)?.[0];
  return (
    unsupported ?? {
      protocolMode,
      minProtocolVersion: MIN_PROTOCOL,
      maxProtocolVersion: MAX_PROTOCOL,
      lambdaCompression: version < FIRST_WITH_COMPRESSION ? undefined : lambdaCompression,
      services,
    }
  );
}

/** What is undefined is not in the JSON of it. */
function describeService(parts: Definition['parts'], defaults: DefaultServiceOptions) {
  const { name, kind, handlers, description: documentation, metadata } = parts;
  const options = { ...defaults, ...parts.options };
  return {
    name,
    ty: kind === 'object' ? 'VIRTUAL_OBJECT' : manifestValue(kind),
    handlers: [...handlers.values()].map(handler => describeHandler(handler, options)),
    ...describeOptions(options),
    documentation,
    metadata,
  };
}

function describeHandler({ name, kind, options }: HandlerDefinition, ofService: DefaultServiceOptions) {
  const defaultSerde: Serde<unknown> = options.serde ?? ofService.serde ?? json;
  const input = options.input ?? defaultSerde;
  const output = options.output ?? defaultSerde;
  const accepted = options.accept ?? input.contentType;
  return {
    name,
    ty: manifestValue(kind),
    // An option of the workflow, a fact about its run handler.
    workflowCompletionRetention: kind === 'workflow' ? manifestValue(ofService.workflowRetention) : undefined,
    input: {
      // No content type at all means "only an empty body", which excludes the other fields.
      required: accepted === undefined ? undefined : false,
      contentType: accepted,
      jsonSchema: input.jsonSchema,
    },
    output: {
      setContentTypeIfEmpty: options.setOutputContentTypeIfEmpty ?? false,
      contentType: output.contentType,
      jsonSchema: output.jsonSchema,
    },
    ...describeOptions(options),
    documentation: options.description,
    metadata: options.metadata,
  };
}

function describeOptions(options: ObjectOptions) {
  const { retryPolicy = {} } = options;
  return Object.fromEntries([
    ...OPTIONS.map(name => [name, manifestValue(options[name])]),
    ...RETRY_OPTIONS.map(name => [
      `${RETRY_PREFIX}${name.charAt(0).toUpperCase()}${name.slice(1)}`,
      name === 'exponentiationFactor' ? retryPolicy[name] : manifestValue(retryPolicy[name]),
    ]),
  ]);
}

/** Durations are whole milliseconds there, and names are in capitals. */
function manifestValue(value: Duration | number | boolean | string | undefined): unknown {
  if (typeof value === 'string') return value.toUpperCase();
  return value === undefined || typeof value === 'boolean' ? value : Math.floor(toMillis(value));
}
