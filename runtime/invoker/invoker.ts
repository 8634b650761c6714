/**
 * Runs attempts: one fair queue with a concurrency limit per deployment, one request per attempt. An attempt is
 * encoded when it gets its slot, so it carries everything that was journaled while it waited. A throttle puts it back
 * in the queue and costs no retry: whether Lambda has room says nothing about the handler. A live attempt keeps its
 * slot while its handler waits; when others wait for a slot it is asked to suspend, the oldest first.
 */
import type { Entry, InvocationId } from '../core/model.ts';
import type { Answer, IdSource } from '../format/answer.ts';
import type { Clock, Logger, Random, TimerHandle, Timers } from '../platform/ports.ts';
import { ANSWER_BYTES_MAX, type AttemptRequest, type EndedAttempt, readAttempt } from './attempt.ts';
import { FairQueue, type FairQueueStats } from './fair-queue.ts';
import { LiveAttempt } from './live-attempt.ts';
import type { Exchange, Transport } from './transport.ts';

export interface Attempt {
  readonly id: InvocationId;
  readonly attempt: number;
  /** Of its deployment; attempts on one address share its concurrency limit. */
  readonly address: string;
  readonly transport: Transport;
  /** Attempts of one flow start in order, flows take turns. */
  readonly flow: string;
  readonly protocolVersion: number;
  /** HTTP: the longest silence. Lambda: the longest wait for the answer. */
  readonly timeoutMs: number;
  /** Requests and answers flow at the same time. */
  readonly live?: LiveOptions;
  /** Called when there is room for it. Undefined: it no longer counts, and nobody is told. */
  readonly encode: () => AttemptRequest | undefined;
  /** Called once, unless the attempt is aborted. */
  readonly done: (outcome: EndedAttempt, seenEntries: number) => void;
}

export interface LiveOptions {
  /** After so long a silence the handler is asked to suspend. */
  readonly inactivityTimeoutMs: number;
  /** Asked when it begins: somebody wants it to end soon. */
  readonly isToEnd: () => boolean;
  /** Records a part of the answer; `done` says whether the attempt still counts. */
  readonly part: (answer: Answer, done: (goesOn: boolean) => void) => void;
}

export interface InvokerOptions {
  readonly ids: IdSource;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** Requests at once, per deployment. */
  readonly concurrencyLimit: number;
}

interface Lane {
  readonly address: string;
  readonly queue: FairQueue<Running>;
  /** Live attempts whose input is open, the oldest first. */
  readonly open: Set<LiveAttempt>;
  /** All live attempts. */
  live: number;
  /** Monotonic; a deployment that is throttled is throttled often. */
  throttleLoggedAt: number;
  /** Set while a throttle's backoff keeps the queue closed. */
  reopen: TimerHandle | undefined;
}

interface Running {
  readonly attempt: Attempt;
  readonly lane: Lane;
  /** Undefined while it waits in the queue. */
  call: Exchange | undefined;
  live: LiveAttempt | undefined;
}

const THROTTLE_LOG_MS = 10_000;

const keyOf = (id: InvocationId, attempt: number): string => `${id}/${attempt}`;

export class Invoker {
  private readonly options: InvokerOptions;
  private readonly lanes = new Map<string, Lane>();
  private readonly running = new Map<string, Running>();
  private stopped = false;
  private draining = false;
  private drained: (() => void) | undefined;
  /** Requests under way. */
  private calls = 0;

  constructor(options: InvokerOptions) {
    this.options = options;
  }

  start(attempt: Attempt): void {
    if (this.stopped) return;
    const lane = this.lane(attempt.address);
    const running: Running = { attempt, lane, call: undefined, live: undefined };
    this.running.set(keyOf(attempt.id, attempt.attempt), running);
    lane.queue.push(running, attempt.flow);
    this.pump(lane);
  }

  abort(id: InvocationId, attempt: number): void {
    const running = this.running.get(keyOf(id, attempt));
    if (running === undefined) return;
    this.running.delete(keyOf(id, attempt));
    if (running.call === undefined) {
      running.lane.queue.remove(running);
      return;
    }
    running.call.abort();
    this.leave(running, false);
    this.pump(running.lane);
  }

  /** Its journal has got these entries. Handlers that do not listen find them in their next attempt. */
  journaled(id: InvocationId, attempt: number, first: number, entries: readonly Entry[]): void {
    this.running.get(keyOf(id, attempt))?.live?.journaled(first, entries);
  }

  /** Asks a live attempt to suspend when it has to wait. */
  closeInput(id: InvocationId, attempt: number): void {
    const running = this.running.get(keyOf(id, attempt));
    if (running?.live === undefined) return;
    running.lane.open.delete(running.live);
    running.live.closeInput();
  }

  /** Whether its request is under way; false while it waits for a slot. */
  isUnderWay(id: InvocationId, attempt: number): boolean {
    return this.running.get(keyOf(id, attempt))?.call !== undefined;
  }

  get active(): number {
    return this.running.size;
  }

  stats(address: string): FairQueueStats | undefined {
    return this.lanes.get(address)?.queue.stats;
  }

  /** Starts nothing more; resolves when the requests under way have ended, or after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void> {
    this.draining = true;
    for (const { open } of this.lanes.values()) this.makeRoom(open, Number.POSITIVE_INFINITY);
    if (this.calls === 0) return Promise.resolve();
    return new Promise(resolve => {
      this.drained = resolve;
      this.options.timers.set(timeoutMs, resolve);
    });
  }

  /** Starts nothing more and forgets what is under way; a fresh leader starts it again. */
  stop(): void {
    this.stopped = true;
    for (const { call } of this.running.values()) call?.abort();
    this.running.clear();
    for (const lane of this.lanes.values()) {
      if (lane.reopen !== undefined) this.options.timers.clear(lane.reopen);
    }
    this.lanes.clear();
  }

