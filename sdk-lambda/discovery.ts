/**
 * The manifest that tells the server what is deployed here.
 *
 * Invariant: only fields of the manifest schema, of the version negotiated, are sent: the server refuses a
 * registration that has an unknown one. Absent options stay absent, so that the server's defaults apply.
 */
import type { Definition, HandlerDefinition } from './definitions.ts';
import { type Duration, toMillis } from './duration.ts';
import type { DefaultServiceOptions, ObjectOptions } from './options.ts';
import { json } from './serde.ts';

export const MIN_PROTOCOL = 5;
export const MAX_PROTOCOL = 7;
/** Of the protocol. */
export const VERSIONS = [5, 6, 7];

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
  const services = [...definitions].map(({ facts }) => describeService(facts, defaults));
  const unsupported = services
    .flatMap(service => [service, ...service.handlers])
    .flatMap(Object.entries)
    .find(([name, value]) => value !== undefined && since(name) > version);
  return (
    unsupported?.[0] ?? {
      protocolMode,
      minProtocolVersion: MIN_PROTOCOL,
      maxProtocolVersion: MAX_PROTOCOL,
      lambdaCompression: version < FIRST_WITH_COMPRESSION ? undefined : lambdaCompression,
      services,
    }
  );
}

function describeService(facts: Definition['facts'], defaults: DefaultServiceOptions) {
  const { name, kind, handlers, description, metadata } = facts;
  const options = { ...defaults, ...facts.options };
  return {
    ...describe(name, kind === 'object' ? 'VIRTUAL_OBJECT' : kind, { ...options, description, metadata }),
    handlers: [...handlers.values()].map(handler => describeHandler(handler, options)),
  };
}

function describeHandler({ name, kind, options }: HandlerDefinition, ofService: DefaultServiceOptions) {
  const { serde = ofService.serde ?? json, input = serde, output = serde } = options;
  const { accept = input.contentType } = options;
  return {
    ...describe(name, kind, options),
    // An option of the workflow, a fact about its run handler.
    workflowCompletionRetention: kind === 'workflow' ? manifestValue(ofService.workflowRetention) : undefined,
    input: {
      // No content type at all means "only an empty body", which excludes the other fields.
      required: accept === undefined ? undefined : false,
      contentType: accept,
      jsonSchema: input.jsonSchema,
    },
    output: {
      setContentTypeIfEmpty: options.setOutputContentTypeIfEmpty ?? false,
      contentType: output.contentType,
      jsonSchema: output.jsonSchema,
    },
  };
}

interface Described extends ObjectOptions {
  readonly description?: string | undefined;
  readonly metadata?: Record<string, string> | undefined;
}

/** What is undefined is not in the JSON of it. */
function describe(
  name: string,
  ty: string | undefined,
  { retryPolicy = {}, description: documentation, metadata, ...options }: Described,
) {
  const described: Record<string, unknown> = { name, ty: manifestValue(ty), documentation, metadata };
  for (const option of OPTIONS) described[option] = manifestValue(options[option]);
  for (const option of RETRY_OPTIONS) {
    const value = retryPolicy[option];
    described[RETRY_PREFIX + option.replace(/^./, first => first.toUpperCase())] =
      option === 'exponentiationFactor' ? value : manifestValue(value);
  }
  return described;
}

/** Durations are whole milliseconds there, and names are in capitals. */
function manifestValue(value: Duration | number | boolean | string | undefined): unknown {
  if (typeof value === 'string') return value.toUpperCase();
  return value === undefined || typeof value === 'boolean' ? value : Math.floor(toMillis(value));
}
