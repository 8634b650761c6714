/**
 * One attempt at an invocation: runs user code against the replay machine. It owns when things happen; the
 * machine owns what they mean, `promise.ts` who waits for whom.
 *
 * Everything is decided at *quiescence*, when the microtask queue has drained and user code can go no further by
 * itself. `defer` calls back then. Each quiescence takes the first of these steps that applies:
 *
 *   1. a cancellation is under way: deliver it once the ids of all child calls are known
 *   2. take notifications in journal order until one wakes user code; let it run
 *   3. recorded commands are left over: the code departed from its journal
 *   4. start the closures of runs whose result is not in the journal
 *   5. closures are executing: wait for them
 *   6. a closure has failed: end with its error
 *   7. the input is closed: suspend on all leaves of all awaited promises
 *
 * Invariants:
 * - D1: what user code observes is a function of the order of notifications alone, not of how they were grouped
 *   into attempts or chunks: one notification at a time is delivered, only to code that is blocked, with all its
 *   continuations run before the next.
 * - D2: the result of a closure reaches user code through the journal only.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { CANCEL_SIGNAL, type Frame, type WireFailure, type WireNotification } from '@holdfast/protocol';
import { SdkUsageError } from './coded-error.ts';
import { type Duration, toMillis } from './duration.ts';
import { asError, CancelledError, RetryableError, TerminalError, toWireFailure } from './errors.ts';
import type { CommandInput, CommandName } from './machine/commands.ts';
import type { AttemptFailure, CommandRef, Machine, NotificationId } from './machine/machine.ts';
import { SdkErrorCode } from './machine/machine.ts';
import { type RunRetryPolicy, retryRun } from './machine/run-retry.ts';
import { type Durable, Leaf, type PromiseHost } from './promise.ts';
import type { Serde } from './serde.ts';

/** Calls back once the microtask queue has drained, in the order of the calls. */
export type Defer = (callback: () => void) => void;

export interface AttemptPorts {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly defer: Defer;
  /** Turns an error of user code into a terminal one, or leaves it. */
  readonly asTerminalError?: ((error: unknown) => TerminalError | undefined) | undefined;
}

export interface RunRequest {
  readonly id: number;
  readonly command: CommandRef;
  readonly closure: () => unknown;
  readonly serde: Serde<unknown>;
  readonly retry: RunRetryPolicy | undefined;
}

const CANCEL: NotificationId = -CANCEL_SIGNAL;
/** The attempt whose closure is running, across the closure's awaits. */
const closureOf = new AsyncLocalStorage<Attempt>();
const FIRST_PROTOCOL_WITH_METADATA = 6;

export class Attempt implements PromiseHost {
  readonly machine: Machine;
  /** Resolves when the attempt is over. */
  readonly done: Promise<void>;
  readonly #ports: AttemptPorts;
  readonly #startedAtMs: number;
  /** What user code waits for, in the order of the awaits. */
  readonly #roots = new Set<Durable<unknown>>();
  #woken = false;
  readonly #leaves = new Map<NotificationId, Leaf<unknown>>();
  /** Runs to start, in command order. */
  #runs: RunRequest[] = [];
  #executing = 0;
  #runFailure: AttemptFailure | undefined;
  /** Invocation-id completions of the child calls since the last cancellation. */
  #children: number[] = [];
  /** Cancellations taken from the journal and not yet thrown, and what came after them. */
  #cancellations = 0;
  #heldBack: NotificationId[] = [];
  #scheduled = false;
  #abort: AbortController | undefined;
  #finish: () => void = () => {};

  constructor(machine: Machine, ports: AttemptPorts) {
    this.machine = machine;
    this.#ports = ports;
    this.#startedAtMs = ports.now();
    this.done = new Promise(resolve => {
      this.#finish = resolve;
    });
  }

  now(): number {
    return this.#ports.now();
  }

  /** Feeds a live channel. What the machine makes of it is looked at in the next quiescence. */
  notify(frames: readonly Frame[]): void {
    this.machine.notify(frames);
    this.#schedule();
  }

  inputClosed(): void {
    this.machine.inputClosed();
    this.#schedule();
  }

  /** Runs user code. `handler` returns the serialized result. */
  async start(handler: () => Promise<Uint8Array>): Promise<void> {
    try {
      this.machine.output({ value: await handler() });
    } catch (thrown) {
      this.#handlerFailed(thrown);
    }
    this.#schedule();
  }

