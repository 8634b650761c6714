/**
 * A partition: its log, the state that follows it, and the effects that follow the state. On start it recovers:
 * the store's rows, the log from their position on, then `outstanding`. P1 is kept by the proposer; S1 by the
 * flush, which stores a generation of rows with the position it reflects.
 */
import type { Command } from '../core/command.ts';
import type { Effect } from '../core/effect.ts';
import type { DeploymentId, InvocationId, Target } from '../core/model.ts';
import { outstanding } from '../core/outstanding.ts';
import { newestHandler } from '../core/registry.ts';
import { META_KEY } from '../core/table.ts';
import { Invoker } from '../invoker/invoker.ts';
import type { Log } from '../log/log.ts';
import type { Clock, Logger, Random, Timers } from '../platform/ports.ts';
import type { Store } from '../store/store.ts';
import { TimerQueue } from '../timers/timer-queue.ts';
import { Attempts, type AttemptsOptions } from './attempts.ts';
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
  readonly transports: AttemptsOptions['transports'];
  /** Signs what handlers are sent. */
  readonly identity?: AttemptsOptions['identity'];
  readonly concurrencyLimit: number;
  readonly invokeTimeoutMs: number;
  readonly eagerStateBytesMax: AttemptsOptions['eagerStateBytesMax'];
  readonly defaults: ServiceDefaults;
  /** Rows are stored this long after they changed, at the latest. */
  readonly flushIntervalMs: number;
  /** An invocation has ended: what is kept elsewhere for its attempts is not needed any more. */
  readonly onEnded?: (id: InvocationId) => void;
  /** Called once when the partition cannot go on: the store failed. The process exits and recovers from the log. */
  readonly onFailure: (error: Error) => void;
  /** Timers held in memory. */
  readonly timerWindow?: number;
}

/** Rows, or bytes of records, that make a flush due before its interval is over. */
const FLUSH_ROWS = 5_000;
const FLUSH_BYTES = 32 * 2 ** 20;
/** What is held in memory until it is written somewhere; more is refused until it has been. */
const LIMITS = { records: 20_000, attempts: 100_000, unstoredBytes: 512 * 2 ** 20 } as const;
/** Invocations read per turn when a deployment is to be removed. */
const USE_SLICE = 500;
/** Attempts taken up per turn of the event loop after a start. */
const TAKE_UP_SLICE = 64;
const ID_SECRET_BYTES = 32;

export class Partition {
  readonly state: State;
  readonly waiters: Waiters;
  readonly invoker: Invoker;
  private readonly attempts: Attempts;
  readonly ids: Ids;
  private readonly options: PartitionOptions;
  private readonly proposer: Proposer;
  private readonly timerQueue: TimerQueue;
  private flushing: Promise<void> | undefined;
  private flushTimer: ReturnType<Timers['set']> | undefined;
  private stopped = false;
  private storeFailed = false;
  /** `appliedBytes` of the proposer that the store reflects. */
  private storedBytes = 0;

  private constructor(options: PartitionOptions, state: State, proposer: Proposer, ids: Ids) {
    this.options = options;
    this.state = state;
    this.proposer = proposer;
    this.ids = ids;
    this.waiters = new Waiters(state);
    this.invoker = new Invoker({ ...options, ids });
    this.attempts = new Attempts({
      ...options,
      state,
      invoker: this.invoker,
      identity: options.identity,
      propose: (command, done) => this.propose(command, done),
    });
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
    const reader = { read: state.get.bind(state) };
    const isRun = (target: Target): boolean => newestHandler(reader, target)?.handler.type === 'workflow';
    partition = new Partition(options, state, proposer, new Ids(options.random, secret, isRun));
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

  /** Why no more new work can be held for now, if so. Work that was accepted goes on. */
  get overload(): string | undefined {
    if (this.backlog >= LIMITS.records) return `${LIMITS.records} records wait for the log`;
    if (this.invoker.active >= LIMITS.attempts) return `${LIMITS.attempts} attempts wait for their turn`;
    if (this.unstoredBytes >= LIMITS.unstoredBytes) return 'the store cannot keep up with the log';
    return undefined;
  }

  /** Records that are applied in memory and not in the store yet. */
  private get unstoredBytes(): number {
    return this.proposer.appliedBytes - this.storedBytes;
  }

  /** Starts no more attempts and waits for those under way to be recorded. */
  async drain(timeoutMs: number): Promise<void> {
    this.timerQueue.stop();
    await this.invoker.drain(timeoutMs);
    await this.proposer.idle();
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
        this.attempts.start(effect.id, effect.attempt);
        return;
      case 'abortAttempt':
        this.invoker.abort(effect.id, effect.attempt);
        return;
      case 'attemptChanged':
        this.attempts.changed(effect);
        return;
      case 'armTimer':
        this.timerQueue.arm(effect.timer, effect.at);
        return;
      case 'completed':
        this.waiters.completed(effect.id, effect.result);
        this.options.onEnded?.(effect.id);
        return;
      default:
        effect satisfies never;
    }
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
    if (this.stopped || this.flushing !== undefined) return;
    // Records that left no row are behind the store's position too.
    if (this.state.dirty === 0 && this.unstoredBytes < FLUSH_BYTES) return;
    if (this.state.dirty >= FLUSH_ROWS || this.unstoredBytes >= FLUSH_BYTES) {
      this.flush();
      return;
    }
    this.flushTimer ??= this.options.timers.set(this.options.flushIntervalMs, () => this.flush());
  }

  private flush(): void {
    if (this.flushTimer !== undefined) this.options.timers.clear(this.flushTimer);
    this.flushTimer = undefined;
    const bytes = this.proposer.appliedBytes;
    this.flushing = this.state.flush(this.proposer.applied).then(
      () => {
        this.storedBytes = bytes;
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

  /**
   * Whether it is the newest of a service, or an invocation that has not ended is pinned to it. Those are read a slice
   * at a time: one that begins meanwhile is pinned to the newest, or to what somebody chose for it.
   */
  async isInUse(id: DeploymentId): Promise<boolean> {
    for (const [, pointer] of this.state.scan('service', '')) if (pointer.deployment === id) return true;
    let after: string | undefined = '';
    while (after !== undefined) {
      let read = 0;
      const from: string = after;
      after = undefined;
      for (const [key, { pinned }] of this.state.scanAfter('invocation', '', from)) {
        if (pinned?.deployment === id) return true;
        if (++read < USE_SLICE) continue;
        after = key;
        break;
      }
      await new Promise<void>(resolve => this.options.timers.soon(resolve));
    }
    return false;
  }
}

/** The first record of a new partition; the secret is durable before any id is derived from it. */
function initialize({ random }: PartitionOptions, proposer: Proposer): Promise<Uint8Array> {
  const idSecret = random.bytes(ID_SECRET_BYTES).slice();
  return new Promise(resolve => proposer.propose({ type: 'initialize', idSecret }, () => resolve(idSecret)));
}
