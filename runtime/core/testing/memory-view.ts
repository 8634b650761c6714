/** A view held in maps, and a deployment to register in it. */
import type { Deployment, DeploymentId, HandlerMetadata, HandlerType, ServiceType } from '../model.ts';
import type { Rows, TableName, TableWrite, View } from '../table.ts';

export class MemoryView implements View {
  private readonly tables = new Map<TableName, Map<string, unknown>>();

  get<N extends TableName>(table: N, key: string): Rows[N] | undefined {
    return this.tables.get(table)?.get(key) as Rows[N] | undefined;
  }

  *scan<N extends TableName>(table: N, prefix: string): Iterable<readonly [string, Rows[N]]> {
    const rows = this.tables.get(table) ?? new Map<string, unknown>();
    for (const key of [...rows.keys()].sort()) {
      if (key.startsWith(prefix)) yield [key, rows.get(key) as Rows[N]];
    }
  }

  commit(writes: readonly TableWrite[]): void {
    for (const { table, key, row, fresh } of writes) {
      let rows = this.tables.get(table);
      if (rows === undefined) {
        rows = new Map();
        this.tables.set(table, rows);
      }
      // A key that is said to be fresh and is not would lose its deletion in the memtable.
      if (fresh && row !== undefined && rows.has(key)) throw new Error(`${table} ${key} is not fresh`);
      if (row === undefined) rows.delete(key);
      else rows.set(key, row);
    }
  }

  keys(table: TableName): readonly string[] {
    return [...(this.tables.get(table)?.keys() ?? [])].sort();
  }
}

/** A service's type follows from how its name begins; these are its handlers. */
const SERVICES: readonly (readonly [string, ServiceType, readonly (readonly [string, HandlerType?])[]])[] = [
  [
    'Obj',
    'virtualObject',
    [
      ['set', 'exclusive'],
      ['get', 'shared'],
    ],
  ],
  [
    'Wf',
    'workflow',
    [
      ['run', 'workflow'],
      ['ask', 'shared'],
    ],
  ],
  ['', 'service', [['a'], ['b']]],
];

const shapeOf = (service: string) => {
  for (const [prefix, type, handlers] of SERVICES) if (service.startsWith(prefix)) return { type, handlers };
  throw new Error(`no shape for ${service}`);
};

const handler = ([name, type]: readonly [string, HandlerType?]): HandlerMetadata => ({
  name,
  ...(type === undefined ? {} : { type }),
  public: true,
  input: { required: false },
  output: { setContentTypeIfEmpty: false },
});

export interface DeploymentOptions {
  /** Journals and results of plain requests are kept for 1 s, workflows for 2 s, idempotent ones for 3 s. */
  readonly kept?: boolean;
  readonly revision?: number;
  /** `Svc` has handlers `a` and `b`, `Obj…` has `set` (exclusive) and `get` (shared), `Wf…` has `run` and `ask`. */
  readonly services?: readonly string[];
  readonly protocol?: readonly [min: number, max: number];
  /** The version agreed on. @default 6 */
  readonly negotiated?: number;
}

export function deployment(name: string, options: DeploymentOptions = {}): Deployment {
  const keptMs = (ms: number): number => (options.kept ? ms : 0);
  const [minProtocolVersion, maxProtocolVersion] = options.protocol ?? [5, 7];
  return {
    id: `dp_${name}` as DeploymentId,
    endpoint: { kind: 'lambda', arn: `arn:${name}` },
    additionalHeaders: [],
    metadata: {},
    createdAt: 0,
    minProtocolVersion,
    maxProtocolVersion,
    protocolVersion: Math.min(maxProtocolVersion, options.negotiated ?? 6),
    services: (options.services ?? ['Svc']).map(service => ({
      name: service,
      type: shapeOf(service).type,
      revision: options.revision ?? 1,
      public: true,
      idempotencyRetentionMs: keptMs(3000),
      journalRetentionMs: keptMs(1000),
      workflowRetentionMs: keptMs(2000),
      inactivityTimeoutMs: 60_000,
      abortTimeoutMs: 60_000,
      enableLazyState: false,
      retryPolicy: { initialIntervalMs: 1, maxIntervalMs: 1, factor: 1, onMaxAttempts: 'pause' },
      handlers: shapeOf(service).handlers.map(handler),
    })),
  };
}
