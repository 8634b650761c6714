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
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  CANCEL_SIGNAL,
  FIRST_COMPLETED,
  type Fields,
  type Frame,
  type MessageSpec,
  SendSignalCommand,
  SleepCommand,
  type WireFailure,
  type WireNotification,
} from '@holdfast/protocol';
import { SdkUsageError, withPage } from './coded-error.ts';
import { type Duration, toMillis } from './duration.ts';
import { asError, CancelledError, TerminalError, toWireFailure } from './errors.ts';
import { type FutureNode, futureOf, leavesOf } from './future.ts';
import { type Interceptor, intercepted } from './hooks.ts';
import type { CommandInput } from './machine/commands.ts';
import { type AttemptFailure, UNSUPPORTED_FEATURE } from './machine/failure.ts';
import type { Machine, NotificationId, Received } from './machine/machine.ts';
import type { ServiceOptions } from './options.ts';
import { type Decode, type Durable, Leaf, type PromiseHost, type Tree } from './promise.ts';
import { type Classified, failureOf, type RunHost, Runs } from './runs.ts';
import type { Serde } from './serde.ts';
import { CANCEL, isRepeatable, Signals } from './signals.ts';
import { framesOf, framesOfCaller, Probe, unplacedError } from './user-stack.ts';
import { coded, type JournalValueCodec, type ValuePlace } from './value-codec.ts';

/** Calls back once the microtask queue has drained, in the order of the calls. */
export type Defer = (callback: () => void) => void;

export interface AttemptPorts {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly defer: Defer;
  readonly options: Pick<ServiceOptions, 'asTerminalError' | 'explicitCancellation'>;
  /** When user code has to stop, by `now`. @default never */
  readonly stopAt?: number | undefined;
  readonly codec?: JournalValueCodec | undefined;
}

/** Whose code is running, across its awaits: an attempt's, in the handler, or that of a closure, among its runs. */
const running = new AsyncLocalStorage<Attempt | Runs>();

