/**
 * The life of an invocation, as the steps that several commands share: create, start an attempt, be notified,
 * end. C3: `end` is the only place where a result is written, and it removes the row it is written from. C7: a
 * completion is delivered by taking it off the pending list, which can happen once.
 */
import { after } from './awaiting.ts';
import type { Minted } from './command.ts';
import type { Draft, Working } from './draft.ts';
import { acquire, forgetRun, isExclusive, release, reserveRun } from './instance.ts';
import type {
  CompletedInvocation,
  CompletionOf,
  DeploymentId,
  Entry,
  Fresh,
  Header,
  Invocation,
  InvocationId,
  InvocationStatus,
  Listener,
  NotificationResult,
  Pending,
  Result,
  Role,
  SignalId,
  Source,
  Target,
} from './model.ts';
import { CANCEL, NO_FAILURES, TIME_MAX } from './model.ts';
import { addCompletionId } from './ops/completion-ids.ts';
import { handlerIn, newestHandler, roleOf } from './registry.ts';
import { timerKey } from './table.ts';
import { check, type Event } from './transitions.ts';

export interface Creation {
  readonly minted: Minted;
  readonly target: Target;
  readonly role: Role;
  readonly source: Source;
  readonly idempotencyKey: string | undefined;
  readonly limitKey?: string | undefined;
  readonly listeners: readonly Listener[];
}

/** An invocation with an empty journal; the caller journals its input and lets it `begin`. */
export function create(draft: Draft, creation: Creation): Working<Invocation> {
  const { id, randomSeed } = creation.minted;
  const inv: Working<Invocation> = {
    id,
    target: creation.target,
    role: creation.role,
    source: creation.source,
    idempotencyKey: creation.idempotencyKey,
    limitKey: creation.limitKey,
    randomSeed,
    createdAt: draft.at,
    modifiedAt: draft.at,
    state: NEW,
    attempt: 0,
    pinned: undefined,
    entries: 0,
    commands: 0,
    pending: [],
    completionIds: [],
    failedIds: [],
    fresh: [],
    listeners: creation.listeners,
    output: undefined,
    failures: NO_FAILURES,
    retryCount: 0,
    lastFailure: undefined,
  };
  draft.create(inv);
  if (creation.role === 'workflow') reserveRun(draft, inv);
  return inv;
}

/** What a new one is until it begins, within one record. */
const NEW = { status: 'scheduled', startAt: 0, timer: '' } as const;

export interface Input {
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
  /** Unix ms; in the past: at once. */
  readonly startAt: number;
}

function journalInput(draft: Draft, inv: Working<Invocation>, { headers, body }: Input): void {
  draft.append(inv, { kind: 'input', headers, body });
  inv.commands = 1;
}

export function accept(draft: Draft, creation: Creation, input: Input): void {
  const inv = create(draft, creation);
  journalInput(draft, inv, input);
  const { startAt } = input;
  if (startAt <= draft.at) {
    begin(draft, inv, 'new');
    return;
  }
  const timer = draft.startTimer({ at: startAt, invocation: inv.id, kind: 'start' });
  check('new', 'delay', 'scheduled');
  inv.state = { status: 'scheduled', startAt, timer };
}

/** Runs it, or queues it where another one holds the key of its object. */
export function begin(draft: Draft, inv: Working<Invocation>, from: 'new' | 'scheduled'): void {
  if (!isExclusive(inv) || acquire(draft, inv)) {
    check(from, 'begin', 'running');
    run(draft, inv);
  } else check(from, 'queue', 'queued');
}

/** Starts the next attempt; the first one pins deployment and protocol version. */
export function startAttempt(draft: Draft, inv: Working<Invocation>, event: Event): void {
  check(inv.state.status, event, 'running');
  run(draft, inv);
}

function run(draft: Draft, inv: Working<Invocation>): void {
  if (inv.pinned === undefined) {
    const pointer = draft.read('service', inv.target.service);
    if (pointer !== undefined) pin(draft, inv, pointer.deployment);
  }
  inv.attempt += 1;
  inv.fresh = [];
  inv.state = RUNNING;
  draft.effects.push({ type: 'startAttempt', id: inv.id, attempt: inv.attempt });
}

const RUNNING = { status: 'running', pausing: false } as const;

function pin(draft: Draft, inv: Working<Invocation>, id: DeploymentId): void {
  const deployment = draft.read('deployment', id);
  if (deployment !== undefined) inv.pinned = { deployment: id, protocolVersion: deployment.protocolVersion };
}