  private lane(address: string): Lane {
    let lane = this.lanes.get(address);
    if (lane === undefined) {
      const queue = new FairQueue<Running>({ limitMax: this.options.concurrencyLimit });
      const throttleLoggedAt = Number.NEGATIVE_INFINITY;
      lane = { address, queue, open: new Set(), live: 0, throttleLoggedAt, reopen: undefined };
      this.lanes.set(address, lane);
    }
    return lane;
  }

  private pump(lane: Lane): void {
    if (this.stopped || this.draining) return;
    for (;;) {
      const running = lane.queue.take(this.options.clock.monotonicMs());
      if (running === undefined) break;
      this.send(running);
    }
    // Those that were asked before will leave theirs.
    const isLeaving = lane.live - lane.open.size;
    if (lane.open.size > 0) this.makeRoom(lane.open, lane.queue.stats.queued - isLeaving);
    this.scheduleReopening(lane);
  }

  private makeRoom(open: Set<LiveAttempt>, wanted: number): void {
    let left = wanted;
    for (const live of open) {
      if (left-- <= 0) return;
      open.delete(live);
      live.closeInput();
    }
  }

  /** Called by `pump`, which goes on to the next: one that is not sent must not pump again, or the stack grows. */
  private send(running: Running): void {
    const { attempt, lane } = running;
    const request = attempt.encode();
    if (request === undefined) {
      this.running.delete(keyOf(attempt.id, attempt.attempt));
      lane.queue.done(false);
      return;
    }
    this.calls += 1;
    if (attempt.live !== undefined && attempt.transport.stream !== undefined) {
      this.sendLive(running, request, attempt.live);
      return;
    }
    const { clock, ids } = this.options;
    const limits = { responseBytesMax: ANSWER_BYTES_MAX, timeoutMs: attempt.timeoutMs };
    running.call = attempt.transport.exchange(request.request, limits, result => {
      const outcome = readAttempt(result, attempt.protocolVersion, ids, clock.now());
      if (outcome.kind === 'throttled') {
        this.callEnded();
        this.requeue(running, outcome.retryAfterMs);
      } else {
        this.leave(running, result.kind === 'response');
        attempt.done(outcome, request.seenEntries);
      }
      this.pump(lane);
    });
  }

  private sendLive(running: Running, request: AttemptRequest, options: LiveOptions): void {
    const { attempt, lane } = running;
    const { transport } = attempt;
    const live = new LiveAttempt({
      open: (sent, events) => {
        if (transport.stream === undefined) throw new Error('assertion failed: the transport has streams');
        return transport.stream(sent, events);
      },
      request,
      protocolVersion: attempt.protocolVersion,
      ids: this.options.ids,
      clock: this.options.clock,
      timers: this.options.timers,
      inactivityTimeoutMs: options.inactivityTimeoutMs,
      abortTimeoutMs: attempt.timeoutMs,
      host: {
        part: (answer, done) =>
          options.part(answer, goesOn => {
            // An attempt that was aborted has left its place already.
            if (!goesOn && this.running.get(keyOf(attempt.id, attempt.attempt)) === running)
              this.leave(running, true);
            done(goesOn);
            if (!goesOn) this.pump(lane);
          }),
        ended: (outcome, seenEntries) => {
          this.leave(running, outcome.kind === 'answered');
          attempt.done(outcome, seenEntries);
          this.pump(lane);
        },
      },
    });
    running.call = live;
    running.live = live;
    lane.live += 1;
    if (options.isToEnd()) live.closeInput();
    else lane.open.add(live);
  }

  /** Its place is free for the next. */
  private leave(running: Running, hadCapacity: boolean): void {
    const { attempt, lane } = running;
    this.running.delete(keyOf(attempt.id, attempt.attempt));
    if (running.live !== undefined) {
      lane.live -= 1;
      lane.open.delete(running.live);
    }
    this.callEnded();
    lane.queue.done(hadCapacity);
  }

  private requeue(running: Running, retryAfterMs: number | undefined): void {
    const { lane, attempt } = running;
    const { clock, random, logger } = this.options;
    running.call = undefined;
    lane.queue.throttled(clock.monotonicMs(), random.float(), retryAfterMs);
    lane.queue.push(running, attempt.flow);
    const now = clock.monotonicMs();
    if (now - lane.throttleLoggedAt < THROTTLE_LOG_MS) return;
    lane.throttleLoggedAt = now;
    const { limit, queued, throttles } = lane.queue.stats;
    logger.warn('deployment throttled', { address: lane.address, limit, queued, throttles });
  }

  private callEnded(): void {
    this.calls -= 1;
    if (this.calls === 0 && this.drained !== undefined) this.options.timers.soon(this.drained);
  }

  /** During a backoff nothing that ends reopens the queue, so a timer does. */
  private scheduleReopening(lane: Lane): void {
    const { queued, notBeforeMs } = lane.queue.stats;
    const waitMs = notBeforeMs - this.options.clock.monotonicMs();
    if (queued === 0 || waitMs <= 0 || lane.reopen !== undefined) return;
    lane.reopen = this.options.timers.set(waitMs, () => {
      lane.reopen = undefined;
      this.pump(lane);
    });
  }
}
