/**
 * The bytes of stored rows: one layout per table, a version byte first. F1 holds for them as for records. A key is
 * the table's id byte and the key string.
 */
import { decodeFrames, FrameWriter } from '@holdfast/protocol';
import type {
  CompletedInvocation,
  DeploymentId,
  Invocation,
  InvocationId,
  InvocationStatus,
  JournalChunk,
  Pending,
  RecordedFailure,
  Source,
  Timer,
} from '../core/model.ts';
import { type Rows, TABLE_IDS, type TableName } from '../core/table.ts';
import { ByteReader, ByteWriter, damaged } from './bytes.ts';
import { readDeployment, writeDeployment } from './deployment.ts';
import { readEntry, writeEntry } from './entries.ts';
import {
  readAwaiting,
  readFailureReport,
  readResult,
  readSignalId,
  readTarget,
  writeAwaiting,
  writeFailureReport,
  writeResult,
  writeSignalId,
  writeTarget,
} from './values.ts';

const VERSION = 1;

interface Layout<Row> {
  readonly write: (w: ByteWriter, row: Row) => void;
  readonly read: (r: ByteReader) => Row;
}

const layouts: { readonly [N in TableName]: Layout<Rows[N]> } = {
  meta: { write: (w, row) => w.bytes(row.idSecret), read: r => ({ idSecret: r.bytes() }) },
  invocation: { write: writeInvocation, read: readInvocation },
  completed: { write: writeCompleted, read: readCompleted },
  journal: { write: writeChunk, read: readChunk },
  timer: { write: writeTimer, read: readTimer },
  deployment: { write: writeDeployment, read: readDeployment },
  service: {
    write: (w, row) => {
      w.string(row.name);
      w.string(row.deployment);
      w.uint(row.revision);
    },
    read: r => ({ name: r.string(), deployment: r.string() as DeploymentId, revision: r.uint() }),
  },
};

const writer = new ByteWriter(4096);

export function encodeRow<N extends TableName>(table: N, row: Rows[N]): Uint8Array {
  writer.byte(VERSION);
  layouts[table].write(writer, row);
  return writer.take();
}

export function decodeRow<N extends TableName>(table: N, bytes: Uint8Array): Rows[N] {
  const reader = new ByteReader(bytes);
  const version = reader.byte();
  if (version !== VERSION) throw damaged(`row version ${version} of ${table} is newer than this program`);
  const row = layouts[table].read(reader);
  reader.end();
  return row;
}

export function encodeKey(table: TableName, key: string): Uint8Array {
  const bytes = new Uint8Array(1 + key.length);
  bytes[0] = TABLE_IDS[table];
  for (let i = 0; i < key.length; i++) bytes[i + 1] = key.charCodeAt(i);
  return bytes;
}

export const decodeKey = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + 1, bytes.byteLength - 1).toString('latin1');

const readId = (r: ByteReader) => r.string() as InvocationId;

function writeSource(w: ByteWriter, source: Source): void {
  w.bool(source.kind === 'invocation');
  if (source.kind !== 'invocation') return;
  w.string(source.id);
  writeTarget(w, source.target);
}
const readSource = (r: ByteReader): Source =>
  r.bool() ? { kind: 'invocation', id: readId(r), target: readTarget(r) } : { kind: 'ingress' };

function writeRecordedFailure(w: ByteWriter, failure: RecordedFailure): void {
  writeFailureReport(w, failure);
  w.uint(failure.at);
  w.uint(failure.attempt);
}
const readRecordedFailure = (r: ByteReader): RecordedFailure => ({
  ...readFailureReport(r),
  at: r.uint(),
  attempt: r.uint(),
});

function writeState(w: ByteWriter, state: InvocationStatus): void {
  switch (state.status) {
    case 'scheduled':
      w.byte(1);
      w.uint(state.startAt);
      w.string(state.timer);
      return;
    case 'running':
      w.byte(2);
      return;
    case 'backingOff':
      w.byte(3);
      w.uint(state.retryAt);
      w.string(state.timer);
      return;
    case 'suspended':
      w.byte(4);
      writeAwaiting(w, state.awaiting);
      return;
    case 'paused':
      w.byte(5);
      return;
    default:
      state satisfies never;
  }
}

function readState(r: ByteReader): InvocationStatus {
  const code = r.byte();
  switch (code) {
    case 1:
      return { status: 'scheduled', startAt: r.uint(), timer: r.string() };
    case 2:
      return { status: 'running' };
    case 3:
      return { status: 'backingOff', retryAt: r.uint(), timer: r.string() };
    case 4:
      return { status: 'suspended', awaiting: readAwaiting(r) };
    case 5:
      return { status: 'paused' };
    default:
      throw damaged(`${code} is no status of an invocation`);
  }
}

const PENDING_CODES = { sleep: 1, call: 2, attach: 3, run: 4 } as const;

function writePending(w: ByteWriter, pending: Pending): void {
  w.byte(PENDING_CODES[pending.of]);
  w.uint(pending.completionId);
  if (pending.of === 'sleep') w.string(pending.timer);
  else if (pending.of !== 'run') w.string(pending.target);
}

function readPending(r: ByteReader): Pending {
  const code = r.byte();
  const completionId = r.uint();
  if (code === PENDING_CODES.sleep) return { of: 'sleep', completionId, timer: r.string() };
  if (code === PENDING_CODES.run) return { of: 'run', completionId };
  if (code === PENDING_CODES.call) return { of: 'call', completionId, target: readId(r) };
  if (code === PENDING_CODES.attach) return { of: 'attach', completionId, target: readId(r) };
  throw damaged(`${code} is no pending operation`);
}

