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
import type { AttemptFailure, CommandRef, Machine } from './machine/machine.ts';
import { type RunRetryPolicy, retryRun } from './machine/run-retry.ts';
import type { Serde } from './serde.ts';

export interface RunRequest {
  readonly id: number;
  readonly command: CommandRef;
  readonly closure: () => unknown;
  readonly serde: Serde<unknown>;
  readonly retry: RunRetryPolicy | undefined;
}

export interface Classified {
  readonly error: Error;
  readonly terminal?: TerminalError | undefined;
}

/** What the runs need of their attempt. */
export interface RunHost {
  readonly machine: Machine;
  /** Since the attempt began. */
  elapsedMs(): number;
  /** Executes a closure so that steps within it are refused. */
  insideRun(closure: () => unknown): unknown;
  classify(thrown: unknown): Classified;
  wireFailure(error: TerminalError | string): WireFailure;
  /** A closure has come to its end. */
  closureEnded(): void;
}

export class Runs {
  readonly #host: RunHost;
  /** To be started, in command order. */
  #waiting: RunRequest[] = [];
  /** How many closures execute. */
  executing = 0;
  /** What the attempt ends with once none executes any more. */
  failure: AttemptFailure | undefined;

  constructor(host: RunHost) {
    this.#host = host;
  }

  add(request: RunRequest): void {
    if (!this.#host.machine.hasReceived(request.id)) this.#waiting.push(request);
  }

  start(): void {
    const runs = this.#waiting;
    this.#waiting = [];
    for (const run of runs) void this.#execute(run);
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
    this.#host.closureEnded();
  }

  #failed(run: RunRequest, thrown: unknown): void {
    const { machine } = this.#host;
    const { error, terminal } = this.#host.classify(thrown);
    // A mistake in the use of the SDK is mended by a deployment, and a pause by a person: neither must become the
    // run's result.
    const isForOthers = error instanceof SdkUsageError || error instanceof PauseError;
    const decision =
      terminal === undefined
        ? retryRun(isForOthers ? undefined : run.retry, this.#history(run.command), retryAfterMs(error))
        : ({ giveUp: true } as const);
    if (decision.giveUp) {
      machine.propose(run.id, { failure: this.#host.wireFailure(terminal ?? error.message) });
      return;
    }
    this.failure ??= {
      code: 500,
      message: error.message,
      stacktrace: error.stack,
      relatedCommand: run.command,
      nextRetryDelayMs: decision.delayMs,
    };
  }

  #history(command: CommandRef): { attempts: number; elapsedMs: number } {
    const { machine } = this.#host;
    const { retryCountSinceLastStoredEntry: retries, durationSinceLastStoredEntry } = machine.start;
    const thisAttemptMs = this.#host.elapsedMs();
    // Earlier attempts count against a run only if they can have executed it: it was recorded without a result,
    // or is the first thing this attempt does beyond its journal.
    if (retries === 0 || command.index > machine.lastRecordedIndex + 1) {
      return { attempts: 1, elapsedMs: thisAttemptMs };
    }
    return { attempts: retries + 1, elapsedMs: durationSinceLastStoredEntry + thisAttemptMs };
  }
}
