/**
 * One attempt at an invocation: runs user code against the replay machine. It owns when things happen; the
 * machine owns what they mean, `promise.ts` who waits for whom.
 *
 * Everything is decided at *quiescence*, when the microtask queue has drained and user code can go no further by
 * itself. `defer` calls back then. Each quiescence takes the first of these steps that applies:
 *
 *   1. values are being decoded: hand the first to user code, or wait for it
 *   2. batched runs: deliver their results in the order of the commands, and nothing else until all are
 *   3. a cancellation is under way: deliver it once the ids of all child calls are known
 *   4. take notifications in journal order until one wakes user code; let it run
 *   5. recorded commands are left over: the code departed from its journal
 *   6. start the closures of runs whose result is not in the journal
 *   7. closures are executing: wait for them
 *   8. a closure has failed: end with its error
 *   9. closures wait for results to be stored: as in 10, on those
 *  10. the input is closed: suspend on what the awaited promises wait for; it is open: tell the server
 *
 * Invariants:
 * - D1: what user code observes is a function of the order of notifications alone, not of how they were grouped
 *   into attempts or chunks: one notification at a time is delivered, only to code that is blocked, with all its
 *   continuations run before the next.
 * - D2: the result of a closure reaches user code through the journal only, unless the run is batched.
 */
import {
  FIRST_COMPLETED,
  type Fields,
  type Frame,
  type MessageSpec,
  SleepCommand,
  type WireFailure,
  type WireNotification,
} from '@holdfast/protocol';
import type { AttemptPorts } from './attempt-ports.ts';
import { cancel } from './context/invocation.ts';
import { Decoding } from './decoding.ts';
import { type Duration, validMillis } from './duration.ts';
import {
  asError,
  CancelledError,
  type Classified,
  classify,
  TerminalError,
  toWireFailure,
} from './errors.ts';
import { type FutureNode, leavesOf } from './future.ts';
import { type Interceptor, intercepted } from './hooks.ts';
import { Inbox } from './inbox.ts';
import type { CommandInput } from './machine/commands.ts';
import { type AttemptFailure, unsupported } from './machine/failure.ts';
import { idOf, type Machine, type NotificationId } from './machine/machine.ts';
import { type Decode, type Durable, Leaf, type PromiseHost, type Tree } from './promise.ts';
import { assertMayUse, bindNow, runHandler, running } from './running.ts';
import { failureOf, type RunHost, Runs } from './runs.ts';
import type { Serde } from './serde.ts';
import { CANCEL } from './signals.ts';
import { framesOf, framesOfCaller, Probe, unplacedError } from './user-stack.ts';
import { coded, type ValuePlace } from './value-codec.ts';

export type { Defer } from './attempt-ports.ts';

/**
 * Of more leaves the server is not told again each time one of them is settled, which it knows: a wait for thousands
 * would be told thousands of times.
 */
const RETOLD_LEAVES_MAX = 64;
const SLEEP_IGNORED = ['wakeUpTime', 'resultCompletionId'];

export class Attempt implements PromiseHost, RunHost {
  readonly machine: Machine;
  /** Resolves when the attempt is over. */
  readonly done: Promise<void>;
  readonly #ports: AttemptPorts;
  readonly now: () => number;
  readonly stopAt: number;
  readonly limitMs: number;
  readonly mark = Symbol();
  /** Of a handler that has returned, for when its hooks do not. */
  result: Uint8Array | undefined;
  /** What user code waits for, in the order of the awaits. */
  readonly #roots = new Set<Durable<unknown>>();
  #woken = false;
  readonly runs: Runs;
  /** The context, and what else of the SDK user code has called last: whose callers are user code. */
  context: unknown;
  via: unknown;
  interceptors: readonly Interceptor[] = [];
  readonly #decoding = new Decoding();
  readonly #inbox = new Inbox(this.#decoding);
  /** The answer waits, unless the function's time is up. */
  isHeld = false;
  /** Quiescences so far, and the one up to which the last recorded command was issued. */
  #quiets = 0;
  #quietsRecorded = -1;
  hasEnded = false;
  /** The invocation ids of the child calls since the last cancellation. */
  #children: Leaf<unknown>[] = [];
  /** A cancellation was taken from the journal and is not thrown yet. */
  #isCancelled = false;
  #scheduled = false;
  /** The server of a live channel need not hear again what is awaited. */
  #isTold = false;
  #abort: AbortController | undefined;
  #finish: () => void = () => {};

  constructor(machine: Machine, ports: AttemptPorts) {
    this.machine = machine;
    this.#ports = ports;
    this.now = ports.now;
    const { until = Infinity, totalMs = Infinity } = ports.timeLimit ?? {};
    this.stopAt = until;
    this.limitMs = totalMs;
    this.runs = new Runs(this);
    machine.framesOfUser = () => framesOfCaller([this.context, this.via]);
    this.done = new Promise(resolve => {
      this.#finish = resolve;
    });
  }

