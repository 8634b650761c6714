/**
 * The bytes of a log record. F1: a version byte first, then the command's code; codes and layouts of a released
 * version never change. An attempt's answer is stored as the frames the SDK sent, so nothing is encoded twice.
 */
import { decodeFrames } from '@holdfast/protocol';
import type {
  AfterFailure,
  AttemptEnd,
  Command,
  CommandOf,
  CommandRecord,
  Minted,
  Op,
} from '../core/command.ts';
import type { AttemptFailure, InvocationId } from '../core/model.ts';
import { type IdSource, readAnswer } from './answer.ts';
import { ByteReader, ByteWriter, damaged } from './bytes.ts';
import { readDeployment, writeDeployment } from './deployment.ts';
import { runProposalFrame } from './entries.ts';
import {
  readAwaiting,
  readFailureReport,
  readHeaders,
  readResult,
  readSignalId,
  readTarget,
  writeAwaiting,
  writeFailureReport,
  writeHeaders,
  writeResult,
  writeSignalId,
  writeTarget,
} from './values.ts';

const VERSION = 1;

interface Layout<C extends Command> {
  readonly code: number;
  readonly write: (w: ByteWriter, command: C) => void;
  readonly read: (r: ByteReader) => C;
}

const readId = (r: ByteReader) => r.string() as InvocationId;

const byId = <T extends 'cancel' | 'kill' | 'resume'>(code: number, type: T): Layout<CommandOf<T>> => ({
  code,
  write: (w, { id }: { readonly id: InvocationId }) => w.string(id),
  read: r => ({ type, id: readId(r) }) as CommandOf<T>,
});

const layouts: { readonly [T in Command['type']]: Layout<CommandOf<T>> } = {
  initialize: {
    code: 1,
    write: (w, command) => w.bytes(command.idSecret),
    read: r => ({ type: 'initialize', idSecret: r.bytes() }),
  },
  invoke: {
    code: 2,
    write: (w, command) => {
      writeMinted(w, command.minted);
      writeTarget(w, command.target);
      writeHeaders(w, command.headers);
      w.bytes(command.body);
      w.optional(command.idempotencyKey, key => w.string(key));
      w.uint(command.startAt);
    },
    read: r => ({
      type: 'invoke',
      minted: readMinted(r),
      target: readTarget(r),
      headers: readHeaders(r),
      body: r.bytes(),
      idempotencyKey: r.optional(() => r.string()),
      startAt: r.uint(),
    }),
  },
  attempt: { code: 3, write: writeAttempt, read: readAttempt },
  timerFired: {
    code: 4,
    write: (w, command) => w.string(command.timer),
    read: r => ({ type: 'timerFired', timer: r.string() }),
  },
  signal: {
    code: 5,
    write: (w, command) => {
      w.string(command.id);
      writeSignalId(w, command.signal);
      writeResult(w, command.result);
    },
    read: r => ({
      type: 'signal',
      id: readId(r),
      signal: readSignalId(r),
      result: readResult(r),
    }),
  },
  cancel: byId(6, 'cancel'),
  kill: byId(7, 'kill'),
  resume: byId(8, 'resume'),
  registerDeployment: {
    code: 9,
    write: (w, command) => writeDeployment(w, command.deployment),
    read: r => ({ type: 'registerDeployment', deployment: readDeployment(r) }),
  },
  removeDeployment: {
    code: 10,
    write: (w, command) => w.string(command.id),
    read: r => ({ type: 'removeDeployment', id: r.string() as CommandOf<'removeDeployment'>['id'] }),
  },
};

const byCode = new Map<number, Layout<Command>>(
  Object.values(layouts).map(layout => [layout.code, layout as unknown as Layout<Command>]),
);

const writer = new ByteWriter(4096);

export function encodeRecord(record: CommandRecord): Uint8Array {
  const layout = layouts[record.command.type] as unknown as Layout<Command>;
  writer.byte(VERSION);
  writer.byte(layout.code);
  writer.uint(record.at);
  layout.write(writer, record.command);
  return writer.take();
}

