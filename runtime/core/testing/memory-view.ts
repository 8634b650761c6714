/** A view held in maps, and the shorthands that transcripts are written with. */
import { apply } from '../apply.ts';
import type { Command, Minted, Op } from '../command.ts';
import type { Effect, Outcome } from '../effect.ts';
import type { Deployment, DeploymentId, InvocationId, NotificationResult, Result } from '../model.ts';
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

  count(table: TableName): number {
    return this.tables.get(table)?.size ?? 0;
  }
}

export const id = (name: string): InvocationId => `inv_${name}` as InvocationId;
export const minted = (name: string): Minted => ({ id: id(name), randomSeed: 7n });
const bytes = (text: string): Uint8Array => Uint8Array.from([...text].map(char => char.charCodeAt(0)));
export const text = (value: Uint8Array): string => String.fromCharCode(...value);
export const success = (value: string): Result => ({ kind: 'success', value: bytes(value) });
export const failure = (code: number, message: string): Result => ({
  kind: 'failure',
  failure: { code, message },
});

const frame = (type: number) => ({ frame: new Uint8Array(8), type });
const target = (name: string) => {
  const [service = '', handler = ''] = name.split('/');
  return { service, handler, key: '' };
};

export const ops = {
  output: (result: Result): Op => ({ op: 'output', ...frame(0x0401), result }),
  sleep: (completionId: number, wakeAt: number): Op => ({
    op: 'sleep',
    ...frame(0x040c),
    completionId,
    wakeAt,
  }),
  run: (completionId: number): Op => ({ op: 'run', ...frame(0x0411), completionId }),
  proposal: (completionId: number, result: Result): Op => ({ op: 'runCompletion', completionId, result }),
  call: (name: string, callee: string, idCompletionId: number, idempotencyKey?: string): Op => ({
    op: 'call',
    ...frame(0x040d),
    ...calleeOf(name, callee, idCompletionId, idempotencyKey),
    completionId: idCompletionId + 1,
  }),
  send: (name: string, callee: string, idCompletionId: number, startAt = 0, idempotencyKey?: string): Op => ({
    op: 'send',
    ...frame(0x040e),
    ...calleeOf(name, callee, idCompletionId, idempotencyKey),
    startAt,
  }),
  signal: (to: string, signal: number | string, result: NotificationResult): Op => ({
    op: 'signal',
    ...frame(0x0410),
    target: id(to),
    signal,
    result,
  }),
  attach: (completionId: number, to: string): Op => ({
    op: 'attach',
    ...frame(0x0412),
    completionId,
    target: id(to),
  }),
  getOutput: (completionId: number, to: string): Op => ({
    op: 'getOutput',
    ...frame(0x0413),
    completionId,
    target: id(to),
  }),
};

const calleeOf = (
  name: string,
  callee: string,
  idCompletionId: number,
  idempotencyKey: string | undefined,
) => ({
  target: target(name),
  headers: [],
  parameter: new Uint8Array(),
  idempotencyKey,
  callee: minted(callee),
  idCompletionId,
});

export const invoke = (
  name: string,
  to: string,
  options: { key?: string; startAt?: number } = {},
): Command => ({
  type: 'invoke',
  minted: minted(name),
  target: target(to),
  headers: [],
  body: new Uint8Array(),
  idempotencyKey: options.key,
  startAt: options.startAt ?? 0,
});

export function attempt(
  name: string,
  number: number,
  seenEntries: number,
  done: readonly Op[],
  end:
    | 'completed'
    | { awaits: readonly number[]; signals?: readonly (number | string)[] }
    | { fails: string; after: 'pause' | 'kill' | number },
): Command {
  const base = { type: 'attempt', id: id(name), attempt: number, seenEntries, ops: done } as const;
  if (end === 'completed') return { ...base, end: { kind: 'completed' } };
  if ('awaits' in end) {
    return {
      ...base,
      end: { kind: 'suspended', awaiting: { completions: end.awaits, signals: end.signals ?? [1] } },
    };
  }
  const after =
    typeof end.after === 'number'
      ? ({ kind: 'retry', delayMs: end.after, failures: { counted: 1, overrides: 0 } } as const)
      : ({ kind: end.after } as const);
  return {
    ...base,
    end: { kind: 'failed', failure: { code: 'RT0007', status: 500, message: end.fails }, after },
  };
}

