/**
 * Runs attempts: one fair queue with a concurrency limit per deployment, one Lambda call per attempt. An attempt
 * is encoded when it gets its slot, so it carries everything that was journaled while it waited. A throttle puts
 * it back in the queue and costs no retry: whether Lambda has room says nothing about the handler.
 */
import type { InvocationId } from '../core/model.ts';
import type { IdSource } from '../format/answer.ts';
import type { Clock, Logger, Random, TimerHandle, Timers } from '../platform/ports.ts';
import { type AttemptOutcome, type AttemptRequest, readAttempt, tooLarge } from './attempt.ts';
import { FairQueue, type FairQueueStats } from './fair-queue.ts';
import type { LambdaCall, LambdaClient } from './lambda-client.ts';

export interface Attempt {
  readonly id: InvocationId;
  readonly attempt: number;
  /** Qualified ARN; attempts on one ARN share its concurrency limit. */
  readonly arn: string;
  /** Attempts of one flow start in order, flows take turns. */
  readonly flow: string;
  readonly protocolVersion: number;
  /** Called when there is room for it. Undefined: it no longer counts, and nobody is told. */
  readonly encode: () => AttemptRequest | undefined;
  /** Called once, unless the attempt is aborted. */
  readonly done: (outcome: Exclude<AttemptOutcome, { kind: 'throttled' }>, seenEntries: number) => void;
}

export interface InvokerOptions {
  readonly client: Pick<LambdaClient, 'invoke'>;
  readonly ids: IdSource;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** Lambda calls at once, per deployment. */
  readonly concurrencyLimit: number;
  /** Longest wait for an answer. */
  readonly invokeTimeoutMs: number;
}

interface Lane {
  readonly arn: string;
  readonly queue: FairQueue<Running>;
  /** Monotonic; a deployment that is throttled is throttled often. */
  throttleLoggedAt: number;
  /** Set while a throttle's backoff keeps the queue closed. */
  reopen: TimerHandle | undefined;
}

interface Running {
  readonly attempt: Attempt;
  readonly lane: Lane;
  /** Undefined while it waits in the queue. */
  call: LambdaCall | undefined;
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
  /** Lambda calls under way. */
  private calls = 0;

  constructor(options: InvokerOptions) {
    this.options = options;
  }

  start(attempt: Attempt): void {
    if (this.stopped) return;
    const lane = this.lane(attempt.arn);
    const running: Running = { attempt, lane, call: undefined };
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
    this.callEnded();
    running.lane.queue.done(false);
    this.pump(running.lane);
  }

  /** Whether its Lambda call is under way; false while it waits for a slot. */
  isUnderWay(id: InvocationId, attempt: number): boolean {
    return this.running.get(keyOf(id, attempt))?.call !== undefined;
  }

  get active(): number {
    return this.running.size;
  }

  stats(arn: string): FairQueueStats | undefined {
    return this.lanes.get(arn)?.queue.stats;
  }

  /** Starts nothing more; resolves when the calls under way have ended, or after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void> {
    this.draining = true;
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

  private lane(arn: string): Lane {
    let lane = this.lanes.get(arn);
    if (lane === undefined) {
      const queue = new FairQueue<Running>({ limitMax: this.options.concurrencyLimit });
      lane = { arn, queue, throttleLoggedAt: Number.NEGATIVE_INFINITY, reopen: undefined };
      this.lanes.set(arn, lane);
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
    this.scheduleReopening(lane);
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
    const rejected = tooLarge(request);
    if (rejected !== undefined) {
      this.finish(running, { kind: 'failed', ...rejected }, request.seenEntries, false);
      return;
    }
    const { client, invokeTimeoutMs, clock, ids } = this.options;
    const { payload, seenEntries } = request;
    this.calls += 1;
    running.call = client.invoke({ arn: lane.arn, payload, timeoutMs: invokeTimeoutMs }, result => {
      const outcome = readAttempt(result, lane.arn, attempt.protocolVersion, ids, clock.now());
      this.callEnded();
      if (outcome.kind === 'throttled') this.requeue(running, outcome.retryAfterMs);
      else this.finish(running, outcome, seenEntries, result.kind === 'response');
      this.pump(lane);
    });
  }

  private finish(
    running: Running,
    outcome: Exclude<AttemptOutcome, { kind: 'throttled' }>,
    seenEntries: number,
    hadCapacity: boolean,
  ): void {
    const { attempt, lane } = running;
    this.running.delete(keyOf(attempt.id, attempt.attempt));
    lane.queue.done(hadCapacity);
    attempt.done(outcome, seenEntries);
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
    logger.warn('deployment throttled', { arn: lane.arn, limit, queued, throttles });
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
