/**
 * The rows of invocations, running and completed. There may be hundreds of thousands of unfinished ones, most of
 * them waiting with next to nothing in them: what is usually empty costs a bit, and an id its 24 bytes. A queued
 * one takes at most 200 bytes in all, its two keys and its journal included, beside target and body.
 */
import {
  type CompletedInvocation,
  type DeploymentId,
  type Fresh,
  type Invocation,
  type InvocationStatus,
  type Listener,
  NO_FAILURES,
  type Pending,
  type RecordedFailure,
  type Role,
  type Source,
} from '../core/model.ts';
import { type ByteReader, type ByteWriter, damaged } from './bytes.ts';
import {
  readEnding,
  readFailureReport,
  readFailures,
  readFuture,
  readRawId,
  readSignalId,
  readTarget,
  writeFailureReport,
  writeFailures,
  writeFuture,
  writeRawId,
  writeResult,
  writeSignalId,
  writeTarget,
} from './values.ts';

/** Which parts of an invocation's row are there: those of a healthy one fit in one byte. */
const HAS_IDEMPOTENCY_KEY = 1;
const HAS_PINNED = 2;
const HAS_PENDING = 4;
const HAS_COMPLETION_IDS = 8;
const HAS_FRESH = 16;
const HAS_LISTENERS = 32;
const HAS_OUTPUT = 64;
const HAS_FAILED = 128;
/** The clock was set back between creation and last change. */
const IS_MODIFIED_EARLIER = 256;
const HAS_FAILED_IDS = 512;
const HAS_LIMIT_KEY = 1024;
const ALL_FLAGS = 2047;

export function writeInvocation(w: ByteWriter, row: Invocation): void {
  const flags = flagsOf(row);
  w.uint(flags);
  writeIdentity(w, row);
  w.uint(Math.abs(row.modifiedAt - row.createdAt));
  writeState(w, row.state);
  w.uint(row.attempt);
  w.uint(row.entries);
  w.uint(row.commands);
  if (row.idempotencyKey !== undefined) w.string(row.idempotencyKey);
  if (row.pinned !== undefined) {
    w.string(row.pinned.deployment);
    w.uint(row.pinned.protocolVersion);
  }
  if (flags & HAS_PENDING) w.list(row.pending, pending => writePending(w, pending));
  if (flags & HAS_COMPLETION_IDS) w.list(row.completionIds, id => w.uint(id));
  if (flags & HAS_FAILED_IDS) w.list(row.failedIds, id => w.uint(id));
  if (row.limitKey !== undefined) w.string(row.limitKey);
  if (flags & HAS_FRESH) w.list(row.fresh, fresh => writeFresh(w, fresh));
  if (flags & HAS_LISTENERS) w.list(row.listeners, listener => writeListener(w, listener));
  if (row.output !== undefined) writeResult(w, row.output);
  if (flags & HAS_FAILED) {
    writeFailures(w, row.failures);
    w.uint(row.retryCount);
    w.optional(row.lastFailure, failure => writeRecordedFailure(w, failure));
  }
}

function flagsOf(row: Invocation): number {
  const { counted, overrides, suspect } = row.failures;
  const isClean = counted + overrides + suspect + row.retryCount === 0 && row.lastFailure === undefined;
  return (
    (row.idempotencyKey === undefined ? 0 : HAS_IDEMPOTENCY_KEY) |
    (row.pinned === undefined ? 0 : HAS_PINNED) |
    (row.pending.length === 0 ? 0 : HAS_PENDING) |
    (row.completionIds.length === 0 ? 0 : HAS_COMPLETION_IDS) |
    (row.fresh.length === 0 ? 0 : HAS_FRESH) |
    (row.listeners.length === 0 ? 0 : HAS_LISTENERS) |
    (row.output === undefined ? 0 : HAS_OUTPUT) |
    (isClean ? 0 : HAS_FAILED) |
    (row.modifiedAt < row.createdAt ? IS_MODIFIED_EARLIER : 0) |
    (row.failedIds.length === 0 ? 0 : HAS_FAILED_IDS) |
    (row.limitKey === undefined ? 0 : HAS_LIMIT_KEY)
  );
}