  /** Feeds a live channel. What the machine makes of it is looked at in the next quiescence. */
  notify(frames: readonly Frame[]): void {
    this.machine.notify(frames);
    this.schedule();
  }

  inputClosed(): void {
    this.machine.inputClosed();
    this.schedule();
  }

  /** Runs user code. `handler` returns the serialized result. */
  async start(handler: () => Promise<Uint8Array>): Promise<void> {
    try {
      this.machine.output({ value: await handler() });
    } catch (thrown) {
      const { error, terminal } = this.classify(thrown);
      if (terminal) this.machine.output({ failure: this.wireFailure(terminal) });
      else this.crash(error);
    }
    this.schedule();
  }

  /**
   * User code does what it did before. That a command is recorded says that everything up to its first wait after that
   * command was done as well.
   */
  get replaying(): boolean {
    return this.machine.replaying || this.#quietsRecorded === this.#quiets;
  }

  /** Nothing more is written, and nobody is waited for. */
  get over(): boolean {
    return this.machine.over && !this.isHeld;
  }

  /** Aborted when the attempt is over, for user code to release what it holds. */
  get completedSignal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.machine.over) this.#abort.abort();
    return this.#abort.signal;
  }

  // ---- for the verbs

  command<F extends Fields>(
    spec: MessageSpec<F>,
    input: CommandInput<F>,
    ignored?: readonly string[],
  ): number {
    this.assertUsable();
    if (this.machine.replaying) this.#quietsRecorded = this.#quiets;
    const id = this.machine.command(spec, input, ignored);
    // A mismatch ends the attempt even if user code goes on to wait for something foreign.
    if (this.machine.over) this.schedule();
    return id;
  }

  assertUsable(): void {
    assertMayUse(this);
  }

  insideHandler<T>(handler: () => Promise<T>): Promise<T> {
    return runHandler(this, handler);
  }

  sleep(millis: number, name = ''): Durable<void> {
    const fields = { wakeUpTime: this.timeAfter(millis), name };
    return this.leaf<void>(this.command(SleepCommand, fields, SLEEP_IGNORED), () => {});
  }

  /** The absolute time so much later. */
  timeAfter(duration: Duration | number): number {
    return Math.min(Math.max(0, Math.ceil(this.now() + this.millisOf(duration))), Number.MAX_SAFE_INTEGER);
  }

  /** Throws when it is none. */
  millisOf(duration: Duration | number): number {
    return validMillis(duration);
  }

  leaf<T>(id: NotificationId, decode: Decode<T>, known?: WireNotification): Leaf<T> {
    return new Leaf(this, id, decode, known);
  }

  childCalled(invocationId: Leaf<unknown>): void {
    this.#children.push(invocationId);
  }

  get watchesCancellation(): boolean {
    return this.#ports.options.explicitCancellation === true;
  }

  /** The ids of the child calls since the last time, for user code that cancels them itself. */
  takeChildren(): readonly Leaf<unknown>[] {
    const children = this.#children;
    this.#children = [];
    return children;
  }

  /** A failure for the wire. When the negotiated protocol cannot carry it, the attempt has failed and nothing is sent. */
  wireFailure(error: TerminalError | string): WireFailure {
    const failure = toWireFailure(error instanceof TerminalError ? error : new TerminalError(error));
    if (failure.metadata.length > 0) this.requireVersion(6, 'Metadata of a TerminalError');
    return failure;
  }

  /** Unless the negotiated protocol is that new, the attempt has failed. */
  requireVersion(version: number, feature: string): void {
    if (this.machine.version >= version) return;
    this.machine.fail(unsupported(feature, version, this.machine.version));
    this.schedule();
  }

  /** `serde` with the endpoint's codec behind it. */
  coded<T>(serde: Serde<T>, place: () => ValuePlace): Serde<T> {
    const { codec } = this.#ports;
    return codec ? coded(codec, serde, place, error => this.crash(error)) : serde;
  }

  // ---- RunHost

  bindRun(closure: () => unknown, name: string): () => unknown {
    return bindNow(() =>
      // Async, for what the closure returns may be a promise of the context: waiting for it is part of the closure.
      intercepted(this.interceptors, 'run', [name], () => running.run(this.runs.mark, async () => closure())),
    );
  }

  crash(error: unknown): void {
    this.machine.fail(failureOf(asError(error), this.machine.lastCommand));
    this.schedule();
  }

  classify(thrown: unknown): Classified {
    return classify(thrown, this.#ports.options.asTerminalError);
  }

  /**
   * The function is about to be stopped: ends in order, with all that was recorded so far. Called again, it waits for
   * nobody any more.
   */
  outOfTime(): void {
    if (this.machine.over) this.isHeld = false;
    else if (this.result) this.machine.output({ value: this.result });
    else this.#waitFor(this.runs.interruptedBy);
    this.schedule();
  }

  // ---- PromiseHost

  rootAwaited(root: Durable<unknown>): void {
    this.#roots.add(root);
    this.#isTold = false;
    this.#revive([root]);
  }

  #revive(roots: Iterable<Durable<unknown>>): void {
    for (const root of roots) if (!this.machine.over) this.#inbox.revive(() => leavesOf(root.awaits));
  }

  rootSettled(root: Durable<unknown>): void {
    this.#roots.delete(root);
    this.#woken = true;
  }

  mapperRuns(): void {
    this.#woken = true;
  }

  later<T>(value: Promise<T>, fulfil: (value: T) => void, reject: (reason: unknown) => void): void {
    this.#decoding.add(value, fulfil, reject, () => this.schedule());
  }

  untilDecoded<T>(value: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => this.later(value, resolve, reject));
  }

  awaitLeaf(leaf: Leaf<unknown>): WireNotification | undefined {
    // After the end nothing settles any more, so that user code stops at its next await.
    return this.machine.over ? undefined : this.#inbox.awaited(leaf);
  }

  // ---- quiescence

  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#ports.defer(this.#onQuiet);
  }

  readonly #onQuiet = (): void => {
    this.#scheduled = false;
    this.#quiets++;
    // Mappers are user code, whoever it was that had them called.
    if (!this.machine.over) running.run(this.mark, () => this.#step());
    if (!this.machine.over) return;
    this.#abort?.abort();
    if (this.over) this.#finish();
  };

  #step(): void {
    // Its hooks may be at work still: nothing is delivered, begun or waited for any more.
    if (this.hasEnded) return;
    const { runs, machine } = this;
    if (this.#decoding.isOpen) {
      if (!this.#decoding.settleFirst()) return;
      this.#revive(this.#roots);
      this.schedule();
      return;
    }
    const blocked = this.#roots.size > 0;
    if (!runs.failure) {
      const batched = runs.takeBatched();
      if (batched) this.#deliver(batched);
      if (batched || (!runs.isBatchOpen && blocked && this.#wakeSomeone())) {
        this.schedule();
        return;
      }
      if (blocked && machine.replaying && this.#awaitedTrees().length > 0) {
        this.#waitsTooEarly();
        return;
      }
      runs.start();
    }
    if (runs.executing > 0) return;
    const { failure } = runs;
    if (failure) machine.fail(failure);
    else if (blocked) this.#wait();
  }

  /** The journal goes on from where user code waits. Where that is, is known once a wait has been probed. */
  #waitsTooEarly(): void {
    const [root] = this.#roots;
    const ids = [...leavesOf(root?.awaits)].map(({ id }) => id);
    const probe = new Probe();
    root?.cancel(probe);
    this.#ports.defer(() => {
      this.machine.unreachedCommands(ids, framesOf(probe));
      this.schedule();
    });
  }

  /** True when user code has something to run. */
  #wakeSomeone(): boolean {
    for (;;) {
      if (this.#isCancelled) return !this.#unknownChild && this.#cancel();
      const received = this.machine.pop();
      if (!received) return false;
      this.#isCancelled = idOf(received) === CANCEL && !this.watchesCancellation;
      if (!this.#isCancelled && (this.#deliver(received) || this.runs.isBatchOpen)) return true;
    }
  }

  #deliver(notification: WireNotification): boolean {
    const leaf = this.#inbox.offer(notification);
    this.#woken = false;
    leaf?.deliver(notification);
    return this.#woken || this.#decoding.isOpen;
  }

  /** One whose id the journal has not yet. Looked for from the end, for they come in the order of the calls. */
  get #unknownChild(): Leaf<unknown> | undefined {
    return this.#children.findLast(({ id }) => !this.machine.received(id));
  }

  #cancel(): boolean {
    this.#isCancelled = false;
    for (const { id } of this.takeChildren()) cancel(this, this.machine.received(id)?.invocationId ?? '');
    for (const root of [...this.#roots]) root.cancel(unplacedError(new CancelledError()));
    return true;
  }

  #wait(): void {
    const end = this.runs.heldBy ?? (this.#isCancelled && this.#unknownChild?.id);
    if (end) this.#waitFor(end);
    else if (!this.#isTold || this.machine.isInputClosed) {
      const of = this.#awaitedTrees();
      const [first] = of;
      // None when a mapper waits for something foreign, and user code for nothing else.
      if (!first) return;
      this.#isTold = leavesOf({ of }).size > RETOLD_LEAVES_MAX;
      if (!this.watchesCancellation) this.#waitForAny([...of, { id: CANCEL }]);
      else if (of.length === 1 && 'of' in first) this.machine.wait(first);
      else this.#waitForAny(of);
    }
  }

  /** Goes on once that is stored, or not at all. */
  #waitFor(end: NotificationId | AttemptFailure): void {
    if (typeof end === 'object') this.machine.fail(end);
    else this.#waitForAny([{ id: end }]);
  }

  #waitForAny(of: FutureNode['of']): void {
    this.machine.wait({ type: FIRST_COMPLETED, of });
  }

  #awaitedTrees(): Tree[] {
    return [...this.#roots].map(root => root.awaits).filter(tree => tree !== undefined);
  }
}