type Identity = Pick<
  Invocation & CompletedInvocation,
  'id' | 'target' | 'source' | 'idempotencyKey' | 'randomSeed' | 'createdAt'
>;

function writeIdentity(w: ByteWriter, row: Identity): void {
  w.string(row.id);
  writeTarget(w, row.target);
  writeSource(w, row.source);
  w.optional(row.idempotencyKey, key => w.string(key));
  w.u64(row.randomSeed);
  w.uint(row.createdAt);
}
const readIdentity = (r: ByteReader): Identity => ({
  id: readId(r),
  target: readTarget(r),
  source: readSource(r),
  idempotencyKey: r.optional(() => r.string()),
  randomSeed: r.u64(),
  createdAt: r.uint(),
});

function writeInvocation(w: ByteWriter, row: Invocation): void {
  writeIdentity(w, row);
  w.uint(row.modifiedAt);
  writeState(w, row.state);
  w.uint(row.attempt);
  w.optional(row.pinned, ({ deployment, protocolVersion }) => {
    w.string(deployment);
    w.uint(protocolVersion);
  });
  w.uint(row.entries);
  w.uint(row.commands);
  w.list(row.pending, pending => writePending(w, pending));
  w.list(row.completionIds, id => w.uint(id));
  w.list(row.fresh, ({ index, id }) => {
    w.uint(index);
    w.bool(typeof id === 'number');
    if (typeof id === 'number') w.uint(id);
    else writeSignalId(w, id.signal);
  });
  w.list(row.listeners, ({ caller, completionId, of }) => {
    w.string(caller);
    w.uint(completionId);
    w.bool(of === 'attach');
  });
  w.optional(row.output, output => writeResult(w, output));
  w.uint(row.failures.counted);
  w.uint(row.failures.overrides);
  w.uint(row.retryCount);
  w.optional(row.lastFailure, failure => writeRecordedFailure(w, failure));
}

function readInvocation(r: ByteReader): Invocation {
  return {
    ...readIdentity(r),
    modifiedAt: r.uint(),
    state: readState(r),
    attempt: r.uint(),
    pinned: r.optional(() => ({ deployment: r.string() as DeploymentId, protocolVersion: r.uint() })),
    entries: r.uint(),
    commands: r.uint(),
    pending: r.list(() => readPending(r)),
    completionIds: r.list(() => r.uint()),
    fresh: r.list(() => ({ index: r.uint(), id: r.bool() ? r.uint() : { signal: readSignalId(r) } })),
    listeners: r.list(() => ({
      caller: readId(r),
      completionId: r.uint(),
      of: r.bool() ? ('attach' as const) : ('call' as const),
    })),
    output: r.optional(() => readEnding(r)),
    failures: { counted: r.uint(), overrides: r.uint() },
    retryCount: r.uint(),
    lastFailure: r.optional(() => readRecordedFailure(r)),
  };
}

function readEnding(r: ByteReader) {
  const result = readResult(r);
  if (result.kind !== 'success' && result.kind !== 'failure')
    throw damaged('an output is neither value nor failure');
  return result;
}

function writeCompleted(w: ByteWriter, row: CompletedInvocation): void {
  writeIdentity(w, row);
  w.uint(row.completedAt);
  w.uint(row.expiresAt);
  w.optional(row.deployment, id => w.string(id));
  w.optional(row.protocolVersion, version => w.uint(version));
  w.uint(row.attempt);
  w.uint(row.entries);
  writeResult(w, row.result);
  w.optional(row.lastFailure, failure => writeRecordedFailure(w, failure));
}

function readCompleted(r: ByteReader): CompletedInvocation {
  return {
    ...readIdentity(r),
    completedAt: r.uint(),
    expiresAt: r.uint(),
    deployment: r.optional(() => r.string() as DeploymentId),
    protocolVersion: r.optional(() => r.uint()),
    attempt: r.uint(),
    entries: r.uint(),
    result: readEnding(r),
    lastFailure: r.optional(() => readRecordedFailure(r)),
  };
}

/** Entries as protocol frames, the same bytes that are replayed. */
function writeChunk(w: ByteWriter, chunk: JournalChunk): void {
  w.uint(chunk.first);
  const frames = new FrameWriter();
  for (const entry of chunk.entries) writeEntry(frames, entry);
  w.raw(frames.finish());
}
function readChunk(r: ByteReader): JournalChunk {
  return { first: r.uint(), entries: decodeFrames(r.rest()).map(readEntry) };
}

const TIMER_CODES = { sleep: 1, start: 2, retry: 3, dropJournal: 4, dropCompleted: 5 } as const;
const TIMER_KINDS = Object.keys(TIMER_CODES) as readonly Timer['kind'][];

function writeTimer(w: ByteWriter, timer: Timer): void {
  w.uint(timer.at);
  w.string(timer.invocation);
  w.byte(TIMER_CODES[timer.kind]);
  if (timer.kind === 'sleep') w.uint(timer.completionId);
}

function readTimer(r: ByteReader): Timer {
  const at = r.uint();
  const invocation = readId(r);
  const kind = TIMER_KINDS[r.byte() - 1];
  if (kind === undefined) throw damaged('a timer is of no known kind');
  return kind === 'sleep' ? { at, invocation, kind, completionId: r.uint() } : { at, invocation, kind };
}