export function readInvocation(r: ByteReader): Invocation {
  const flags = r.uint();
  if (flags > ALL_FLAGS) throw damaged(`${flags} are no flags of an invocation`);
  const identity = readIdentity(r);
  const sinceCreated = flags & IS_MODIFIED_EARLIER ? -r.uint() : r.uint();
  return {
    ...identity,
    modifiedAt: identity.createdAt + sinceCreated,
    state: readState(r),
    attempt: r.uint(),
    entries: r.uint(),
    commands: r.uint(),
    idempotencyKey: flags & HAS_IDEMPOTENCY_KEY ? r.string() : undefined,
    pinned:
      flags & HAS_PINNED ? { deployment: r.string() as DeploymentId, protocolVersion: r.uint() } : undefined,
    pending: flags & HAS_PENDING ? r.list(() => readPending(r)) : [],
    completionIds: flags & HAS_COMPLETION_IDS ? r.list(() => r.uint()) : [],
    failedIds: flags & HAS_FAILED_IDS ? r.list(() => r.uint()) : [],
    limitKey: flags & HAS_LIMIT_KEY ? r.string() : undefined,
    fresh: flags & HAS_FRESH ? r.list(() => readFresh(r)) : [],
    listeners: flags & HAS_LISTENERS ? r.list(() => readListener(r)) : [],
    output: flags & HAS_OUTPUT ? readEnding(r) : undefined,
    ...(flags & HAS_FAILED ? readFailed(r) : NEVER_FAILED),
  };
}

type Failed = Pick<Invocation, 'failures' | 'retryCount' | 'lastFailure'>;
const NEVER_FAILED: Failed = { failures: NO_FAILURES, retryCount: 0, lastFailure: undefined };
const readFailed = (r: ByteReader): Failed => ({
  failures: readFailures(r),
  retryCount: r.uint(),
  lastFailure: r.optional(() => readRecordedFailure(r)),
});

export function writeCompleted(w: ByteWriter, row: CompletedInvocation): void {
  writeIdentity(w, row);
  w.optional(row.idempotencyKey, key => w.string(key));
  w.optional(row.limitKey, key => w.string(key));
  w.uint(row.completedAt);
  w.uint(row.expiresAt);
  w.optional(row.journalExpiresAt, at => w.uint(at));
  w.optional(row.deployment, id => w.string(id));
  w.optional(row.protocolVersion, version => w.uint(version));
  w.uint(row.attempt);
  w.uint(row.entries);
  writeResult(w, row.result);
  w.optional(row.lastFailure, failure => writeRecordedFailure(w, failure));
}

export function readCompleted(r: ByteReader): CompletedInvocation {
  return {
    ...readIdentity(r),
    idempotencyKey: r.optional(() => r.string()),
    limitKey: r.optional(() => r.string()),
    completedAt: r.uint(),
    expiresAt: r.uint(),
    journalExpiresAt: r.optional(() => r.uint()),
    deployment: r.optional(() => r.string() as DeploymentId),
    protocolVersion: r.optional(() => r.uint()),
    attempt: r.uint(),
    entries: r.uint(),
    result: readEnding(r),
    lastFailure: r.optional(() => readRecordedFailure(r)),
  };
}

type Identity = Pick<
  Invocation & CompletedInvocation,
  'id' | 'target' | 'role' | 'source' | 'randomSeed' | 'createdAt'
>;

function writeIdentity(w: ByteWriter, row: Identity): void {
  writeRawId(w, row.id);
  writeTarget(w, row.target);
  w.byte(ROLE_CODES[row.role]);
  writeSource(w, row.source);
  w.u64(row.randomSeed);
  w.uint(row.createdAt);
}
const readIdentity = (r: ByteReader): Identity => ({
  id: readRawId(r),
  target: readTarget(r),
  role: readRole(r),
  source: readSource(r),
  randomSeed: r.u64(),
  createdAt: r.uint(),
});

const ROLE_CODES = {
  service: 1,
  exclusive: 2,
  shared: 3,
  workflow: 4,
  workflowShared: 5,
} as const satisfies {
  readonly [R in Role]: number;
};
const ROLES = Object.keys(ROLE_CODES) as readonly Role[];

function readRole(r: ByteReader): Role {
  const code = r.byte();
  const role = ROLES[code - 1];
  if (role === undefined) throw damaged(`${code} is no role of an invocation`);
  return role;
}

function writeSource(w: ByteWriter, source: Source): void {
  switch (source.kind) {
    case 'ingress':
      w.byte(0);
      return;
    case 'invocation':
      w.byte(1);
      writeRawId(w, source.id);
      writeTarget(w, source.target);
      return;
    case 'restart':
      w.byte(2);
      writeRawId(w, source.id);
      w.uint(source.entries);
      return;
    default:
      source satisfies never;
  }
}

