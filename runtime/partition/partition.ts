/**
 * A partition: its log, the state that follows it, and the effects that follow the state. On start it recovers:
 * the store's rows, the log from their position on, then `outstanding`. P1 is kept by the proposer; S1 by the
 * flush, which stores a generation of rows with the position it reflects.
 */
import { checkAttempt } from '../core/check.ts';
import type { AfterFailure, AttemptEnd, Command, CommandOf, Op } from '../core/command.ts';
import type { Effect } from '../core/effect.ts';
import { handlerIn } from '../core/lifecycle.ts';
import type {
  AttemptFailure,
  Deployment,
  DeploymentId,
  Entry,
  Invocation,
  InvocationId,
  RetryPolicy,
} from '../core/model.ts';
import { outstanding } from '../core/outstanding.ts';
import { journalPrefix, META_KEY } from '../core/table.ts';
import type { AnswerEnd } from '../format/answer.ts';
import {
  type AttemptOutcome,
  type AttemptRequest,
  encodeAttempt,
  type FailedAttempt,
} from '../invoker/attempt.ts';
import { Invoker, type InvokerOptions } from '../invoker/invoker.ts';
import { nextStep } from '../invoker/retry.ts';
import type { Log } from '../log/log.ts';
import type { Clock, Logger, Random, Timers } from '../platform/ports.ts';
import type { Store } from '../store/store.ts';
import { TimerQueue } from '../timers/timer-queue.ts';
import { Ids } from './ids.ts';
import { type Done, Proposer } from './proposer.ts';
import { recover } from './recovery.ts';
import type { ServiceDefaults } from './registration.ts';
import { State } from './state.ts';
import { Waiters } from './waiters.ts';

export interface PartitionOptions {
  readonly log: Log;
  readonly store: Store;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly client: InvokerOptions['client'];
  readonly concurrencyLimit: number;
  readonly invokeTimeoutMs: number;
  readonly defaults: ServiceDefaults;
  /** Rows are stored this long after they changed, at the latest. */
  readonly flushIntervalMs: number;
  /** Called once when the partition cannot go on: the store failed. The process exits and recovers from the log. */
  readonly onFailure: (error: Error) => void;
  /** Timers held in memory. */
  readonly timerWindow?: number;
}

/** Rows that make a flush due before its interval is over. */
const FLUSH_ROWS = 5_000;
/** Attempts taken up per turn of the event loop after a start. */
const TAKE_UP_SLICE = 64;
const ID_SECRET_BYTES = 32;

export class Partition {
  readonly state: State;
  readonly waiters: Waiters;
  readonly invoker: Invoker;
  readonly ids: Ids;
  private readonly options: PartitionOptions;
  private readonly proposer: Proposer;
  private readonly timerQueue: TimerQueue;
  private flushing: Promise<void> | undefined;
  private flushTimer: ReturnType<Timers['set']> | undefined;
  private stopped = false;
  private storeFailed = false;

  private constructor(options: PartitionOptions, state: State, proposer: Proposer, ids: Ids) {
    this.options = options;
    this.state = state;
    this.proposer = proposer;
    this.ids = ids;
    this.waiters = new Waiters(state);
    this.invoker = new Invoker({ ...options, ids });
    this.timerQueue = new TimerQueue({
      clock: options.clock,
      timers: options.timers,
      load: (after, limit) => this.loadTimers(after, limit),
      fire: timer => this.fireTimer(timer),
      ...(options.timerWindow === undefined ? {} : { window: options.timerWindow }),
    });
  }

  /** Recovers what the log and the store hold and takes up all that is owed. */
  static async open(options: PartitionOptions): Promise<Partition> {
    const { log, store, clock, timers } = options;
    const state = new State(store, timers);
    let partition: Partition | undefined;
    const proposer = new Proposer(
      {
        log,
        state,
        clock,
        timers,
        dispatch: effect => partition?.dispatch(effect),
        onApplied: () => partition?.scheduleFlush(),
      },
      state.stored.position,
      state.stored.at,
    );
    await recover(log, state, proposer);
    const secret = state.get('meta', META_KEY)?.idSecret ?? (await initialize(options, proposer));
    partition = new Partition(options, state, proposer, new Ids(options.random, secret));
    partition.start();
    return partition;
  }

  propose(command: Command, done?: Done): void {
    this.proposer.propose(command, done);
  }

  /** Commands that are accepted and not yet applied. */
  get backlog(): number {
    return this.proposer.backlog;
  }

