/**
 * The bytes of a log record. F1: a version byte first, then the command's code; codes and layouts of a released
 * version never change. An attempt's answer is stored as the frames the SDK sent, so nothing is encoded twice.
 */
import { decodeFrames, MAX_PROTOCOL_VERSION } from '@holdfast/protocol';
import type {
  AfterFailure,
  AttemptEnd,
  Command,
  CommandOf,
  CommandRecord,
  Minted,
  Op,
} from '../core/command.ts';
import type { DeploymentId, InvocationId } from '../core/model.ts';
import { type IdSource, readAnswer } from './answer.ts';
import { asDamage, ByteReader, ByteWriter, damaged } from './bytes.ts';
import { readDeployment, readService, writeDeployment, writeService } from './deployment.ts';
import { runProposalFrame } from './entries.ts';
import {
  readFailureReport,
  readFailures,
  readFuture,
  readHeaders,
  readId,
  readResult,
  readSignalId,
  readStatePatch,
  readTarget,
  writeFailureReport,
  writeFailures,
  writeFuture,
  writeHeaders,
  writeId,
  writeResult,
  writeSignalId,
  writeStatePatch,
  writeTarget,
} from './values.ts';

const VERSION = 1;

interface Layout<C extends Command> {
  readonly code: number;
  readonly write: (w: ByteWriter, command: C) => void;
  readonly read: (r: ByteReader) => C;
}

type OfInvocation = 'cancel' | 'kill' | 'pause' | 'purge' | 'purgeJournal';
const ofInvocation = <T extends OfInvocation>(code: number, type: T): Layout<CommandOf<T>> => ({
  code,
  write: (w, { id }: { readonly id: InvocationId }) => writeId(w, id),
  read: r => ({ type, id: readId(r) }) as CommandOf<T>,
});