/** `Svc` with handlers `a` and `b`; `kept` keeps results and journals, else nothing is kept. */
export function deployment(
  name: string,
  options: { kept?: boolean; revision?: number; services?: string[] } = {},
): Deployment {
  const keptMs = options.kept ? 1000 : 0;
  const handler = (handlerName: string) => ({
    name: handlerName,
    public: true,
    input: { required: false },
    output: { setContentTypeIfEmpty: false },
  });
  return {
    id: `dp_${name}` as DeploymentId,
    arn: `arn:${name}`,
    additionalHeaders: [],
    metadata: {},
    createdAt: 0,
    minProtocolVersion: 5,
    maxProtocolVersion: 7,
    services: (options.services ?? ['Svc']).map(service => ({
      name: service,
      type: 'service',
      revision: options.revision ?? 1,
      public: true,
      idempotencyRetentionMs: options.kept ? 3000 : 0,
      journalRetentionMs: keptMs,
      workflowRetentionMs: keptMs,
      inactivityTimeoutMs: 60_000,
      abortTimeoutMs: 60_000,
      enableLazyState: false,
      retryPolicy: { initialIntervalMs: 1, maxIntervalMs: 1, factor: 1, onMaxAttempts: 'pause' },
      handlers: [handler('a'), handler('b')],
    })),
  };
}

/** Applies commands and writes down what came of them. */
export class Transcript {
  readonly view = new MemoryView();
  readonly lines: string[] = [];
  private now = 0;

  do(command: Command, options: { at?: number; quiet?: boolean } = {}): Outcome {
    this.now = Math.max(this.now, options.at ?? this.now);
    const { writes, effects, outcome } = apply(this.view, { at: this.now, command });
    this.view.commit(writes);
    if (!options.quiet) {
      this.lines.push(`${this.now} ${describe(command)} => ${outcome}`);
      for (const write of writes) this.lines.push(`      ${describeWrite(write)}`);
      for (const effect of effects) this.lines.push(`    ! ${describeEffect(effect)}`);
    }
    return outcome;
  }

  toString(): string {
    return `${this.lines.join('\n')}\n`;
  }
}

function describe(command: Command): string {
  switch (command.type) {
    case 'invoke':
      return `invoke ${command.minted.id} ${command.target.service}/${command.target.handler}`;
    case 'attempt': {
      const did = command.ops.map(describeOp).join(', ');
      return `attempt ${command.id} #${command.attempt} saw ${command.seenEntries}: [${did}] ${describeEnd(command.end)}`;
    }
    case 'timerFired':
      return `timerFired ${command.timer}`;
    case 'signal':
      return `signal ${command.id} ${command.signal} ${describeResult(command.result)}`;
    case 'registerDeployment':
      return `registerDeployment ${command.deployment.id}`;
    case 'initialize':
      return 'initialize';
    default:
      return `${command.type} ${command.id}`;
  }
}

const describeOp = (op: Op): string => ('completionId' in op ? `${op.op} ${op.completionId}` : op.op);

function describeEnd(end: Extract<Command, { type: 'attempt' }>['end']): string {
  if (end.kind === 'completed') return 'completed';
  if (end.kind === 'suspended')
    return `awaits [${[...end.awaiting.completions, ...end.awaiting.signals.map(s => `signal ${s}`)].join(', ')}]`;
  return `failed "${end.failure.message}", ${end.after.kind}`;
}

function describeResult(result: NotificationResult): string {
  if (result.kind === 'success') return `"${text(result.value)}"`;
  if (result.kind === 'failure') return `failure ${result.failure.code} ${result.failure.message}`;
  return result.kind === 'invocationId' ? result.id : 'void';
}

function describeWrite(write: TableWrite): string {
  const head = `${write.table} ${write.key}`;
  if (write.row === undefined) return `${head} deleted`;
  switch (write.table) {
    case 'invocation': {
      const { state, attempt: number, entries, pending, retryCount } = write.row;
      const waits =
        pending.length === 0 ? '' : ` pending ${pending.map(p => `${p.of} ${p.completionId}`).join(', ')}`;
      return `${head} ${state.status} #${number} entries ${entries}${waits}${retryCount === 0 ? '' : ` retries ${retryCount}`}`;
    }
    case 'completed':
      return `${head} ${describeResult(write.row.result)} until ${write.row.expiresAt}, entries ${write.row.entries}`;
    case 'journal':
      return `${head} ${write.row.entries
        .map(entry => {
          if (entry.kind === 'completion')
            return `${entry.of} ${entry.completionId} ${describeResult(entry.result)}`;
          if (entry.kind === 'signal') return `signal ${entry.signal} ${describeResult(entry.result)}`;
          return entry.kind === 'command' ? `0x${entry.type.toString(16).padStart(4, '0')}` : 'input';
        })
        .join(' | ')}`;
    case 'service':
      return `${head} -> ${write.row.deployment} revision ${write.row.revision}`;
    default:
      return head;
  }
}

function describeEffect(effect: Effect): string {
  switch (effect.type) {
    case 'armTimer':
      return `armTimer ${effect.timer}`;
    case 'completed':
      return `completed ${effect.id} ${describeResult(effect.result)}`;
    default:
      return `${effect.type} ${effect.id} #${effect.attempt}`;
  }
}