  /** Starts no more attempts and waits for those under way to be recorded. */
  async drain(timeoutMs: number): Promise<void> {
    this.timerQueue.stop();
    await this.invoker.drain(timeoutMs);
    while (this.backlog > 0 && !this.stopped) {
      await new Promise<void>(resolve => this.options.timers.soon(resolve));
    }
  }

  /** Stores the state and closes log and store. What runs in Lambda is taken up by the next start. */
  async close(): Promise<void> {
    this.halt();
    await this.options.log.close();
    if (this.flushing !== undefined) await this.flushing;
    try {
      // After a failure the store takes nothing any more; the log has everything.
      if (!this.storeFailed) await this.state.flush(this.proposer.applied);
    } finally {
      await this.state.close();
    }
  }

  /** Stops at once and stores nothing. */
  halt(): void {
    this.stopped = true;
    this.timerQueue.stop();
    this.invoker.stop();
    this.proposer.stop();
    if (this.flushTimer !== undefined) this.options.timers.clear(this.flushTimer);
  }

  private start(): void {
    const { logger } = this.options;
    this.timerQueue.start();
    const owed: Effect[] = [];
    for (const effect of outstanding(this.state)) {
      // Timers come from the table by themselves, a window at a time, and are last here.
      if (effect.type === 'armTimer') break;
      owed.push(effect);
    }
    logger.info('partition started', {
      position: this.proposer.position,
      epoch: this.options.log.epoch,
      attempts: owed.length,
    });
    this.takeUp(owed, 0);
    this.scheduleFlush();
  }

  /** A large backlog is taken up in slices, so that new work is answered meanwhile. */
  private takeUp(owed: readonly Effect[], from: number): void {
    if (this.stopped) return;
    const until = Math.min(from + TAKE_UP_SLICE, owed.length);
    for (const effect of owed.slice(from, until)) this.dispatch(effect);
    if (until < owed.length) this.options.timers.soon(() => this.takeUp(owed, until));
  }

  private dispatch(effect: Effect): void {
    switch (effect.type) {
      case 'startAttempt':
        this.startAttempt(effect.id, effect.attempt);
        return;
      case 'abortAttempt':
        this.invoker.abort(effect.id, effect.attempt);
        return;
      case 'armTimer':
        this.timerQueue.arm(effect.timer, effect.at);
        return;
      case 'completed':
        this.waiters.completed(effect.id, effect.result);
        return;
      default:
        effect satisfies never;
    }
  }

  private startAttempt(id: InvocationId, attempt: number): void {
    const inv = this.state.get('invocation', id);
    if (inv === undefined || inv.attempt !== attempt || inv.state.status !== 'running') return;
    const deployment = inv.pinned && this.state.get('deployment', inv.pinned.deployment);
    if (inv.pinned === undefined || deployment === undefined) {
      const message = `${inv.target.service} has no deployment (any more); register one that has it`;
      this.attemptEnded(
        id,
        attempt,
        { kind: 'failed', failure: { code: 'RT0011', status: 500, message } },
        inv.entries,
      );
      return;
    }
    this.invoker.start({
      id,
      attempt,
      arn: deployment.arn,
      flow: inv.target.service,
      protocolVersion: inv.pinned.protocolVersion,
      encode: () => this.encodeAttempt(id, attempt, deployment),
      done: (outcome, seenEntries) => this.attemptEnded(id, attempt, outcome, seenEntries),
    });
  }

  /**
   * Undefined when it has been killed: one record may end many invocations, and while its effects are performed one
   * after the other, the first place to become free is offered to the next in the queue.
   */
  private encodeAttempt(
    id: InvocationId,
    attempt: number,
    deployment: Deployment,
  ): AttemptRequest | undefined {
    const inv = this.state.get('invocation', id);
    if (inv === undefined || inv.attempt !== attempt) return undefined;
    return encodeAttempt(inv, this.entries(id), deployment, this.options.clock.now());
  }

  *entries(id: InvocationId): Iterable<Entry> {
    for (const [, chunk] of this.state.scan('journal', journalPrefix(id))) yield* chunk.entries;
  }

