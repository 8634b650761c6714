/**
 * The life of an invocation, as the steps that several commands share: create, start an attempt, be notified,
 * end. C3: `end` is the only place where a result is written, and it removes the row it is written from. C7: a
 * completion is delivered by taking it off the pending list, which can happen once.
 */
import type { Minted } from './command.ts';
import type { Draft, Working } from './draft.ts';
import type {
  CompletedInvocation,
  CompletionOf,
  DeploymentId,
  Entry,
  HandlerMetadata,
  Header,
  Invocation,
  Listener,
  NotificationResult,
  Result,
  ServiceMetadata,
  SignalId,
  Source,
  Target,
} from './model.ts';
import { CANCEL, NO_FAILURES, TIME_MAX } from './model.ts';

/** The newest version of the service protocol that attempts are started with. */
export const SERVER_PROTOCOL_VERSION = 6;

export interface Creation {
  readonly minted: Minted;
  readonly target: Target;
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
  readonly source: Source;
  readonly idempotencyKey: string | undefined;
  /** Unix ms; in the past: at once. */
  readonly startAt: number;
  readonly listeners: readonly Listener[];
}

export function create(draft: Draft, creation: Creation): void {
  const { id, randomSeed } = creation.minted;
  const inv: Working<Invocation> = {
    id,
    target: creation.target,
    source: creation.source,
    idempotencyKey: creation.idempotencyKey,
    randomSeed,
    createdAt: draft.at,
    modifiedAt: draft.at,
    state: { status: 'running' },
    attempt: 0,
    pinned: undefined,
    entries: 0,
    commands: 1,
    pending: [],
    completionIds: [],
    fresh: [],
    listeners: creation.listeners,
    output: undefined,
    failures: NO_FAILURES,
    retryCount: 0,
    lastFailure: undefined,
  };
  draft.create(inv);
  draft.append(inv, { kind: 'input', headers: creation.headers, body: creation.body });
  if (creation.startAt <= draft.at) {
    startAttempt(draft, inv);
    return;
  }
  const timer = draft.startTimer({ at: creation.startAt, invocation: id, kind: 'start' });
  inv.state = { status: 'scheduled', startAt: creation.startAt, timer };
}

/** Begins the next attempt; the first one pins deployment and protocol version. */
export function startAttempt(draft: Draft, inv: Working<Invocation>): void {
  if (inv.pinned === undefined) {
    const pointer = draft.read('service', inv.target.service);
    const deployment = pointer && draft.read('deployment', pointer.deployment);
    if (deployment !== undefined) {
      const protocolVersion = Math.min(deployment.maxProtocolVersion, SERVER_PROTOCOL_VERSION);
      inv.pinned = { deployment: deployment.id, protocolVersion };
    }
  }
  inv.attempt += 1;
  inv.fresh = [];
  inv.state = { status: 'running' };
  draft.effects.push({ type: 'startAttempt', id: inv.id, attempt: inv.attempt });
}

/** Journals the completion of one of the invocation's own operations and resumes it if it waited for that. */
export function notifyCompletion(
  draft: Draft,
  inv: Working<Invocation>,
  of: CompletionOf,
  completionId: number,
  result: NotificationResult,
): void {
  notify(draft, inv, { kind: 'completion', of, completionId, result }, completionId);
}

/** Delivers a pending completion; nothing happens when it is no longer pending (C7). */
export function resolvePending(
  draft: Draft,
  inv: Working<Invocation>,
  of: 'sleep' | 'call' | 'attach' | 'run',
  completionId: number,
  result: NotificationResult,
): boolean {
  const rest = inv.pending.filter(pending => pending.of !== of || pending.completionId !== completionId);
  if (rest.length === inv.pending.length) return false;
  inv.pending = rest;
  notifyCompletion(draft, inv, of, completionId, result);
  return true;
}

/** Journals a signal. An invocation that has not started drops it, but ends when it is cancelled. */
export function deliverSignal(
  draft: Draft,
  inv: Working<Invocation>,
  signal: SignalId,
  result: NotificationResult,
): 'applied' | 'ended' | 'stale' {
  if (inv.state.status === 'scheduled') {
    if (signal !== CANCEL) return 'stale';
    end(draft, inv, { kind: 'failure', failure: { code: 409, message: 'canceled' } });
    return 'ended';
  }
  const paused = inv.state.status === 'paused';
  notify(draft, inv, { kind: 'signal', signal, result }, { signal });
  if (paused && signal === CANCEL) {
    // It has to run in order to unwind.
    inv.failures = NO_FAILURES;
    startAttempt(draft, inv);
  }
  return 'applied';
}

