/**
 * The closures of `run` in one attempt: when they execute, and what becomes of their results. The attempt says when
 * the moment to start has come.
 *
 * Invariants:
 * - A closure whose result is in the journal is not executed.
 * - After the first failure that is not a result nothing is started any more; what executes may finish and keep its
 *   result, for it would otherwise run again.
 */
import type { WireFailure } from '@holdfast/protocol';
import { SdkUsageError } from './coded-error.ts';
import { PauseError, retryAfterMs, type TerminalError } from './errors.ts';
import { type AttemptFailure, type CommandRef, USER_ERROR } from './machine/failure.ts';
import type { Machine } from './machine/machine.ts';
import { type RunRetryPolicy, retryRun } from './machine/run-retry.ts';
import type { Serde } from './serde.ts';

export interface RunRequest {
  readonly id: number;
  readonly command: CommandRef;
  readonly closure: () => unknown;
  readonly serde: Serde<unknown>;
  readonly retry: RunRetryPolicy;
}

export interface Classified {
  readonly error: Error;
  readonly terminal?: TerminalError | undefined;
}

/** What the runs need of their attempt. */
export interface RunHost {
  readonly machine: Machine;
  now(): number;
  /** Executes a closure so that steps within it are refused. */
  insideRun(closure: () => unknown): unknown;
  classify(thrown: unknown): Classified;
  wireFailure(error: TerminalError | string): WireFailure;
  /** Has what is to be done looked at: a closure has come to its end. */
  schedule(): void;
  /** Ends the attempt with an error that there is nobody to throw to, such as one about an error that cannot be read. */
  crash(error: unknown): void;
}

export class Runs {
  readonly #host: RunHost;
  readonly #startedAtMs: number;
  /** To be started, in command order. */
  #waiting: RunRequest[] = [];
  /** How many closures execute. */
  executing = 0;
  /** What the attempt ends with once none executes any more. */
  failure: AttemptFailure | undefined;

  constructor(host: RunHost) {
    this.#host = host;
    this.#startedAtMs = host.now();
  }

  add(request: RunRequest): void {
    if (!this.#host.machine.hasReceived(request.id)) this.#waiting.push(request);
  }

  start(): void {
    const runs = this.#waiting;
    this.#waiting = [];
    for (const run of runs) this.#execute(run).catch(error => this.#host.crash(error));
  }

  async #execute(run: RunRequest): Promise<void> {
    this.executing++;
    try {
      const value = await this.#host.insideRun(run.closure);
      this.#host.machine.propose(run.id, { value: run.serde.serialize(value) });
    } catch (thrown) {
      this.#failed(run, thrown);
    }
    this.executing--;
    this.#host.schedule();
  }

  #failed(run: RunRequest, thrown: unknown): void {
    const { machine } = this.#host;
    const { error, terminal } = this.#host.classify(thrown);
    const retry = !terminal && this.#retry(run, error);
    if (!retry) {
      machine.propose(run.id, { failure: this.#host.wireFailure(terminal ?? error.message) });
      return;
    }
    const behavior = error instanceof PauseError ? 'pause' : 'retry';
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
    const isForOthers = error instanceof SdkUsageError || error instanceof PauseError;
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