  private attemptEnded(
    id: InvocationId,
    attempt: number,
    outcome: Exclude<AttemptOutcome, { kind: 'throttled' }>,
    seenEntries: number,
  ): void {
    const inv = this.state.get('invocation', id);
    if (inv === undefined || inv.attempt !== attempt || inv.state.status !== 'running') return;
    const command = (ops: readonly Op[], end: AttemptEnd): CommandOf<'attempt'> => ({
      type: 'attempt',
      id,
      attempt,
      seenEntries,
      ops,
      end,
    });
    if (outcome.kind === 'failed') {
      this.propose(command([], this.failed(inv, outcome)));
      return;
    }
    const { ops, end } = outcome.answer;
    // C6: an answer that breaks off between two frames is not whole, and none of it is applied.
    const proposed = command(end.kind === 'missing' ? [] : ops, this.decide(inv, end));
    const rejected = checkAttempt({ read: (table, key) => this.state.get(table, key) }, inv, proposed);
    if (rejected === undefined) this.propose(proposed);
    else {
      const deterministic = rejected.code === 'HF_JOURNAL_TOO_LONG';
      this.propose(command([], this.failed(inv, { failure: rejected, deterministic })));
    }
  }

  private decide(inv: Invocation, end: AnswerEnd): AttemptEnd {
    if (end.kind === 'completed' || end.kind === 'suspended') return end;
    if (end.kind === 'failed') return this.failed(inv, end);
    const failure = {
      code: 'RT0007',
      status: 500,
      message: 'The handler stopped in the middle of its answer.',
    };
    return this.failed(inv, { failure });
  }

  private failed(inv: Invocation, error: FailedAttempt): AttemptEnd {
    const after: AfterFailure = nextStep(
      this.retryPolicy(inv),
      inv.failures,
      error,
      this.options.random.float(),
    );
    this.logFailure(inv, error.failure, after);
    return { kind: 'failed', failure: error.failure, after };
  }

  private logFailure(inv: Invocation, failure: AttemptFailure, after: AfterFailure): void {
    const { service, handler } = inv.target;
    this.options.logger.warn('attempt failed', {
      invocation: inv.id,
      target: `${service}/${handler}`,
      attempt: inv.attempt,
      code: failure.code,
      message: failure.message,
      next: after.kind,
      ...(after.kind === 'retry' ? { delayMs: after.delayMs } : {}),
    });
  }

  private retryPolicy(inv: Invocation): RetryPolicy {
    const { retryPolicy } = this.options.defaults;
    const reader = { read: this.state.get.bind(this.state) };
    const found = inv.pinned && handlerIn(reader, inv.pinned.deployment, inv.target);
    return found === undefined ? retryPolicy : { ...found.service.retryPolicy, ...found.handler.retryPolicy };
  }

  private loadTimers(after: string, limit: number) {
    const due: { key: string; at: number }[] = [];
    for (const [key, { at }] of this.state.scanAfter('timer', '', after)) {
      due.push({ key, at });
      if (due.length === limit) break;
    }
    return due;
  }

  /** A timer that was taken back stays in the queue until it is due; its row is gone. */
  private fireTimer(timer: string): void {
    if (this.state.get('timer', timer) !== undefined) this.propose({ type: 'timerFired', timer });
  }

  private scheduleFlush(): void {
    if (this.stopped || this.flushing !== undefined || this.state.dirty === 0) return;
    if (this.state.dirty >= FLUSH_ROWS) {
      this.flush();
      return;
    }
    this.flushTimer ??= this.options.timers.set(this.options.flushIntervalMs, () => this.flush());
  }

  private flush(): void {
    if (this.flushTimer !== undefined) this.options.timers.clear(this.flushTimer);
    this.flushTimer = undefined;
    this.flushing = this.state.flush(this.proposer.applied).then(
      () => {
        this.flushing = undefined;
        this.scheduleFlush();
      },
      (error: unknown) => {
        // S1: rows of this generation exist in memory only, and the store takes no more. The log has them.
        this.storeFailed = true;
        this.halt();
        this.options.onFailure(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  /** In-flight invocations pinned to a deployment, counted by reading all of them. */
  isInUse(id: DeploymentId): boolean {
    for (const [, pointer] of this.state.scan('service', '')) if (pointer.deployment === id) return true;
    for (const [, inv] of this.state.scan('invocation', '')) if (inv.pinned?.deployment === id) return true;
    return false;
  }
}

/** The first record of a new partition; the secret is durable before any id is derived from it. */
function initialize({ random }: PartitionOptions, proposer: Proposer): Promise<Uint8Array> {
  const idSecret = random.bytes(ID_SECRET_BYTES).slice();
  return new Promise(resolve => proposer.propose({ type: 'initialize', idSecret }, () => resolve(idSecret)));
}
