/**
 * The closures of `run` in one attempt: when they execute, and what becomes of their results. The attempt says when
 * the moment to start has come.
 *
 * Invariants:
 * - A closure whose result is in the journal is not executed.
 * - After the first failure that is not a result nothing is started any more; what executes may finish and keep its
 *   result, for it would otherwise run again.
 * - Results of batched runs reach user code in the order of their commands and before anything else does, whether the
 *   journal has them already or not: what user code observes does not depend on when they were stored.
 * - What is not batched executes only once the results of all batched runs before it are stored.
 * - What does not fit into the function's remaining time is not started. That needs the next attempt, which comes as
 *   soon as something is stored, and otherwise as a retry.
 */
import type { WireFailure, WireNotification } from '@holdfast/protocol';
import { SdkUsageError, withPage } from './coded-error.ts';
import { type Classified, isPause, retryAfterMs, type TerminalError } from './errors.ts';
import { type AttemptFailure, type CommandRef, USER_ERROR } from './machine/failure.ts';
import type { Machine, Outcome } from './machine/machine.ts';
import { type RunRetryPolicy, retryRun } from './machine/run-retry.ts';
import type { Serde } from './serde.ts';

const BATCH_BYTES_MAX = 1 << 20;

export interface RunRequest {
  readonly id: number;
  readonly command: CommandRef;
  readonly closure: () => unknown;
  readonly serde: Serde<unknown>;
  readonly retry: RunRetryPolicy;
  readonly batched: boolean;
  readonly expectedMs: number;
}

/** What the runs need of their attempt. */
export interface RunHost {
  readonly machine: Machine;
  now(): number;
  /** When user code has to stop, by `now`. */
  readonly stopAt: number;
  /** How long user code may take in all. */
  readonly limitMs: number;
  /** Makes a closure execute within its hooks, in the asynchronous context of now, and steps within it be refused. */
  bindRun(closure: () => unknown, name: string): () => unknown;
  classify(thrown: unknown): Classified;
  wireFailure(error: TerminalError | string): WireFailure;
  /** Has what is to be done looked at: a closure has come to its end. */
  schedule(): void;
  /** Ends the attempt with an error that there is nobody to throw to, such as one about an error that cannot be read. */
  crash(error: unknown): void;
}

export class Runs {
  readonly mark = Symbol();
  readonly #host: RunHost;
  readonly #startedAtMs: number;
  /** To be started, in command order. */
  #waiting: RunRequest[] = [];
  readonly #executing = new Set<RunRequest>();
  /** Batched ones whose results user code has not got yet, in command order. */
  readonly #batch: RunRequest[] = [];
  /** The run whose result was proposed last. */
  #proposed = 0;
  #proposedBatched = 0;
  #bytes = 0;
  /** What the attempt ends with once none executes any more. */
  failure: AttemptFailure | undefined;

  constructor(host: RunHost) {
    this.#host = host;
    this.#startedAtMs = host.now();
  }

