/**
 * The endpoint manifest (versions 1 to 4): what a deployment says about its services. Pure.
 *
 * Invariants: fields that are not known here are ignored, so that a newer SDK registers; those that are known
 * are checked, and an error names the JSON path of what is wrong; a manifest that was returned can be trusted
 * everywhere else. Sizes, counts and the depth of schemas are bounded.
 */

import type { HandlerType, ServiceType } from '../core/model.ts';
import { CodedError } from '../platform/error.ts';
import { type Json, JsonCursor } from './json-cursor.ts';

export interface Manifest {
  readonly protocolMode: 'BIDI_STREAM' | 'REQUEST_RESPONSE';
  readonly minProtocolVersion: number;
  readonly maxProtocolVersion: number;
  readonly lambdaCompression?: 'zstd';
  readonly services: readonly ServiceManifest[];
  /** From the response's `x-restate-server`. */
  readonly sdkVersion?: string;
}

export interface ServiceManifest {
  readonly name: string;
  readonly type: ServiceType;
  readonly handlers: readonly HandlerManifest[];
  readonly documentation?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly options: ManifestOptions;
}

export interface HandlerManifest {
  readonly name: string;
  /** Absent for handlers of plain services. */
  readonly type?: HandlerType;
  readonly input: HandlerInput;
  readonly output: HandlerOutput;
  readonly documentation?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly options: ManifestOptions;
}

export interface HandlerInput {
  readonly required: boolean;
  /** May hold wildcards, as in `accept`. */
  readonly contentType?: string;
  readonly jsonSchema?: Json;
}

export interface HandlerOutput {
  readonly contentType?: string;
  readonly setContentTypeIfEmpty: boolean;
  readonly jsonSchema?: Json;
}

/** What is absent is inherited: by a handler from its service, by a service from the orchestrator. */
export interface ManifestOptions {
  readonly inactivityTimeoutMs?: number;
  readonly abortTimeoutMs?: number;
  readonly journalRetentionMs?: number;
  readonly idempotencyRetentionMs?: number;
  /** Only on the `workflow` handler of a workflow. */
  readonly workflowRetentionMs?: number;
  readonly enableLazyState?: boolean;
  readonly ingressPrivate?: boolean;
  readonly retryPolicy?: ManifestRetryPolicy;
}

export interface ManifestRetryPolicy {
  readonly initialIntervalMs?: number;
  readonly maxIntervalMs?: number;
  readonly maxAttempts?: number;
  readonly factor?: number;
  readonly onMaxAttempts?: 'pause' | 'kill';
}

export const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;
const SERVICES_MAX = 1000;
const HANDLERS_MAX = 1000;
const NAME_CHARS_MAX = 255;
const TEXT_CHARS_MAX = 64 * 1024;
const METADATA_MAX = 256;
const SCHEMA_DEPTH_MAX = 100;

