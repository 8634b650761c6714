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
import { asError, CancelledError, retryAfterMs, TerminalError, toWireFailure } from './errors.ts';
import type { CommandInput, CommandName } from './machine/commands.ts';
import type { Machine, NotificationId, Received } from './machine/machine.ts';
import { UNSUPPORTED_FEATURE } from './machine/machine.ts';
import { type Decode, type Durable, Leaf, type PromiseHost } from './promise.ts';
import { type Classified, type RunHost, type RunRequest, Runs } from './runs.ts';
import { CANCEL, isRepeatable, Signals } from './signals.ts';

/** Calls back once the microtask queue has drained, in the order of the calls. */
export type Defer = (callback: () => void) => void;

export interface AttemptPorts {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly defer: Defer;
  /** Turns an error of user code into a terminal one, or leaves it. */
  readonly asTerminalError?: ((error: unknown) => TerminalError | undefined) | undefined;
  /** User code watches for cancellations itself; nothing else makes of them anything. */
  readonly explicitCancellation?: boolean | undefined;
}

/** The attempt whose closure is running, across the closure's awaits. */
const closureOf = new AsyncLocalStorage<Attempt>();
const FIRST_PROTOCOL_WITH_METADATA = 6;

export class Attempt implements PromiseHost, RunHost {
  readonly machine: Machine;
  /** Resolves when the attempt is over. */
  readonly done: Promise<void>;
  readonly #ports: AttemptPorts;
  readonly #startedAtMs: number;
  /** What user code waits for, in the order of the awaits. */
  readonly #roots = new Set<Durable<unknown>>();
  #woken = false;
  readonly #leaves = new Map<NotificationId, Leaf<unknown>>();
  readonly #signals = new Signals();
  readonly #runs = new Runs(this);
  /** Invocation-id completions of the child calls since the last cancellation. */
  #children: number[] = [];
  /** Cancellations taken from the journal and not yet thrown, and what came after them. */
  #cancellations = 0;
  #heldBack: Received[] = [];
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
    return Math.min(Math.max(0, Math.ceil(this.now() + millis)), Number.MAX_SAFE_INTEGER);
  }

  leaf<T>(id: NotificationId, decode: Decode<T>, known?: WireNotification): Leaf<T> {
    return new Leaf(this, id, decode, known);
  }

  run(request: RunRequest): void {
    this.#runs.add(request);
  }

  childCalled(invocationIdCompletion: number): void {
    this.#children.push(invocationIdCompletion);
  }

  get explicitCancellation(): boolean {
    return this.#ports.explicitCancellation === true;
  }

  /** Invocation-id completions of the child calls since the last time, for user code that cancels them itself. */
  takeChildren(): readonly number[] {
    const children = this.#children;
    this.#children = [];
    return children;
  }

  /** A failure for the wire. When the negotiated protocol cannot carry it, the attempt has failed and nothing is sent. */
  wireFailure(error: TerminalError | string): WireFailure {
    const failure = toWireFailure(error instanceof TerminalError ? error : new TerminalError(error));
    if (failure.metadata.length > 0 && this.machine.version < FIRST_PROTOCOL_WITH_METADATA) {
      this.machine.fail({
        code: UNSUPPORTED_FEATURE,
        message: `TerminalError metadata needs protocol version ${FIRST_PROTOCOL_WITH_METADATA}; this invocation is pinned to ${this.machine.version}. Upgrade the server, or throw without metadata; see docs/errors/HF_SDK_FEATURE.md.`,
      });
      this.#schedule();
    }
    return failure;
  }

  // ---- RunHost

  elapsedMs(): number {
    return this.now() - this.#startedAtMs;
  }

  insideRun(closure: () => unknown): unknown {
    return closureOf.run(this, closure);
  }

  classify(thrown: unknown): Classified {
    if (thrown instanceof TerminalError) return { error: thrown, terminal: thrown };
    try {
      return { error: asError(thrown), terminal: this.#ports.asTerminalError?.(thrown) };
    } catch (fromUser) {
      // asTerminalError is user code too: what it throws fails the attempt.
      return { error: asError(fromUser) };
    }
  }

  closureEnded(): void {
    this.#schedule();
  }

  // ---- PromiseHost

  rootAwaited(root: Durable<unknown>): void {
    if (root.isPending) {
      this.#roots.add(root);
      if (!this.machine.over) this.#signals.revive(() => leavesOf([root]));
    }
    this.#schedule();
  }

  rootSettled(root: Durable<unknown>): void {
    this.#roots.delete(root);
    this.#woken = true;
  }

  mapperRuns(): void {
    this.#woken = true;
  }

  awaitLeaf(leaf: Leaf<unknown>): WireNotification | undefined {
    // After the end nothing settles any more, so that user code stops at its next await.
    if (this.machine.over) return undefined;
    if (isRepeatable(leaf.id)) return this.#signals.awaited(leaf);
    const result = this.machine.result(leaf.id);
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
    if (this.#runs.failure === undefined) {
      if (blocked && this.#wakeSomeone()) {
        this.#schedule();
        return;
      }
      if (blocked && this.machine.replaying && leavesOf(this.#roots).size > 0) {
        this.machine.unreachedCommands();
        return;
      }
      this.#runs.start();
    }
    if (this.#runs.executing > 0) return;
    if (this.#runs.failure !== undefined) this.machine.fail(this.#runs.failure);
    else if (blocked && this.machine.isInputClosed) this.#suspend();
  }

  /** True when user code has something to run. */
  #wakeSomeone(): boolean {
    for (;;) {
      if (this.#cancellations > 0 && this.#childIdsKnown()) return this.#cancel();
      const received = this.machine.pop();
      if (received === undefined) return false;
      if (received.id === CANCEL && !this.explicitCancellation) {
        this.#cancellations++;
      } else if (this.#cancellations > 0) {
        this.#heldBack.push(received);
      } else if (this.#deliver(received)) {
        return true;
      }
    }
  }

  #deliver({ id, notification }: Received): boolean {
    let leaf: Leaf<unknown> | undefined;
    if (isRepeatable(id)) {
      leaf = this.#signals.offer(id, notification);
    } else {
      leaf = this.#leaves.get(id);
      this.#leaves.delete(id);
    }
    if (leaf === undefined) return false;
    this.#woken = false;
    leaf.deliver(notification);
    return this.#woken;
  }

  #childIdsKnown(): boolean {
    // Looked for from the end, for they come in the order of the calls.
    return this.#children.findLast(id => this.machine.result(id) === undefined) === undefined;
  }

  #cancel(): boolean {
    this.#cancellations--;
    for (const child of this.#children) {
      const targetInvocationId = this.machine.result(child)?.invocationId ?? '';
      this.machine.command('SendSignalCommand', { targetInvocationId, idx: CANCEL_SIGNAL, void: true });
    }
    this.#children = [];
    for (const root of [...this.#roots]) root.cancel(new CancelledError());
    const held = this.#heldBack;
    this.#heldBack = [];
    for (const received of held) this.#deliver(received);
    return true;
  }

  #suspend(): void {
    const waiting = new Set<NotificationId>();
    if (this.#cancellations > 0) {
      for (const id of this.#children) if (this.machine.result(id) === undefined) waiting.add(id);
    } else {
      for (const { id } of leavesOf(this.#roots)) waiting.add(id);
      // A mapper waits for something foreign, and user code for nothing else.
      if (waiting.size === 0) return;
      if (!this.explicitCancellation) waiting.add(CANCEL);
    }
    this.machine.suspend(waiting);
  }

  // ---- the end

  #handlerFailed(thrown: unknown): void {
    const { error, terminal } = this.classify(thrown);
    if (terminal !== undefined) {
      this.machine.output({ failure: this.wireFailure(terminal) });
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

  #over(): void {
    this.#abort?.abort();
    this.#finish();
  }
}

function leavesOf(roots: Iterable<Durable<unknown>>): Set<Leaf<unknown>> {
  const leaves = new Set<Leaf<unknown>>();
  for (const root of roots) root.collectLeaves(leaves);
  return leaves;
}