/** Moves it to another deployment, where its journal, if it has one, can be replayed. */
export function repin(
  draft: Draft,
  inv: Working<Invocation>,
  id: DeploymentId,
): 'applied' | 'unknownDeployment' | 'incompatibleDeployment' {
  const deployment = draft.read('deployment', id);
  const found = handlerIn(draft, id, inv.target);
  if (deployment === undefined || found === undefined) return 'unknownDeployment';
  // There it would have other rights to its key than it has taken.
  if (roleOf(found) !== inv.role) return 'incompatibleDeployment';
  const version = inv.pinned?.protocolVersion;
  if (version === undefined) pin(draft, inv, id);
  else if (version < deployment.minProtocolVersion || version > deployment.maxProtocolVersion) {
    return 'incompatibleDeployment';
  } else inv.pinned = { deployment: id, protocolVersion: version };
  return 'applied';
}

/** Journals the completion of one of the invocation's own operations and resumes it if it waited for that. */
export function notifyCompletion(
  draft: Draft,
  inv: Working<Invocation>,
  of: CompletionOf,
  completionId: number,
  result: NotificationResult,
): void {
  if (result.kind === 'failure') inv.failedIds = addCompletionId(inv.failedIds, completionId);
  notify(draft, inv, { kind: 'completion', of, completionId, result }, completionId, result);
}

/** Delivers a pending completion; nothing happens when it is no longer pending (C7). */
export function resolvePending(
  draft: Draft,
  inv: Working<Invocation>,
  of: Pending['of'],
  completionId: number,
  result: NotificationResult,
): boolean {
  const at = inv.pending.findIndex(pending => pending.completionId === completionId && pending.of === of);
  if (at < 0) return false;
  inv.pending = inv.pending.toSpliced(at, 1);
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
  if (inv.state.status === 'scheduled' || inv.state.status === 'queued') {
    if (signal !== CANCEL) return 'stale';
    end(draft, inv, { kind: 'failure', failure: { code: 409, message: 'canceled' } }, 'cancel');
    return 'ended';
  }
  const { state } = inv;
  notify(draft, inv, { kind: 'signal', signal, result }, { signal }, result);
  if (signal === CANCEL) letUnwind(draft, inv, state);
  return 'applied';
}

/** It has to run in order to unwind, now rather than when its retry is due or somebody resumes it. */
function letUnwind(draft: Draft, inv: Working<Invocation>, state: InvocationStatus): void {
  switch (state.status) {
    case 'paused':
      inv.failures = NO_FAILURES;
      startAttempt(draft, inv, 'cancel');
      return;
    case 'backingOff':
      draft.stopTimer(state.timer);
      startAttempt(draft, inv, 'cancel');
      return;
    case 'running':
      if (!state.pausing) return;
      check('running', 'cancel', 'running');
      inv.state = RUNNING;
      return;
    default:
      // One that is suspended waits for it, and has been notified.
      return;
  }
}

function notify(
  draft: Draft,
  inv: Working<Invocation>,
  entry: Entry,
  id: Fresh['id'],
  result: NotificationResult,
): void {
  const outcome = result.kind === 'failure' ? 'failure' : 'success';
  const fresh: Fresh = { index: draft.append(inv, entry), id, outcome };
  const { state } = inv;
  if (state.status === 'running') {
    inv.fresh = freshWith(draft, inv, fresh);
    draft.attemptChanged(inv);
  } else if (state.status === 'suspended') {
    const awaiting = after(state.awaiting, fresh);
    if (awaiting === undefined) startAttempt(draft, inv, 'notify');
    else if (awaiting !== state.awaiting) inv.state = { status: 'suspended', awaiting };
  }
}

/** Of a signal that comes again and again only the newest counts. */
function freshWith(draft: Draft, { fresh }: Invocation, added: Fresh): Invocation['fresh'] {
  const { id } = added;
  if (typeof id === 'number') return draft.added(fresh, added);
  const at = fresh.findIndex(other => typeof other.id !== 'number' && other.id.signal === id.signal);
  if (at < 0) return draft.added(fresh, added);
  // Which of them the handler takes first is its own business.
  const outcome = fresh[at]?.outcome === added.outcome ? added.outcome : 'unknown';
  return [...fresh.toSpliced(at, 1), { ...added, outcome }];
}