type OfDeployment = 'promoteDeployment' | 'removeDeployment';
const ofDeployment = <T extends OfDeployment>(code: number, type: T): Layout<CommandOf<T>> => ({
  code,
  write: (w, { id }: { readonly id: DeploymentId }) => w.string(id),
  read: r => ({ type, id: readDeploymentId(r) }) as CommandOf<T>,
});
const readDeploymentId = (r: ByteReader) => r.string() as DeploymentId;

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
      w.optional(command.limitKey, key => w.string(key));
      w.uint(command.startAt);
    },
    read: r => ({
      type: 'invoke',
      minted: readMinted(r),
      target: readTarget(r),
      headers: readHeaders(r),
      body: r.bytes(),
      idempotencyKey: r.optional(() => r.string()),
      limitKey: r.optional(() => r.string()),
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
      writeId(w, command.id);
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
  cancel: ofInvocation(6, 'cancel'),
  kill: ofInvocation(7, 'kill'),
  resume: {
    code: 8,
    write: (w, command) => {
      writeId(w, command.id);
      w.optional(command.deployment, id => w.string(id));
    },
    read: r => ({ type: 'resume', id: readId(r), deployment: r.optional(() => readDeploymentId(r)) }),
  },
  registerDeployment: {
    code: 9,
    write: (w, command) => {
      writeDeployment(w, command.deployment);
      w.bool(command.keepSettings);
    },
    read: r => ({ type: 'registerDeployment', deployment: readDeployment(r), keepSettings: r.bool() }),
  },
  removeDeployment: ofDeployment(10, 'removeDeployment'),
  pause: ofInvocation(11, 'pause'),
  restartAsNew: {
    code: 12,
    write: (w, command) => {
      writeId(w, command.id);
      writeMinted(w, command.minted);
      w.optional(command.deployment, id => w.string(id));
      w.list(command.kept.entries, index => w.uint(index));
      w.list(command.kept.completionIds, id => w.uint(id));
    },
    read: r => ({
      type: 'restartAsNew',
      id: readId(r),
      minted: readMinted(r),
      deployment: r.optional(() => readDeploymentId(r)),
      kept: { entries: r.list(() => r.uint()), completionIds: r.list(() => r.uint()) },
    }),
  },
  purge: ofInvocation(13, 'purge'),
  purgeJournal: ofInvocation(14, 'purgeJournal'),
  patchState: {
    code: 15,
    write: (w, command) => {
      w.string(command.of.service);
      w.string(command.of.key);
      w.optional(command.of.scope, scope => w.string(scope));
      writeStatePatch(w, command.patch);
    },
    read: r => {
      const of = { service: r.string(), key: r.string() };
      const scope = r.optional(() => r.string());
      return {
        type: 'patchState',
        of: scope === undefined ? of : { ...of, scope },
        patch: readStatePatch(r),
      };
    },
  },
  promoteDeployment: ofDeployment(16, 'promoteDeployment'),
  updateService: {
    code: 17,
    write: (w, command) => {
      w.string(command.deployment);
      writeService(w, command.service);
    },
    read: r => ({ type: 'updateService', deployment: readDeploymentId(r), service: readService(r) }),
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
  try {
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
  } catch (error) {
    throw asDamage(error);
  }
}

function writeMinted(w: ByteWriter, minted: Minted): void {
  writeId(w, minted.id);
  w.u64(minted.randomSeed);
  w.bool(minted.deterministic);
}
const readMinted = (r: ByteReader): Minted => ({
  id: readId(r),
  randomSeed: r.u64(),
  deterministic: r.bool(),
});

function writeAttempt(w: ByteWriter, command: CommandOf<'attempt'>): void {
  writeId(w, command.id);
  w.uint(command.attempt);
  w.u64(command.randomSeed);
  w.uint(command.seenEntries);
  w.list(command.ops, op => {
    const minted = mintedBy(op);
    w.optional(minted, value => writeMinted(w, value));
    w.bytes(op.op === 'runCompletion' ? runProposalFrame(op.completionId, op.result) : op.frame);
  });
  writeEnd(w, command.end);
}

function readAttempt(r: ByteReader): CommandOf<'attempt'> {
  const id = readId(r);
  const attempt = r.uint();
  const randomSeed = r.u64();
  const seenEntries = r.uint();
  const ops = r.list(() => {
    const minted = r.optional(() => readMinted(r));
    const { ops: read } = readAnswer(decodeFrames(r.bytes()), recorded(minted), MAX_PROTOCOL_VERSION);
    const op = read[0];
    if (op === undefined || read.length !== 1) throw damaged('a journal entry of an attempt is no command');
    return op;
  });
  return { type: 'attempt', id, attempt, randomSeed, seenEntries, ops, end: readEnd(r) };
}

/** Attach targets may have been computed from a key; storing them keeps decoding free of the secret. */
function mintedBy(op: Op): Minted | undefined {
  if (op.op === 'call' || op.op === 'send') return op.callee;
  if (op.op === 'attach' || op.op === 'getOutput') {
    return { id: op.target, randomSeed: 0n, deterministic: false };
  }
  return undefined;
}

function recorded(minted: Minted | undefined): IdSource {
  const take = (): Minted => {
    if (minted === undefined) throw damaged('a recorded call has no id');
    return minted;
  };
  return { callee: take, idempotent: () => take().id, workflow: () => take().id };
}

function writeEnd(w: ByteWriter, end: AttemptEnd): void {
  switch (end.kind) {
    case 'completed':
      w.byte(1);
      return;
    case 'suspended':
      w.byte(2);
      writeFuture(w, end.awaiting);
      return;
    case 'failed':
      w.byte(3);
      writeFailureReport(w, end.failure);
      writeAfter(w, end.after);
      return;
    case 'goesOn':
      w.byte(4);
      return;
    default:
      end satisfies never;
  }
}

function readEnd(r: ByteReader): AttemptEnd {
  const kind = r.byte();
  if (kind === 1) return { kind: 'completed' };
  if (kind === 2) return { kind: 'suspended', awaiting: readFuture(r) };
  if (kind === 3) return { kind: 'failed', failure: readFailureReport(r), after: readAfter(r) };
  if (kind === 4) return { kind: 'goesOn' };
  throw damaged(`${kind} is no end of an attempt`);
}

function writeAfter(w: ByteWriter, after: AfterFailure): void {
  w.byte(after.kind === 'retry' ? 1 : after.kind === 'pause' ? 2 : 3);
  if (after.kind !== 'retry') return;
  w.uint(after.delayMs);
  writeFailures(w, after.failures);
}

function readAfter(r: ByteReader): AfterFailure {
  const kind = r.byte();
  if (kind === 1) return { kind: 'retry', delayMs: r.uint(), failures: readFailures(r) };
  if (kind === 2) return { kind: 'pause' };
  if (kind === 3) return { kind: 'kill' };
  throw damaged(`${kind} is no decision about a retry`);
}
