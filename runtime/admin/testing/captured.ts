/** Test support: the model that the JSON of a captured answer was made from. */
import type { Deployment, HandlerMetadata, ServiceMetadata } from '../../core/model.ts';
import { handlerMetadata, serviceMetadata } from '../../ingress/testing/scripted-engine.ts';
import { parseDurationMs } from '../../platform/duration.ts';

interface CapturedHandler {
  readonly name: string;
  readonly public: boolean;
  readonly ty?: string;
  readonly documentation?: string;
  readonly metadata?: Record<string, string>;
  readonly journal_retention?: string;
  readonly retry_policy: {
    readonly max_attempts: number | null;
    readonly on_max_attempts?: 'Kill' | 'Pause';
  };
}

interface CapturedService {
  readonly name: string;
  readonly ty: 'Service' | 'VirtualObject' | 'Workflow';
  readonly public?: boolean;
  readonly handlers?: readonly CapturedHandler[];
  readonly documentation?: string;
  readonly metadata?: Record<string, string>;
  readonly revision: number;
  readonly idempotency_retention: string;
  readonly journal_retention: string;
  readonly abort_timeout: string;
  readonly enable_lazy_state: boolean;
  readonly retry_policy: {
    readonly initial_interval: string;
    readonly max_interval: string;
    readonly max_attempts: number;
  };
  readonly info?: unknown;
}

export interface CapturedDeployment {
  readonly id: string;
  readonly arn?: string;
  readonly additional_headers?: Record<string, string>;
  readonly metadata?: Record<string, string>;
  readonly created_at?: string;
  readonly sdk_version?: string;
  readonly services: readonly CapturedService[];
}

function handlerOf(json: CapturedHandler): HandlerMetadata {
  const { documentation, metadata, journal_retention, retry_policy, ty } = json;
  return handlerMetadata(json.name, {
    public: json.public,
    ...(ty === undefined ? {} : { type: ty.toLowerCase() as 'shared' }),
    ...(documentation === undefined ? {} : { documentation }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(journal_retention === undefined ? {} : { journalRetentionMs: ms(journal_retention) }),
    ...(retry_policy.max_attempts === null
      ? {}
      : { retryPolicy: { maxAttempts: retry_policy.max_attempts, onMaxAttempts: 'kill' } }),
  });
}

const TYPES = { Service: 'service', VirtualObject: 'virtualObject', Workflow: 'workflow' } as const;

export function serviceOf(json: CapturedService): ServiceMetadata {
  if (json.handlers === undefined) return serviceMetadata(json.name, [], { revision: json.revision });
  return serviceMetadata(json.name, json.handlers.map(handlerOf), {
    type: TYPES[json.ty],
    revision: json.revision,
    public: json.public ?? true,
    ...(json.documentation === undefined ? {} : { documentation: json.documentation }),
    ...(json.metadata === undefined ? {} : { metadata: json.metadata }),
    enableLazyState: json.enable_lazy_state,
    idempotencyRetentionMs: ms(json.idempotency_retention),
    journalRetentionMs: ms(json.journal_retention),
    abortTimeoutMs: ms(json.abort_timeout),
    inactivityTimeoutMs: json.info === undefined ? 60_000 : 10_000,
    retryPolicy: {
      initialIntervalMs: ms(json.retry_policy.initial_interval),
      maxIntervalMs: ms(json.retry_policy.max_interval),
      factor: 2,
      maxAttempts: json.retry_policy.max_attempts,
      onMaxAttempts: 'pause',
    },
  });
}

export function deploymentOf(json: CapturedDeployment): Deployment {
  return {
    id: json.id as Deployment['id'],
    endpoint: { kind: 'lambda', arn: json.arn ?? 'arn:aws:lambda:us-east-1:123456789012:function:f:1' },
    additionalHeaders: Object.entries(json.additional_headers ?? {}),
    metadata: json.metadata ?? {},
    createdAt: Date.parse(json.created_at ?? '1970-01-01T00:00:00Z'),
    minProtocolVersion: 5,
    maxProtocolVersion: 7,
    protocolVersion: 6,
    ...(json.sdk_version === undefined ? {} : { sdkVersion: json.sdk_version }),
    services: json.services.map(serviceOf),
  };
}

function ms(text: string): number {
  const parsed = parseDurationMs(text);
  if (parsed === undefined) throw new Error(`${text} is no duration`);
  return parsed;
}