/** Ends the invocation with its one result: tells who waits, frees what it held, keeps what retention asks for. */
export function end(draft: Draft, inv: Working<Invocation>, result: Result, event: Event = 'finish'): void {
  check(inv.state.status, event, 'ended');
  takeBack(draft, inv);
  const kept = retain(draft, inv, result);
  draft.end(inv, kept);
  for (const { caller, completionId, of } of inv.listeners) {
    const waiting = draft.invocation(caller);
    if (waiting !== undefined) resolvePending(draft, waiting, of, completionId, result);
  }
  draft.effects.push({ type: 'completed', id: inv.id, result });
  if (!isExclusive(inv)) return;
  release(draft, inv, next => startAttempt(draft, next, 'begin'));
  if (inv.role === 'workflow' && kept === undefined) forgetRun(draft, inv.target);
}

/** Timers, and the places in lists of listeners. */
function takeBack(draft: Draft, inv: Working<Invocation>): void {
  if (inv.state.status === 'scheduled' || inv.state.status === 'backingOff') draft.stopTimer(inv.state.timer);
  for (const pending of inv.pending) {
    switch (pending.of) {
      case 'sleep':
        draft.stopTimer(pending.timer);
        break;
      case 'call':
      case 'attach': {
        const callee = draft.invocation(pending.target);
        if (callee !== undefined) callee.listeners = without(callee.listeners, inv.id);
        break;
      }
      case 'getPromise': {
        const row = draft.read('promise', pending.promise);
        if (row === undefined || row.result !== undefined) break;
        const listeners = without(row.listeners, inv.id);
        draft.put('promise', pending.promise, listeners.length === 0 ? undefined : { ...row, listeners });
        break;
      }
      case 'run':
        break;
      default:
        pending satisfies never;
    }
  }
}

const without = <L extends { readonly caller: InvocationId }>(listeners: readonly L[], id: InvocationId) =>
  listeners.filter(({ caller }) => caller !== id);

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
  const keptMs =
    inv.role === 'workflow'
      ? (handler.workflowRetentionMs ?? service.workflowRetentionMs)
      : inv.idempotencyKey === undefined
        ? journalMs
        : (handler.idempotencyRetentionMs ?? service.idempotencyRetentionMs);
  if (keptMs <= 0) return undefined;
  const keepJournal = Math.min(journalMs, keptMs) > 0;
  const expiresAt = Math.min(draft.at + keptMs, TIME_MAX);
  draft.startTimer({ at: expiresAt, invocation: inv.id, kind: 'dropCompleted' });
  const journalExpiresAt =
    keepJournal && journalMs < keptMs ? Math.min(draft.at + journalMs, TIME_MAX) : undefined;
  if (journalExpiresAt !== undefined) {
    draft.startTimer({ at: journalExpiresAt, invocation: inv.id, kind: 'dropJournal' });
  }
  return {
    id: inv.id,
    target: inv.target,
    role: inv.role,
    source: inv.source,
    idempotencyKey: inv.idempotencyKey,
    limitKey: inv.limitKey,
    randomSeed: inv.randomSeed,
    createdAt: inv.createdAt,
    completedAt: draft.at,
    expiresAt,
    journalExpiresAt,
    deployment: inv.pinned?.deployment,
    protocolVersion: inv.pinned?.protocolVersion,
    attempt: inv.attempt,
    entries: keepJournal ? inv.entries : 0,
    result,
    lastFailure: inv.lastFailure,
  };
}

/** Takes back what a completed invocation keeps, before its retention is over or when it is. */
export function forget(draft: Draft, row: CompletedInvocation): void {
  forgetJournal(draft, row);
  draft.stopTimer(timerKey({ at: row.expiresAt, invocation: row.id, kind: 'dropCompleted' }));
  draft.put('completed', row.id, undefined);
  if (row.role === 'workflow') forgetRun(draft, row.target);
}

function forgetJournal(draft: Draft, { id, journalExpiresAt }: CompletedInvocation): void {
  draft.dropJournal(id);
  if (journalExpiresAt !== undefined) {
    draft.stopTimer(timerKey({ at: journalExpiresAt, invocation: id, kind: 'dropJournal' }));
  }
}

export function keepWithoutJournal(draft: Draft, row: CompletedInvocation): void {
  forgetJournal(draft, row);
  draft.put('completed', row.id, { ...row, entries: 0, journalExpiresAt: undefined });
}