function readSource(r: ByteReader): Source {
  const code = r.byte();
  if (code === 0) return { kind: 'ingress' };
  if (code === 1) return { kind: 'invocation', id: readRawId(r), target: readTarget(r) };
  if (code === 2) return { kind: 'restart', id: readRawId(r), entries: r.uint() };
  throw damaged(`${code} is no source of an invocation`);
}

/** Codes 6 to 9: plus 1 with a previous one, plus 2 with a next one. */
const QUEUED = 6;

function writeState(w: ByteWriter, state: InvocationStatus): void {
  switch (state.status) {
    case 'scheduled':
      w.byte(1);
      w.uint(state.startAt);
      w.string(state.timer);
      return;
    case 'running':
      w.byte(2);
      w.bool(state.pausing);
      return;
    case 'backingOff':
      w.byte(3);
      w.uint(state.retryAt);
      w.string(state.timer);
      return;
    case 'suspended':
      w.byte(4);
      writeFuture(w, state.awaiting);
      return;
    case 'paused':
      w.byte(5);
      return;
    case 'queued':
      w.byte(QUEUED + (state.previous === undefined ? 0 : 1) + (state.next === undefined ? 0 : 2));
      if (state.previous !== undefined) writeRawId(w, state.previous);
      if (state.next !== undefined) writeRawId(w, state.next);
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
      return { status: 'running', pausing: r.bool() };
    case 3:
      return { status: 'backingOff', retryAt: r.uint(), timer: r.string() };
    case 4:
      return { status: 'suspended', awaiting: readFuture(r) };
    case 5:
      return { status: 'paused' };
    case QUEUED:
      return { status: 'queued', previous: undefined, next: undefined };
    case QUEUED + 1:
      return { status: 'queued', previous: readRawId(r), next: undefined };
    case QUEUED + 2:
      return { status: 'queued', previous: undefined, next: readRawId(r) };
    case QUEUED + 3:
      return { status: 'queued', previous: readRawId(r), next: readRawId(r) };
    default:
      throw damaged(`${code} is no status of an invocation`);
  }
}

const PENDING_CODES = { sleep: 1, call: 2, attach: 3, run: 4, getPromise: 5 } as const;

function writePending(w: ByteWriter, pending: Pending): void {
  w.byte(PENDING_CODES[pending.of]);
  w.uint(pending.completionId);
  if (pending.of === 'sleep') w.string(pending.timer);
  else if (pending.of === 'getPromise') w.string(pending.promise);
  else if (pending.of !== 'run') writeRawId(w, pending.target);
}

function readPending(r: ByteReader): Pending {
  const code = r.byte();
  const completionId = r.uint();
  switch (code) {
    case PENDING_CODES.sleep:
      return { of: 'sleep', completionId, timer: r.string() };
    case PENDING_CODES.call:
      return { of: 'call', completionId, target: readRawId(r) };
    case PENDING_CODES.attach:
      return { of: 'attach', completionId, target: readRawId(r) };
    case PENDING_CODES.run:
      return { of: 'run', completionId };
    case PENDING_CODES.getPromise:
      return { of: 'getPromise', completionId, promise: r.string() };
    default:
      throw damaged(`${code} is no pending operation`);
  }
}

const OUTCOME_CODES = { success: 1, failure: 2, unknown: 3 } as const;
const OUTCOMES = Object.keys(OUTCOME_CODES) as readonly Fresh['outcome'][];

function writeFresh(w: ByteWriter, { index, id, outcome }: Fresh): void {
  w.uint(index);
  w.byte(OUTCOME_CODES[outcome]);
  w.bool(typeof id === 'number');
  if (typeof id === 'number') w.uint(id);
  else writeSignalId(w, id.signal);
}
function readFresh(r: ByteReader): Fresh {
  const index = r.uint();
  const code = r.byte();
  const outcome = OUTCOMES[code - 1];
  if (outcome === undefined) throw damaged(`${code} is no outcome of a notification`);
  return { index, outcome, id: r.bool() ? r.uint() : { signal: readSignalId(r) } };
}

function writeListener(w: ByteWriter, { caller, completionId, of }: Listener): void {
  writeRawId(w, caller);
  w.uint(completionId);
  w.bool(of === 'attach');
}
const readListener = (r: ByteReader): Listener => ({
  caller: readRawId(r),
  completionId: r.uint(),
  of: r.bool() ? 'attach' : 'call',
});

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