const refuseUse = (code: string, where: string): never => {
  throw new SdkUsageError(code, `The context was used ${where}.`);
};

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
  /** What user code waits for, in the order of the awaits. */
  readonly #roots = new Set<Durable<unknown>>();
  #woken = false;
  readonly #leaves = new Map<NotificationId, Leaf<unknown>>();
  readonly #signals = new Signals();
  readonly runs: Runs;
  /** The context, and what else of the SDK user code has called last: whose callers are user code. */
  context: unknown;
  via: unknown;
  interceptors: readonly Interceptor[] = [];
  /** Values that are being decoded, in the order in which they were asked for: how each settles, once it is known. */
  readonly #decoding: { settle?: () => void }[] = [];
  #isHeld = false;
  /** Quiescences so far, and the one up to which the last recorded command was issued. */
  #quiets = 0;
  #quietsRecorded = -1;
  #hasEnded = false;
  /** The invocation ids of the child calls since the last cancellation. */
  #children: Leaf<unknown>[] = [];
  /** Cancellations taken from the journal and not yet thrown, and what came after them. */
  #cancellations = 0;
  #heldBack: Received[] = [];
  #scheduled = false;
  /** The server of a live channel need not hear again what is awaited. */
  #isTold = false;
  #abort: AbortController | undefined;
  #finish: () => void = () => {};

  constructor(machine: Machine, ports: AttemptPorts) {
    this.machine = machine;
    this.#ports = ports;
    this.now = ports.now;
    this.stopAt = ports.stopAt ?? Number.POSITIVE_INFINITY;
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
      else this.machine.fail(failureOf(error, this.machine.lastCommand));
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

  /** The answer waits until what this returns is called, or the function's time is up. */
  hold(): () => void {
    this.#isHeld = true;
    return () => {
      this.#isHeld = false;
      this.schedule();
    };
  }

  /** Nothing more is written, and nobody is waited for. */
  get over(): boolean {
    return this.machine.over && !this.#isHeld;
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

  /**
   * A step inside a closure would be missing on replay, when the closure does not execute; and a wait there would
   * be for ever, because the attempt does not suspend while closures execute. Steps after the end are in no journal, and
   * those that another handler takes would come anywhere in this one's.
   */
  assertUsable(): void {
    const code = running.getStore();
    if (code === this.runs) refuseUse('HF_SDK_NESTED_STEP', 'inside a closure of ctx.run');
    if (code && code !== this) refuseUse('HF_SDK_FOREIGN_CONTEXT', 'by another invocation');
    if (this.#hasEnded) refuseUse('HF_SDK_CONTEXT_ENDED', 'after the end of its handler');
  }

  /**
   * The handler, which has ended when this has: it did not if it suspends. Not an async function, which would be a frame
   * in the stacks of user code.
   */
  insideHandler<T>(handler: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const ended =
        <V>(settle: (value: V) => void) =>
        (value: V) => {
          this.#hasEnded = true;
          settle(value);
        };
      running.run(this, handler).then(ended(resolve), ended(reject));
    });
  }

  sleep(millis: number, name = ''): Durable<void> {
    const fields = { wakeUpTime: this.timeAfter(millis), name };
    return this.leaf<void>(this.command(SleepCommand, fields, SLEEP_IGNORED), () => undefined);
  }

  /** The absolute time so much later. */
  timeAfter(duration: Duration | number): number {
    return Math.min(Math.max(0, Math.ceil(this.now() + this.millisOf(duration))), Number.MAX_SAFE_INTEGER);
  }

  /** Throws when it is none. */
  millisOf(duration: Duration | number): number {
    const millis = toMillis(duration);
    if (!Number.isFinite(millis)) throw new SdkUsageError('HF_SDK_ARGUMENT', `${millis} is no duration.`);
    return millis;
  }

  leaf<T>(id: NotificationId, decode: Decode<T>, known?: WireNotification): Leaf<T> {
    return new Leaf(this, id, decode, known);
  }

  childCalled(invocationId: Leaf<unknown>): void {
    this.#children.push(invocationId);
  }

  get explicitCancellation(): boolean {
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
    if (failure.metadata.length > 0) this.requireVersion(6, 'The metadata of a TerminalError');
    return failure;
  }

  /** Unless the negotiated protocol is that new, the attempt has failed. */
  requireVersion(version: number, feature: string): void {
    if (this.machine.version >= version) return;
    this.machine.fail({
      code: UNSUPPORTED_FEATURE,
      message: withPage(
        `${feature} needs protocol version ${version}; this invocation is pinned to ${this.machine.version}.`,
        'HF_SDK_FEATURE',
      ),
    });
    this.schedule();
  }

  /** `serde` with the endpoint's codec behind it. */
  coded<T>(serde: Serde<T>, place: () => ValuePlace): Serde<T> {
    const { codec } = this.#ports;
    return codec ? coded(codec, serde, place, error => this.crash(error)) : serde;
  }

  // ---- RunHost

  bindRun(closure: () => unknown, name: string): () => unknown {
    return AsyncLocalStorage.bind(() =>
      intercepted(
        this.interceptors,
        (interceptor, next) => (interceptor.run ? interceptor.run(name, next) : next()),
        // Async, for what the closure returns may be a promise of the context: waiting for it is part of the closure.
        () => running.run(this.runs, async () => closure()),
      ),
    );
  }

  crash(error: unknown): void {
    this.machine.fail(failureOf(asError(error), this.machine.lastCommand));
    this.schedule();
  }

  classify(thrown: unknown): Classified {
    if (thrown instanceof TerminalError) return { error: thrown, terminal: thrown };
    try {
      return { error: asError(thrown), terminal: this.#ports.options.asTerminalError?.(thrown) };
    } catch (fromUser) {
      // asTerminalError is user code too: what it throws fails the attempt.
      return { error: asError(fromUser) };
    }
  }

  /**
   * The function is about to be stopped: ends in order, with all that was recorded so far. Called again, it waits for
   * nobody any more.
   */
  outOfTime(): void {
    if (this.machine.over) this.#isHeld = false;
    else this.#endWith(this.runs.interruptedBy);
    this.schedule();
  }

  // ---- PromiseHost

  rootAwaited(root: Durable<unknown>): void {
    if (root.isPending) {
      this.#roots.add(root);
      this.#isTold = false;
      if (!this.machine.over) this.#signals.revive(() => (root.awaits ? leavesOf(root.awaits) : []));
    }
    this.schedule();
  }

  rootSettled(root: Durable<unknown>): void {
    this.#roots.delete(root);
    this.#woken = true;
  }

  mapperRuns(): void {
    this.#woken = true;
  }

  later<T>(value: Promise<T>, fulfil: (value: T) => void, reject: (reason: unknown) => void): void {
    const entry: { settle?: () => void } = {};
    this.#decoding.push(entry);
    const done = (settle: () => void) => {
      entry.settle = settle;
      this.schedule();
    };
    value.then(
      result => done(() => fulfil(result)),
      error => done(() => reject(error)),
    );
  }

  untilDecoded<T>(value: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => this.later(value, resolve, reject));
  }

  awaitLeaf(leaf: Leaf<unknown>): WireNotification | undefined {
    // After the end nothing settles any more, so that user code stops at its next await.
    if (this.machine.over) return undefined;
    if (isRepeatable(leaf.id)) return this.#signals.awaited(leaf);
    const result = this.machine.result(leaf.id);
    if (result) return result;
    this.#leaves.set(leaf.id, leaf);
    return undefined;
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
    if (!this.machine.over) running.run(this, () => this.#step());
    if (!this.machine.over) return;
    this.#abort?.abort();
    if (this.over) this.#finish();
  };

  #step(): void {
    const { runs, machine } = this;
    const [decoding] = this.#decoding;
    if (decoding) {
      if (!decoding.settle) return;
      this.#decoding.shift();
      decoding.settle();
      this.schedule();
      return;
    }
    const blocked = this.#roots.size > 0;
    if (!runs.failure) {
      const batched = runs.takeBatched();
      if (batched) {
        machine.settle(batched);
        this.#deliver(batched);
        this.schedule();
        return;
      }
      if (!runs.isBatchOpen && blocked && this.#wakeSomeone()) {
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
    const tree = root?.awaits;
    const ids = tree ? [...leavesOf(tree)].map(({ id }) => id) : [];
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
      if (this.#cancellations > 0 && this.#childIdsKnown()) return this.#cancel();
      const received = this.machine.pop();
      if (!received) return false;
      if (received.id === CANCEL && !this.explicitCancellation) {
        this.#cancellations++;
        this.#isTold = false;
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
    if (!leaf) return false;
    this.#woken = false;
    leaf.deliver(notification);
    return this.#woken || this.#decoding.length > 0;
  }

  #childIdsKnown(): boolean {
    // Looked for from the end, for they come in the order of the calls.
    return !this.#children.findLast(({ id }) => !this.machine.result(id));
  }

  #cancel(): boolean {
    this.#cancellations--;
    for (const { id } of this.takeChildren()) {
      const targetInvocationId = this.machine.result(id)?.invocationId ?? '';
      this.machine.command(SendSignalCommand, { targetInvocationId, idx: CANCEL_SIGNAL, void: true });
    }
    for (const root of [...this.#roots]) root.cancel(unplacedError(new CancelledError()));
    const held = this.#heldBack;
    this.#heldBack = [];
    for (const received of held) this.#deliver(received);
    return true;
  }

  #wait(): void {
    const { heldBy } = this.runs;
    if (heldBy) this.#endWith(heldBy);
    else this.#waitForAwaited();
  }

  /** Goes on once the result of that run is stored. */
  #endWith(end: number | AttemptFailure): void {
    if (typeof end === 'object') this.machine.fail(end);
    else this.machine.wait({ type: FIRST_COMPLETED, of: [{ id: end }] });
  }

  #waitForAwaited(): void {
    if (this.#isTold && !this.machine.isInputClosed) return;
    const future = this.#future();
    if (!future) return;
    this.machine.wait(future);
    this.#isTold = leavesOf(future).size > RETOLD_LEAVES_MAX;
  }

  /** Undefined when a mapper waits for something foreign, and user code for nothing else. */
  #future(): FutureNode | undefined {
    if (this.#cancellations > 0) {
      return futureOf(
        FIRST_COMPLETED,
        this.#children.filter(({ id }) => !this.machine.result(id)),
      );
    }
    const trees = this.#awaitedTrees();
    const [first] = trees;
    if (!first) return undefined;
    if (!this.explicitCancellation) return { type: FIRST_COMPLETED, of: [...trees, { id: CANCEL }] };
    return trees.length === 1 && 'of' in first ? first : { type: FIRST_COMPLETED, of: trees };
  }

  #awaitedTrees(): Tree[] {
    return [...this.#roots].map(root => root.awaits).filter(tree => tree !== undefined);
  }
}