const SERVICE_NAME = /^([a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9._-]*$/;
const HANDLER_NAME = /^([a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9_]*$/;

const PROTOCOL_MODES = { BIDI_STREAM: 'BIDI_STREAM', REQUEST_RESPONSE: 'REQUEST_RESPONSE' } as const;
const SERVICE_TYPES = { SERVICE: 'service', VIRTUAL_OBJECT: 'virtualObject', WORKFLOW: 'workflow' } as const;
const ON_MAX_ATTEMPTS = { PAUSE: 'pause', KILL: 'kill' } as const;

/** Which handler types a service has, and which one is meant when none is given. */
const HANDLER_TYPES = {
  service: { types: {}, absent: undefined },
  virtualObject: { types: { EXCLUSIVE: 'exclusive', SHARED: 'shared' }, absent: 'exclusive' },
  workflow: { types: { WORKFLOW: 'workflow', SHARED: 'shared' }, absent: 'workflow' },
} as const satisfies Record<
  ServiceType,
  { types: Record<string, HandlerType>; absent: HandlerType | undefined }
>;

/** Throws META0013 for what is malformed, META0005 for a reserved name. */
export function parseManifest(body: Uint8Array, sdkVersion?: string): Manifest {
  const root = JsonCursor.parse(body, MANIFEST_BYTES_MAX, malformed);
  const minProtocolVersion = root.required('minProtocolVersion').integer(1, 2 ** 31 - 1);
  const maxProtocolVersion = root.required('maxProtocolVersion').integer(1, 2 ** 31 - 1);
  if (minProtocolVersion > maxProtocolVersion) {
    throw root.required('minProtocolVersion').error('exceeds maxProtocolVersion');
  }
  const compression = root.optional('lambdaCompression')?.oneOf({ zstd: 'zstd' } as const);
  const services = root.required('services').items(SERVICES_MAX).map(parseService);
  unique(root.required('services'), services);
  return {
    protocolMode: root.required('protocolMode').oneOf(PROTOCOL_MODES),
    minProtocolVersion,
    maxProtocolVersion,
    ...given('lambdaCompression', compression),
    services,
    ...given('sdkVersion', sdkVersion),
  };
}

function parseService(at: JsonCursor): ServiceManifest {
  const name = at.required('name').text(NAME_CHARS_MAX, SERVICE_NAME);
  const lower = name.toLowerCase();
  if (lower.startsWith('restate') || lower === 'openapi') {
    throw new CodedError(
      'META0005',
      `The service name '${name}' is reserved: names must not begin with 'restate' nor be 'openapi'. Rename it.`,
    );
  }
  const type = at.required('ty').oneOf(SERVICE_TYPES);
  const handlers = at
    .required('handlers')
    .items(HANDLERS_MAX)
    .map(handler => parseHandler(handler, type));
  unique(at.required('handlers'), handlers);
  if (type === 'workflow' && handlers.filter(handler => handler.type === 'workflow').length !== 1) {
    throw at.required('handlers').error('must hold exactly one handler of type WORKFLOW');
  }
  return { name, type, handlers, ...parseDescription(at), options: parseOptions(at, undefined) };
}

function parseHandler(at: JsonCursor, serviceType: ServiceType): HandlerManifest {
  const name = at.required('name').text(NAME_CHARS_MAX, HANDLER_NAME);
  const { types, absent } = HANDLER_TYPES[serviceType];
  const type_ = at.optional('ty');
  if (type_ !== undefined && serviceType === 'service') {
    throw type_.error('must be absent for a handler of a plain service');
  }
  const type: HandlerType | undefined = type_?.oneOf<HandlerType>(types) ?? absent;
  return {
    name,
    ...given('type', type),
    input: parseInput(at.optional('input')),
    output: parseOutput(at.optional('output')),
    ...parseDescription(at),
    options: parseOptions(at, type ?? 'none'),
  };
}

function parseInput(at: JsonCursor | undefined): HandlerInput {
  if (at === undefined) return { required: false, contentType: '*/*' };
  return {
    required: at.optional('required')?.boolean() ?? false,
    ...given('contentType', at.optional('contentType')?.text(NAME_CHARS_MAX)),
    ...given('jsonSchema', at.optional('jsonSchema')?.json(SCHEMA_DEPTH_MAX)),
  };
}

function parseOutput(at: JsonCursor | undefined): HandlerOutput {
  if (at === undefined) return { contentType: 'application/json', setContentTypeIfEmpty: false };
  return {
    ...given('contentType', at.optional('contentType')?.text(NAME_CHARS_MAX)),
    setContentTypeIfEmpty: at.optional('setContentTypeIfEmpty')?.boolean() ?? false,
    ...given('jsonSchema', at.optional('jsonSchema')?.json(SCHEMA_DEPTH_MAX)),
  };
}

function parseDescription(at: JsonCursor): Pick<ServiceManifest, 'documentation' | 'metadata'> {
  const metadata = at.optional('metadata')?.textMap(METADATA_MAX, TEXT_CHARS_MAX);
  return {
    ...given('documentation', at.optional('documentation')?.text(TEXT_CHARS_MAX)),
    ...given('metadata', metadata),
  };
}

/** `handlerType` is undefined for a service's own options, `'none'` for a handler of a plain service. */
function parseOptions(at: JsonCursor, handlerType: HandlerType | 'none' | undefined): ManifestOptions {
  const ms = (name: string): number | undefined => at.optional(name)?.integer(0, Number.MAX_SAFE_INTEGER);
  const isRun = handlerType === 'workflow';
  const idempotency = at.optional('idempotencyRetention');
  if (isRun && idempotency !== undefined) {
    throw idempotency.error('is not valid on the WORKFLOW handler; use workflowCompletionRetention');
  }
  const workflow = handlerType === undefined ? undefined : at.optional('workflowCompletionRetention');
  if (!isRun && workflow !== undefined) throw workflow.error('is valid on the WORKFLOW handler only');
  return {
    ...given('inactivityTimeoutMs', ms('inactivityTimeout')),
    ...given('abortTimeoutMs', ms('abortTimeout')),
    ...given('journalRetentionMs', ms('journalRetention')),
    ...given('idempotencyRetentionMs', ms('idempotencyRetention')),
    ...given('workflowRetentionMs', workflow?.integer(0, Number.MAX_SAFE_INTEGER)),
    ...given('enableLazyState', at.optional('enableLazyState')?.boolean()),
    ...given('ingressPrivate', at.optional('ingressPrivate')?.boolean()),
    ...given('retryPolicy', parseRetryPolicy(at)),
  };
}

function parseRetryPolicy(at: JsonCursor): ManifestRetryPolicy | undefined {
  const ms = (name: string): number | undefined => at.optional(name)?.integer(0, Number.MAX_SAFE_INTEGER);
  const policy: ManifestRetryPolicy = {
    ...given('initialIntervalMs', ms('retryPolicyInitialInterval')),
    ...given('maxIntervalMs', ms('retryPolicyMaxInterval')),
    ...given('maxAttempts', at.optional('retryPolicyMaxAttempts')?.integer(1, Number.MAX_SAFE_INTEGER)),
    ...given('factor', at.optional('retryPolicyExponentiationFactor')?.positive()),
    ...given('onMaxAttempts', at.optional('retryPolicyOnMaxAttempts')?.oneOf(ON_MAX_ATTEMPTS)),
  };
  return Object.keys(policy).length === 0 ? undefined : policy;
}

function unique(at: JsonCursor, named: readonly { readonly name: string }[]): void {
  const seen = new Set<string>();
  for (const { name } of named) {
    if (seen.has(name)) throw at.error(`holds '${name}' twice`);
    seen.add(name);
  }
}

/** `{ [name]: value }`, or nothing if there is no value: absent and undefined are not the same to a reader. */
function given<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { readonly [N in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [N in Name]?: Value });
}

function malformed(path: string, reason: string): CodedError {
  return new CodedError(
    'META0013',
    `The discovery response is not a valid endpoint manifest: ${path} ${reason}. Update the SDK of the deployment.`,
  );
}
