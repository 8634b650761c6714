/** Deployments, services and handlers as the JSON that clients of the admin API read. */
import type {
  Deployment,
  Endpoint,
  HandlerMetadata,
  HandlerType,
  Header,
  RetryPolicy,
  ServiceMetadata,
  ServiceType,
} from '../core/model.ts';
import { formatDuration } from '../platform/duration.ts';
import { formatInstantNanos } from '../platform/rfc3339.ts';

type Json = Readonly<Record<string, unknown>>;

const SERVICE_TYPES: Readonly<Record<ServiceType, string>> = {
  service: 'Service',
  virtualObject: 'VirtualObject',
  workflow: 'Workflow',
};
const HANDLER_TYPES: Readonly<Record<HandlerType, string>> = {
  exclusive: 'Exclusive',
  shared: 'Shared',
  workflow: 'Workflow',
};
const ON_MAX_ATTEMPTS = { pause: 'Pause', kill: 'Kill' } as const;

/** What a manifest without an inactivity timeout gets. */
const DEFAULT_INACTIVITY_MS = 60_000;

export function deploymentJson(deployment: Deployment, services: readonly Json[]): Json {
  return {
    id: deployment.id,
    ...addressJson(deployment.endpoint),
    ...(deployment.additionalHeaders.length > 0
      ? { additional_headers: asRecord(deployment.additionalHeaders) }
      : {}),
    ...(Object.keys(deployment.metadata).length > 0 ? { metadata: deployment.metadata } : {}),
    created_at: formatInstantNanos(deployment.createdAt),
    ...protocolJson(deployment),
    services,
  };
}

function addressJson(endpoint: Endpoint): Json {
  if (endpoint.kind === 'http') {
    const { uri, http, bidirectional } = endpoint;
    return {
      uri,
      protocol_type: bidirectional ? 'BidiStream' : 'RequestResponse',
      http_version: http === 2 ? 'HTTP/2.0' : 'HTTP/1.1',
    };
  }
  const { arn, assumeRole, compression } = endpoint;
  return {
    arn,
    ...(assumeRole === undefined ? {} : { assume_role_arn: assumeRole.arn }),
    ...(assumeRole?.externalId === undefined ? {} : { assume_role_external_id: assumeRole.externalId }),
    ...(compression === undefined ? {} : { compression: 'Zstd' }),
  };
}

export function protocolJson(deployment: Deployment): Json {
  return {
    min_protocol_version: deployment.minProtocolVersion,
    max_protocol_version: deployment.maxProtocolVersion,
    ...(deployment.sdkVersion === undefined ? {} : { sdk_version: deployment.sdkVersion }),
  };
}

export function serviceJson(service: ServiceMetadata, deployment: Deployment | undefined): Json {
  const { endpoint } = deployment ?? {};
  const isStream = endpoint?.kind === 'http' && endpoint.bidirectional;
  const inactivityMs = service.inactivityTimeoutMs;
  return {
    name: service.name,
    ty: SERVICE_TYPES[service.type],
    handlers: service.handlers.map(handlerJson),
    ...described(service),
    deployment_id: deployment?.id,
    revision: service.revision,
    public: service.public,
    idempotency_retention: formatDuration(service.idempotencyRetentionMs),
    ...(service.type === 'workflow'
      ? { workflow_completion_retention: formatDuration(completionRetentionMs(service)) }
      : {}),
    journal_retention: formatDuration(service.journalRetentionMs),
    // What answers in one piece cannot be inactive.
    inactivity_timeout: formatDuration(isStream ? inactivityMs : 0),
    abort_timeout: formatDuration(service.abortTimeoutMs),
    enable_lazy_state: service.enableLazyState,
    retry_policy: retryPolicyJson(service.retryPolicy),
    ...(isStream || inactivityMs === 0 || inactivityMs === DEFAULT_INACTIVITY_MS
      ? {}
      : { info: [inactivityInfo(inactivityMs)] }),
  };
}

/** A manifest sets it on the handler that runs the workflow; clients look for it at the service. */
function completionRetentionMs({ handlers, workflowRetentionMs }: ServiceMetadata): number {
  return handlers.find(({ type }) => type === 'workflow')?.workflowRetentionMs ?? workflowRetentionMs;
}

function inactivityInfo(configuredMs: number): Json {
  const configured = formatDuration(configuredMs);
  return {
    code: 'RT0021',
    message: `inactivity_timeout ${configured} has no effect: its deployment, on Lambda or without HTTP/2 streams, answers in one piece.`,
  };
}

export function handlerJson(handler: HandlerMetadata): Json {
  return {
    name: handler.name,
    ...(handler.type === undefined ? {} : { ty: HANDLER_TYPES[handler.type] }),
    ...described(handler),
    ...duration('idempotency_retention', handler.idempotencyRetentionMs),
    ...duration('workflow_completion_retention', handler.workflowRetentionMs),
    ...duration('journal_retention', handler.journalRetentionMs),
    ...duration('inactivity_timeout', handler.inactivityTimeoutMs),
    ...duration('abort_timeout', handler.abortTimeoutMs),
    ...(handler.enableLazyState === undefined ? {} : { enable_lazy_state: handler.enableLazyState }),
    public: handler.public,
    input_description: handler.input.contentType ?? 'none',
    output_description: handler.output.contentType ?? 'none',
    ...(handler.input.jsonSchema === undefined ? {} : { input_json_schema: handler.input.jsonSchema }),
    ...(handler.output.jsonSchema === undefined ? {} : { output_json_schema: handler.output.jsonSchema }),
    retry_policy: retryPolicyJson(handler.retryPolicy ?? {}),
  };
}

/** Only what is set, except `max_attempts`, which is always there: `null` is "no limit" or "not set here". */
function retryPolicyJson(policy: Partial<RetryPolicy>): Json {
  return {
    ...duration('initial_interval', policy.initialIntervalMs),
    ...(policy.factor === undefined ? {} : { exponentiation_factor: policy.factor }),
    max_attempts: policy.maxAttempts ?? null,
    ...duration('max_interval', policy.maxIntervalMs),
    ...(policy.onMaxAttempts === undefined ? {} : { on_max_attempts: ON_MAX_ATTEMPTS[policy.onMaxAttempts] }),
  };
}

function described(what: {
  readonly documentation?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}): Json {
  return {
    ...(what.documentation === undefined ? {} : { documentation: what.documentation }),
    ...(what.metadata === undefined || Object.keys(what.metadata).length === 0
      ? {}
      : { metadata: what.metadata }),
  };
}

function duration(name: string, ms: number | undefined): Json {
  return ms === undefined ? {} : { [name]: formatDuration(ms) };
}

function asRecord(pairs: readonly Header[]): Json {
  const record: Record<string, string> = Object.create(null);
  for (const [name, value] of pairs) record[name] = value;
  return record;
}