  /** Aborted when the attempt is over, for user code to release what it holds. */
  get completedSignal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.machine.over) this.#abort.abort();
    return this.#abort.signal;
  }

  // ---- for the verbs

  command<N extends CommandName>(name: N, input: CommandInput<N>): number {
    this.assertOutsideRun();
    const id = this.machine.command(name, input);
    // A mismatch ends the attempt even if user code goes on to wait for something foreign.
    if (this.machine.over) this.#schedule();
    return id;
  }

  /**
   * A step inside a closure would be missing on replay, when the closure does not execute; and a wait there would
   * be for ever, because the attempt does not suspend while closures execute.
   */
  assertOutsideRun(): void {
    if (closureOf.getStore() !== this) return;
    throw new SdkUsageError(
      'HF_SDK_NESTED_STEP',
      'The context was used inside a closure of ctx.run. Take the step before or after the run.',
    );
  }

  sleep(millis: number, name = ''): Durable<void> {
    const fields = { wakeUpTime: this.timeAfter(millis), name };
    return this.leaf<void>(this.command('SleepCommand', fields), () => undefined);
  }

  /** The absolute time so much later. */
  timeAfter(millis: number): number {
    if (!Number.isFinite(millis))
      throw new SdkUsageError(
        'HF_SDK_ARGUMENT',
        `A duration is a number of milliseconds or an object, not ${millis}.`,
      );
    return Math.max(0, Math.ceil(this.now() + millis));
  }

  leaf<T>(id: NotificationId, decode: (value: Uint8Array) => T): Leaf<T> {
    return new Leaf(this, id, decode);
  }

  run(request: RunRequest): void {
    if (!this.machine.hasReceived(request.id)) this.#runs.push(request);
  }

  childCalled(invocationIdCompletion: number): void {
    this.#children.push(invocationIdCompletion);
  }

  /** A failure as the negotiated protocol carries it; undefined when it cannot, and then the attempt has failed. */
  wireFailure(error: TerminalError): WireFailure | undefined {
    const failure = toWireFailure(error);
    if (failure.metadata.length === 0 || this.machine.version >= FIRST_PROTOCOL_WITH_METADATA) return failure;
    this.machine.fail({
      code: SdkErrorCode.unsupportedFeature,
      message: `TerminalError metadata needs protocol version ${FIRST_PROTOCOL_WITH_METADATA}; this invocation is pinned to ${this.machine.version}. Upgrade the server, or throw without metadata; see docs/errors/HF_SDK_FEATURE.md.`,
    });
    this.#schedule();
    return undefined;
  }

  // ---- PromiseHost

  rootAwaited(root: Durable<unknown>): void {
    if (root.isPending) this.#roots.add(root);
    this.#schedule();
  }

  rootSettled(root: Durable<unknown>): void {
    this.#roots.delete(root);
    this.#woken = true;
  }

  awaitLeaf(leaf: Leaf<unknown>): WireNotification | undefined {
    // After the end nothing settles any more, so that user code stops at its next await.
    const result = this.machine.over ? undefined : this.machine.result(leaf.id);
    if (result !== undefined) return result;
    this.#leaves.set(leaf.id, leaf);
    return undefined;
  }

  // ---- quiescence

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#ports.defer(this.#onQuiet);
  }

  readonly #onQuiet = (): void => {
    this.#scheduled = false;
    if (!this.machine.over) this.#step();
    if (this.machine.over) this.#over();
  };

  #step(): void {
    const blocked = this.#roots.size > 0;
    if (this.#runFailure === undefined) {
      if (blocked && this.#wakeSomeone()) {
        this.#schedule();
        return;
      }
      if (blocked && this.machine.replaying) {
        this.machine.unreachedCommands();
        return;
      }
      this.#startRuns();
    }
    if (this.#executing > 0) return;
    if (this.#runFailure !== undefined) this.machine.fail(this.#runFailure);
    else if (blocked && this.machine.isInputClosed) this.#suspend();
  }

  /** True when user code has something to run. */
  #wakeSomeone(): boolean {
    for (;;) {
      if (this.#cancellations > 0 && this.#childIdsKnown()) return this.#cancel();
      const id = this.machine.pop();
      if (id === undefined) return false;
      if (id === CANCEL) {
        this.#cancellations++;
      } else if (this.#cancellations > 0) {
        this.#heldBack.push(id);
      } else if (this.#deliver(id)) {
        return true;
      }
    }
  }

  #deliver(id: NotificationId): boolean {
    const leaf = this.#leaves.get(id);
    const result = this.machine.result(id);
    if (leaf === undefined || result === undefined) return false;
    this.#leaves.delete(id);
    this.#woken = false;
    leaf.deliver(result);
    return this.#woken;
  }

  #childIdsKnown(): boolean {
    return this.#children.every(id => this.machine.result(id) !== undefined);
  }

  #cancel(): boolean {
    this.#cancellations--;
    for (const child of this.#children) {
      const targetInvocationId = this.machine.result(child)?.invocationId ?? '';
      this.machine.command('SendSignalCommand', { targetInvocationId, idx: CANCEL_SIGNAL, void: true });
    }
    this.#children = [];
    for (const root of [...this.#roots]) root.reject(new CancelledError());
    const held = this.#heldBack;
    this.#heldBack = [];
    for (const id of held) this.#deliver(id);
    return true;
  }

  #startRuns(): void {
    const runs = this.#runs;
    this.#runs = [];
    for (const run of runs) void this.#execute(run);
  }

  async #execute(run: RunRequest): Promise<void> {
    this.#executing++;
    try {
      const value = await closureOf.run(this, run.closure);
      this.machine.propose(run.id, { value: run.serde.serialize(value) });
    } catch (thrown) {
      this.#runFailed(run, thrown);
    }
    this.#executing--;
    this.#schedule();
  }

  #runFailed(run: RunRequest, thrown: unknown): void {
    const { error, terminal } = this.#classify(thrown);
    // A mistake in the use of the SDK is mended by a deployment: it must not become the run's result.
    const policy = error instanceof SdkUsageError ? undefined : run.retry;
    const decision =
      terminal === undefined
        ? retryRun(policy, this.#retryHistory(run.command), retryAfterMs(error))
        : ({ giveUp: true } as const);
    if (decision.giveUp) {
      const failure = this.wireFailure(terminal ?? new TerminalError(error.message));
      if (failure !== undefined) this.machine.propose(run.id, { failure });
      return;
    }
    // The first failure decides. Closures that are executing may still finish and keep their results: they
    // would otherwise run again.
    this.#runFailure ??= {
      code: 500,
      message: error.message,
      stacktrace: error.stack,
      relatedCommand: run.command,
      nextRetryDelayMs: decision.delayMs,
    };
  }

  #retryHistory(command: CommandRef): { attempts: number; elapsedMs: number } {
    const { retryCountSinceLastStoredEntry: retries, durationSinceLastStoredEntry } = this.machine.start;
    const thisAttemptMs = this.now() - this.#startedAtMs;
    // Earlier attempts count against a run only if they can have executed it: it was recorded without a result,
    // or is the first thing this attempt does beyond its journal.
    if (retries === 0 || command.index > this.machine.lastRecordedIndex + 1) {
      return { attempts: 1, elapsedMs: thisAttemptMs };
    }
    return { attempts: retries + 1, elapsedMs: durationSinceLastStoredEntry + thisAttemptMs };
  }

  #suspend(): void {
    const waiting = new Set<NotificationId>();
    if (this.#cancellations > 0) {
      for (const id of this.#children) if (this.machine.result(id) === undefined) waiting.add(id);
    } else {
      for (const root of this.#roots) root.collectLeaves(waiting);
    }
    if (waiting.size === 0) throw new Error('assertion: what is pending has a pending leaf');
    waiting.add(CANCEL);
    this.machine.suspend(waiting);
  }

  // ---- the end

  #handlerFailed(thrown: unknown): void {
    const { error, terminal } = this.#classify(thrown);
    if (terminal !== undefined) {
      const failure = this.wireFailure(terminal);
      if (failure !== undefined) this.machine.output({ failure });
      return;
    }
    this.machine.fail({
      code: 500,
      message: error.message,
      stacktrace: error.stack,
      relatedCommand: this.machine.lastCommand,
      nextRetryDelayMs: retryAfterMs(error),
    });
  }

  #classify(thrown: unknown): { readonly error: Error; readonly terminal?: TerminalError | undefined } {
    if (thrown instanceof TerminalError) return { error: thrown, terminal: thrown };
    try {
      return { error: asError(thrown), terminal: this.#ports.asTerminalError?.(thrown) };
    } catch (fromUser) {
      // asTerminalError is user code too: what it throws fails the attempt.
      return { error: asError(fromUser) };
    }
  }

  #over(): void {
    this.#abort?.abort();
    this.#finish();
  }
}

function retryAfterMs(thrown: unknown): number | undefined {
  const after: Duration | number | undefined =
    thrown instanceof RetryableError ? thrown.retryAfter : undefined;
  return after === undefined ? undefined : toMillis(after);
}