  add(request: RunRequest): void {
    if (request.batched) this.#batch.push(request);
    if (this.#host.machine.received(request.id)) return;
    const closure = this.#host.bindRun(request.closure, request.command.relatedCommandName ?? '');
    this.#waiting.push({ ...request, closure });
  }

  /** How many closures execute. */
  get executing(): number {
    return this.#executing.size;
  }

  /** A result of a batched run, for user code. */
  takeBatched(): WireNotification | undefined {
    const [first] = this.#batch;
    if (!first) return undefined;
    const { machine } = this.#host;
    const result = machine.received(first.id) ?? machine.proposed(first.id);
    if (result) this.#batch.shift();
    return result && { ...result, completionId: first.id };
  }

  /** New ones that will not be started if the handler has ended now: it forgot to wait for them. */
  get forgotten(): readonly CommandRef[] {
    const { lastRecordedIndex } = this.#host.machine;
    return this.#waiting
      .map(({ command }) => command)
      .filter(({ relatedCommandIndex }) => relatedCommandIndex > lastRecordedIndex);
  }

  /** User code gets nothing else meanwhile. */
  get isBatchOpen(): boolean {
    return this.#batch.length > 0;
  }

  start(): void {
    const waiting = this.#waiting;
    const isReady = !this.isBatchOpen && this.#isStored(this.#proposedBatched);
    this.#waiting = waiting.filter(run => {
      const starts = (isReady || run.batched) && this.#fits(run);
      if (starts) this.#execute(run).catch(error => this.#host.crash(error));
      return !starts;
    });
  }

  /** The run whose result has to be stored before those that wait can go on; or why they cannot. */
  get heldBy(): number | AttemptFailure | undefined {
    const [first] = this.#waiting;
    if (!first) return undefined;
    if (!this.#isStored(this.#proposed)) return this.#proposed;
    return this.#noTimeFor(this.#waiting.find(run => !this.#fits(run)) ?? first);
  }

  /** In time, and in an answer: one that is too large is lost, with all that was executed for it. */
  #fits({ expectedMs }: RunRequest): boolean {
    const { machine, now, stopAt } = this.#host;
    const isFull = this.#bytes > BATCH_BYTES_MAX && machine.isInputClosed && !this.#isStored(this.#proposed);
    return !isFull && now() + expectedMs <= stopAt;
  }

  #isStored(id: number): boolean {
    return id === 0 || this.#host.machine.received(id) !== undefined;
  }

  #noTimeFor({ command, expectedMs }: RunRequest): AttemptFailure {
    const { stopAt, limitMs, now } = this.#host;
    const left = stopAt - now();
    // No attempt is long enough: a person has to look.
    const behavior = expectedMs > limitMs ? 'pause' : 'retry';
    const what = `is not begun: it expects ${expectedMs} ms and ${left} ms are left`;
    return { ...outOfTime(command, what), behavior };
  }

  /** The function's time is up: as above. What executes is executed again. */
  get interruptedBy(): number | AttemptFailure {
    const [run] = this.#executing;
    if (!this.failure && !this.#isStored(this.#proposed)) return this.#proposed;
    return this.failure ?? outOfTime(run?.command, "still executes at the end of the function's time");
  }

  async #execute(run: RunRequest): Promise<void> {
    this.#executing.add(run);
    try {
      const value = await run.closure();
      this.#propose(run, { value: run.serde.serialize(value) });
    } catch (thrown) {
      this.#failed(run, thrown);
    }
    this.#executing.delete(run);
    this.#host.schedule();
  }

  #propose({ id, batched }: RunRequest, outcome: Outcome): void {
    this.#host.machine.propose(id, outcome);
    this.#proposed = id;
    if (batched) this.#proposedBatched = id;
    this.#bytes += outcome.value?.length ?? 0;
  }

  #failed(run: RunRequest, thrown: unknown): void {
    const { error, terminal } = this.#host.classify(thrown);
    const retry = !terminal && this.#retry(run, error);
    if (!retry) {
      this.#propose(run, { failure: this.#host.wireFailure(terminal ?? error.message) });
      return;
    }
    const behavior = isPause(error) ? 'pause' : 'retry';
    this.failure ??= { ...failureOf(error, run.command), nextRetryDelayMs: retry.delayMs, behavior };
  }

  #retry({ command, retry }: RunRequest, error: Error): ReturnType<typeof retryRun> {
    const { start, lastRecordedIndex } = this.#host.machine;
    // Earlier attempts count against a run only if they can have executed it: it was recorded without a result,
    // or is the first thing this attempt does beyond its journal.
    const counts = command.relatedCommandIndex <= lastRecordedIndex + 1;
    const retries = counts ? start.retryCountSinceLastStoredEntry : 0;
    const earlierMs = retries > 0 ? start.durationSinceLastStoredEntry : 0;
    const elapsedMs = earlierMs + this.#host.now() - this.#startedAtMs;
    // A mistake in the use of the SDK is mended by a deployment, and a pause by a person: neither must become the
    // run's result.
    const isForOthers = error instanceof SdkUsageError || isPause(error);
    return retryRun(isForOthers ? {} : retry, retries + 1, elapsedMs, retryAfterMs(error));
  }
}

/** Of user code. */
export const failureOf = (error: Error, relatedCommand: CommandRef | undefined): AttemptFailure => ({
  code: USER_ERROR,
  message: error.message,
  stacktrace: error.stack,
  relatedCommand,
  nextRetryDelayMs: retryAfterMs(error),
});

/** Of `ctx.run`, or of what the handler does outside of its context. */
const outOfTime = (relatedCommand: CommandRef | undefined, what: string): AttemptFailure => ({
  code: USER_ERROR,
  message: withPage(
    relatedCommand ? `run "${relatedCommand.relatedCommandName ?? ''}" ${what}.` : `The handler ${what}.`,
    'HF_SDK_OUT_OF_TIME',
  ),
  relatedCommand,
});
