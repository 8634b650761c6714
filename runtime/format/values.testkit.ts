/** The values that the samples of records and rows are made of. */
import { encodeInvocationId } from '@holdfast/protocol';
import type {
  Deployment,
  DeploymentId,
  Future,
  InvocationId,
  ServiceMetadata,
  Target,
} from '../core/model.ts';
import type { IdSource } from './answer.ts';

export const id = (n: number): InvocationId => encodeInvocationId(new Uint8Array(24).fill(n)) as InvocationId;
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const target = { service: 'Svc', handler: 'h', key: '' };
export const scoped: Target = { service: 'Wf', handler: 'run', key: 'k', scope: 's-1' };
/** Every combinator, one below the other and side by side. */
export const tree: Future = {
  combinator: 'firstCompleted',
  completions: [],
  signals: [1],
  nested: [
    {
      combinator: 'allCompleted',
      completions: [1, 300],
      signals: [],
      nested: [
        { combinator: 'firstSucceeded', completions: [2, 3], signals: ['named'], nested: [] },
        { combinator: 'allSucceeded', completions: [4], signals: [17], nested: [] },
      ],
    },
    { combinator: 'any', completions: [5], signals: [], nested: [] },
  ],
};
export const keyed = { service: 'Cart', handler: 'add', key: 'ä/1' };
export const ids: IdSource = {
  callee: (_, idempotencyKey) => ({
    id: id(9),
    randomSeed: 2n ** 64n - 1n,
    deterministic: idempotencyKey !== undefined,
  }),
  idempotent: () => id(8),
  workflow: () => id(7),
};

export const service: ServiceMetadata = {
  name: 'Cart',
  type: 'virtualObject',
  revision: 2,
  public: true,
  documentation: 'Ünïcode',
  metadata: { team: 'a' },
  idempotencyRetentionMs: 1,
  journalRetentionMs: 2,
  workflowRetentionMs: 3,
  inactivityTimeoutMs: 4,
  abortTimeoutMs: 5,
  enableLazyState: true,
  retryPolicy: { initialIntervalMs: 50, maxIntervalMs: 1000, factor: 1.5, onMaxAttempts: 'pause' },
  handlers: [
    {
      name: 'add',
      type: 'exclusive',
      public: false,
      retryPolicy: { maxAttempts: 3 },
      input: { required: true, contentType: 'application/json', jsonSchema: { type: 'string' } },
      output: { setContentTypeIfEmpty: false },
    },
  ],
};
export const deployment: Deployment = {
  id: 'dp_1' as DeploymentId,
  endpoint: {
    kind: 'lambda',
    arn: 'arn:one',
    assumeRole: { arn: 'arn:role', externalId: 'ext' },
    compression: 'zstd',
    offload: true,
  },
  additionalHeaders: [['x-a', 'b']],
  metadata: { commit: 'abc' },
  createdAt: 1,
  minProtocolVersion: 5,
  maxProtocolVersion: 6,
  protocolVersion: 6,
  sdkVersion: 'sdk/1',
  services: [service],
};
export const httpDeployment: Deployment = {
  ...deployment,
  endpoint: { kind: 'http', uri: 'https://handlers.internal:8443/a', http: 2, bidirectional: true },
  maxProtocolVersion: 7,
  protocolVersion: 7,
};
export const failure = {
  code: 'RT0007',
  status: 500,
  message: 'käput',
  stack: 'at x',
  relatedCommand: { index: 3, name: 'step', type: 0x0411 },
};