/** Byte strings of the command are views of `bytes`. */
export function decodeRecord(bytes: Uint8Array): CommandRecord {
  const reader = new ByteReader(bytes);
  const version = reader.byte();
  if (version !== VERSION) throw damaged(`log record version ${version} is newer than this program`);
  const code = reader.byte();
  const layout = byCode.get(code);
  if (layout === undefined) throw damaged(`log record code ${code} is unknown`);
  const at = reader.uint();
  const command = layout.read(reader);
  reader.end();
  return { at, command };
}

function writeMinted(w: ByteWriter, minted: Minted): void {
  w.string(minted.id);
  w.u64(minted.randomSeed);
}
const readMinted = (r: ByteReader): Minted => ({ id: readId(r), randomSeed: r.u64() });

function writeAttempt(w: ByteWriter, command: CommandOf<'attempt'>): void {
  w.string(command.id);
  w.uint(command.attempt);
  w.uint(command.seenEntries);
  w.list(command.ops, op => {
    const minted = mintedBy(op);
    w.optional(minted, ({ id, randomSeed }) => writeMinted(w, { id, randomSeed }));
    w.bytes(op.op === 'runCompletion' ? runProposalFrame(op.completionId, op.result) : op.frame);
  });
  writeEnd(w, command.end);
}

function readAttempt(r: ByteReader): CommandOf<'attempt'> {
  const id = readId(r);
  const attempt = r.uint();
  const seenEntries = r.uint();
  const ops = r.list(() => {
    const minted = r.optional(() => readMinted(r));
    const { ops: read } = readAnswer(decodeFrames(r.bytes()), recorded(minted));
    const op = read[0];
    if (op === undefined || read.length !== 1) throw damaged('a journal entry of an attempt is no command');
    return op;
  });
  return { type: 'attempt', id, attempt, seenEntries, ops, end: readEnd(r) };
}

/** Attach targets may have been computed from an idempotency key; storing them keeps decoding free of the secret. */
function mintedBy(op: Op): Minted | undefined {
  if (op.op === 'call' || op.op === 'send') return op.callee;
  if (op.op === 'attach' || op.op === 'getOutput') return { id: op.target, randomSeed: 0n };
  return undefined;
}

function recorded(minted: Minted | undefined): IdSource {
  const take = (): Minted => {
    if (minted === undefined) throw damaged('a recorded call has no id');
    return minted;
  };
  return { callee: take, idempotent: () => take().id };
}

function writeEnd(w: ByteWriter, end: AttemptEnd): void {
  switch (end.kind) {
    case 'completed':
      w.byte(1);
      return;
    case 'suspended':
      w.byte(2);
      writeAwaiting(w, end.awaiting);
      return;
    case 'failed':
      w.byte(3);
      writeFailureReport(w, end.failure);
      writeAfter(w, end.after);
      return;
    default:
      end satisfies never;
  }
}

function readEnd(r: ByteReader): AttemptEnd {
  const kind = r.byte();
  if (kind === 1) return { kind: 'completed' };
  if (kind === 2) return { kind: 'suspended', awaiting: readAwaiting(r) };
  if (kind === 3) {
    const failure: AttemptFailure = readFailureReport(r);
    return { kind: 'failed', failure, after: readAfter(r) };
  }
  throw damaged(`${kind} is no end of an attempt`);
}

function writeAfter(w: ByteWriter, after: AfterFailure): void {
  w.byte(after.kind === 'retry' ? 1 : after.kind === 'pause' ? 2 : 3);
  if (after.kind !== 'retry') return;
  w.uint(after.delayMs);
  w.uint(after.failures.counted);
  w.uint(after.failures.overrides);
}

function readAfter(r: ByteReader): AfterFailure {
  const kind = r.byte();
  if (kind === 1) {
    return { kind: 'retry', delayMs: r.uint(), failures: { counted: r.uint(), overrides: r.uint() } };
  }
  if (kind === 2) return { kind: 'pause' };
  if (kind === 3) return { kind: 'kill' };
  throw damaged(`${kind} is no decision about a retry`);
}