function notify(
  draft: Draft,
  inv: Working<Invocation>,
  entry: Entry,
  id: number | { readonly signal: SignalId },
): void {
  const index = draft.append(inv, entry);
  if (inv.state.status === 'running') {
    inv.fresh = [...inv.fresh, { index, id }];
  } else if (inv.state.status === 'suspended') {
    const { completions, signals } = inv.state.awaiting;
    const wakes = typeof id === 'number' ? completions.includes(id) : signals.includes(id.signal);
    if (wakes) startAttempt(draft, inv);
  }
}

/** Ends the invocation with its one result: tells who waits, frees what it held, keeps what retention asks for. */
export function end(draft: Draft, inv: Working<Invocation>, result: Result): void {
  release(draft, inv);
  const kept = retain(draft, inv, result);
  draft.end(inv, kept);
  for (const { caller, completionId, of } of inv.listeners) {
    const waiting = draft.invocation(caller);
    if (waiting !== undefined) resolvePending(draft, waiting, of, completionId, result);
  }
  draft.effects.push({ type: 'completed', id: inv.id, result });
}

/** Takes back timers and the places in other invocations' listener lists. */
function release(draft: Draft, inv: Working<Invocation>): void {
  if (inv.state.status === 'scheduled' || inv.state.status === 'backingOff') draft.stopTimer(inv.state.timer);
  for (const pending of inv.pending) {
    if (pending.of === 'sleep') draft.stopTimer(pending.timer);
    if (pending.of !== 'call' && pending.of !== 'attach') continue;
    const callee = draft.invocation(pending.target);
    if (callee === undefined) continue;
    callee.listeners = callee.listeners.filter(listener => listener.caller !== inv.id);
  }
}

/**
 * Retention as the service's revision says: an idempotency key keeps the result, the journal never outlives it. When
 * the deployment that ran it was removed, the newest one's word holds: a repeated request must still be known (W2).
 */
function retain(draft: Draft, inv: Working<Invocation>, result: Result): CompletedInvocation | undefined {
  const { pinned, target } = inv;
  const found = (pinned && handlerIn(draft, pinned.deployment, target)) ?? newestHandler(draft, target);
  if (found === undefined) return undefined;
  const { service, handler } = found;
  const journalMs = handler.journalRetentionMs ?? service.journalRetentionMs;
  const idempotencyMs = handler.idempotencyRetentionMs ?? service.idempotencyRetentionMs;
  const keptMs = inv.idempotencyKey === undefined ? journalMs : idempotencyMs;
  if (keptMs <= 0) return undefined;
  const keepJournal = Math.min(journalMs, keptMs) > 0;
  const expiresAt = Math.min(draft.at + keptMs, TIME_MAX);
  draft.startTimer({ at: expiresAt, invocation: inv.id, kind: 'dropCompleted' });
  if (keepJournal && journalMs < keptMs) {
    draft.startTimer({
      at: Math.min(draft.at + journalMs, TIME_MAX),
      invocation: inv.id,
      kind: 'dropJournal',
    });
  }
  return {
    id: inv.id,
    target: inv.target,
    source: inv.source,
    idempotencyKey: inv.idempotencyKey,
    randomSeed: inv.randomSeed,
    createdAt: inv.createdAt,
    completedAt: draft.at,
    expiresAt,
    deployment: inv.pinned?.deployment,
    protocolVersion: inv.pinned?.protocolVersion,
    attempt: inv.attempt,
    entries: keepJournal ? inv.entries : 0,
    result,
    lastFailure: inv.lastFailure,
  };
}

interface Handler {
  readonly service: ServiceMetadata;
  readonly handler: HandlerMetadata;
}

type Reader = Pick<Draft, 'read'>;

export function handlerIn(draft: Reader, id: DeploymentId, target: Target): Handler | undefined {
  const deployment = draft.read('deployment', id);
  const service = deployment?.services.find(candidate => candidate.name === target.service);
  const handler = service?.handlers.find(candidate => candidate.name === target.handler);
  return service === undefined || handler === undefined ? undefined : { service, handler };
}

/** The handler that a new invocation of `target` would run. */
export function newestHandler(draft: Reader, target: Target): Handler | undefined {
  const pointer = draft.read('service', target.service);
  return pointer === undefined ? undefined : handlerIn(draft, pointer.deployment, target);
}
