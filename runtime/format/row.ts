/**
 * The bytes of stored rows: one layout per table, a version byte first. F1 holds for them as for records. A key is
 * the table's id byte and the key string.
 */
import { decodeFrames, FrameWriter } from '@holdfast/protocol';
import type {
  DeploymentId,
  DurablePromise,
  Instance,
  JournalChunk,
  ServicePointer,
  Timer,
} from '../core/model.ts';
import { type Rows, TABLE_IDS, type TableName } from '../core/table.ts';
import { asDamage, ByteReader, ByteWriter, damaged } from './bytes.ts';
import { readDeployment, readService, writeDeployment, writeService } from './deployment.ts';
import { readEntry, writeEntry } from './entries.ts';
import { readCompleted, readInvocation, writeCompleted, writeInvocation } from './invocation-row.ts';
import {
  readEnding,
  readId,
  readRawId,
  readStatePatch,
  writeId,
  writeRawId,
  writeResult,
  writeStatePatch,
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
  service: { write: writePointer, read: readPointer },
  instance: { write: writeInstance, read: readInstance },
  state: {
    write: (w, row) => {
      w.string(row.key);
      w.bytes(row.value);
    },
    read: r => ({ key: r.string(), value: r.bytes() }),
  },
  promise: { write: writePromise, read: readPromise },
};

const writer = new ByteWriter(4096);

export function encodeRow<N extends TableName>(table: N, row: Rows[N]): Uint8Array {
  writer.byte(VERSION);
  layouts[table].write(writer, row);
  return writer.take();
}

/** Byte strings of the row are views of `bytes`. */
export function decodeRow<N extends TableName>(table: N, bytes: Uint8Array): Rows[N] {
  try {
    const reader = new ByteReader(bytes);
    const version = reader.byte();
    if (version !== VERSION) throw damaged(`row version ${version} of ${table} is newer than this program`);
    const row = layouts[table].read(reader);
    reader.end();
    return row;
  } catch (error) {
    throw asDamage(error);
  }
}

export function encodeKey(table: TableName, key: string): Uint8Array {
  const bytes = new Uint8Array(1 + key.length);
  bytes[0] = TABLE_IDS[table];
  for (let i = 0; i < key.length; i++) bytes[i + 1] = key.charCodeAt(i);
  return bytes;
}

export const decodeKey = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + 1, bytes.byteLength - 1).toString('latin1');

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

const TIMER_CODES = {
  sleep: 1,
  start: 2,
  retry: 3,
  dropJournal: 4,
  dropCompleted: 5,
  dropPromise: 6,
} as const satisfies { readonly [K in Timer['kind']]: number };
const TIMER_KINDS = Object.keys(TIMER_CODES) as readonly Timer['kind'][];

function writeTimer(w: ByteWriter, timer: Timer): void {
  w.uint(timer.at);
  writeId(w, timer.invocation);
  w.byte(TIMER_CODES[timer.kind]);
  if ('completionId' in timer) w.uint(timer.completionId);
  if ('promise' in timer) w.string(timer.promise);
}

function readTimer(r: ByteReader): Timer {
  const at = r.uint();
  const invocation = readId(r);
  const kind = TIMER_KINDS[r.byte() - 1];
  if (kind === undefined) throw damaged('a timer is of no known kind');
  if (kind === 'sleep') return { at, invocation, kind, completionId: r.uint() };
  if (kind === 'dropPromise') {
    return { at, invocation, kind, completionId: r.uint(), promise: r.string() };
  }
  return { at, invocation, kind };
}

function writePointer(w: ByteWriter, row: ServicePointer): void {
  w.string(row.name);
  w.string(row.deployment);
  w.uint(row.revision);
  w.optional(row.patched, service => writeService(w, service));
}
function readPointer(r: ByteReader): ServicePointer {
  const name = r.string();
  const deployment = r.string() as DeploymentId;
  const revision = r.uint();
  const patched = r.optional(() => readService(r));
  return { name, deployment, revision, ...(patched === undefined ? {} : { patched }) };
}

function writeInstance(w: ByteWriter, row: Instance): void {
  for (const id of [row.holder, row.first, row.last, row.run]) w.optional(id, value => writeRawId(w, value));
  w.list(row.patches, patch => writeStatePatch(w, patch));
}
function readInstance(r: ByteReader): Instance {
  const id = () => r.optional(() => readRawId(r));
  const [holder, first, last, run] = [id(), id(), id(), id()];
  return { holder, first, last, run, patches: r.list(() => readStatePatch(r)) };
}

function writePromise(w: ByteWriter, row: DurablePromise): void {
  w.optional(row.result, result => writeResult(w, result));
  w.list(row.listeners, ({ caller, completionId }) => {
    writeRawId(w, caller);
    w.uint(completionId);
  });
  w.optional(row.timer, timer => w.string(timer));
}
function readPromise(r: ByteReader): DurablePromise {
  return {
    result: r.optional(() => readEnding(r)),
    listeners: r.list(() => ({ caller: readRawId(r), completionId: r.uint() })),
    timer: r.optional(() => r.string()),
  };
}
