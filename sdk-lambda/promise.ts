/**
 * Promises of the context. They form a tree (leaves are completions and signals, inner nodes are combinators and
 * mappings) that settles synchronously when a leaf does; only a node on which `then` was called has a native
 * promise behind it.
 *
 * Invariants:
 * - Lazy: a node asks for its leaves only once it, or something above it, is awaited. A mapper runs at most once,
 *   and only then.
 * - Whether user code is blocked, and on what, is known: `rootAwaited` and `rootSettled` bracket every wait.
 * - Settling a leaf wakes user code only through the roots it settles.
 */
import {
  ALL_COMPLETED,
  ALL_SUCCEEDED_OR_FIRST_FAILED,
  FIRST_COMPLETED,
  FIRST_SUCCEEDED_OR_ALL_FAILED,
  UNKNOWN,
  type WireNotification,
} from '@holdfast/protocol';
import type { RestatePromise } from './combinators.ts';
import { type Duration, toMillis } from './duration.ts';
import { asError, fromWireFailure, TerminalError, TimeoutError } from './errors.ts';
import { type Awaited as AwaitedTree, futureOf, type NodeType } from './future.ts';
import type { NotificationId } from './machine/machine.ts';
import type { Serde } from './serde.ts';
import { place, unplacedError } from './user-stack.ts';

export type { RestatePromise } from './combinators.ts';

/** What a tree needs of its attempt. */
export interface PromiseHost {
  via: unknown;
  /** Throws where nothing of the attempt may be waited for, such as inside a closure of `run`. */
  assertUsable(): void;
  /** User code has come to wait for this node. */
  rootAwaited(root: Durable<unknown>): void;
  /** User code that waited for this node goes on. */
  rootSettled(root: Durable<unknown>): void;
  /** What is to be done has changed. */
  schedule(): void;
  /** User code that nobody waited for goes on: a mapper that has returned a promise. */
  mapperRuns(): void;
  /** Registers an awaited leaf; its result, if it is there already. */
  awaitLeaf(leaf: Leaf<unknown>): WireNotification | undefined;
  /** A leaf's value is still being decoded: nothing else is handed to user code before it. */
  later<T>(value: Promise<T>, fulfil: (value: T) => void, reject: (reason: unknown) => void): void;
  sleep(millis: number): Durable<void>;
}

const PENDING = 0;
export const FULFILLED = 1;
export const REJECTED = 2;

/** What a promise waits for. */
export type Tree = AwaitedTree<Leaf<unknown>>;

interface Edge {
  readonly parent: Durable<unknown>;
  readonly index: number;
}

export abstract class Durable<T> implements Promise<T> {
  readonly [Symbol.toStringTag] = 'RestatePromise';
  readonly host: PromiseHost | undefined;
  state: typeof PENDING | typeof FULFILLED | typeof REJECTED = PENDING;
  /** The value, or the reason. */
  outcome: unknown;
  #active = false;
  #edges: Edge[] | undefined;
  #native: Promise<unknown> | undefined;
  /** User code waits for `#native`. */
  #isRoot = false;
  #resolve: ((value: unknown) => void) | undefined;
  #reject: ((reason: unknown) => void) | undefined;

  constructor(host: PromiseHost | undefined) {
    this.host = host;
  }

  /** Asks for what this node depends on; may settle it at once. */
  protected abstract start(): void;
  /** A child that was pending when it was asked for has settled. */
  childSettled(_index: number, _child: Durable<unknown>): void {}
  /** What of the server this node waits for while it is pending; undefined when it is something foreign. */
  protected abstract waitsFor(): Tree | undefined;

  /** The same, and undefined when it is settled. */
  get awaits(): Tree | undefined {
    return this.state === PENDING ? this.waitsFor() : undefined;
  }

  activate(): void {
    if (this.#active) return;
    this.#active = true;
    this.start();
  }

  /** Activates `child` and hears of it now or later. */
  protected follow(child: Durable<unknown>, index: number): void {
    child.activate();
    if (child.state !== PENDING) this.childSettled(index, child);
    else {
      child.#edges ??= [];
      child.#edges.push({ parent: this, index });
    }
  }

  get isPending(): boolean {
    return this.state === PENDING;
  }

  /** Whether user code waits for this node or for something above it. */
  get isAwaited(): boolean {
    return this.state === PENDING && (this.#isRoot || !!this.#edges?.some(({ parent }) => parent.isAwaited));
  }

  /** Rejects for those who wait. What they waited for goes on, and what is made of it later gets the result. */
  cancel(reason: unknown): void {
    this.#leaveRoots();
    this.#reject?.(reason);
  }

  #leaveRoots(): void {
    this.#isRoot = false;
    this.host?.rootSettled(this);
  }

  /** Settles with what user code makes of `input`. */
  protected settleWith<I>(convert: (input: I) => unknown, input: I): void {
    let value: unknown;
    try {
      value = convert(input);
    } catch (error) {
      this.settle(REJECTED, error);
      return;
    }
    this.fulfil(value);
  }

  protected fulfil(value: unknown): void {
    this.settle(FULFILLED, value);
  }

  protected settle(state: typeof FULFILLED | typeof REJECTED, outcome: unknown): void {
    if (this.state !== PENDING) return;
    this.state = state;
    this.outcome = outcome;
    if (this.#isRoot) {
      this.#leaveRoots();
      this.#tell();
    }
    const edges = this.#edges;
    this.#edges = undefined;
    for (const { parent, index } of edges ?? []) parent.childSettled(index, this);
  }

  #tell(): void {
    if (this.state === FULFILLED) this.#resolve?.(this.outcome);
    else this.#reject?.(this.outcome);
  }

  // biome-ignore lint/suspicious/noThenProperty: being awaitable is the point
  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#await().then(onFulfilled as (value: unknown) => A | PromiseLike<A>, onRejected);
  }
  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.#await().catch(onRejected) as Promise<T | B>;
  }
  finally(onFinally?: (() => void) | null): Promise<T> {
    return this.#await().finally(onFinally) as Promise<T>;
  }

  #await(): Promise<unknown> {
    try {
      if (this.state === PENDING) this.host?.assertUsable();
    } catch (error) {
      return Promise.reject(error).catch(place);
    }
    if (this.#native) return this.#native;
    this.activate();
    this.#native = new Promise<unknown>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    }).catch(place);
    this.#isRoot = this.state === PENDING;
    if (this.#isRoot) this.host?.rootAwaited(this);
    else this.#tell();
    this.host?.schedule();
    return this.#native;
  }

  map<U>(mapper: (value?: T, failure?: TerminalError) => U): RestatePromise<U> {
    return new Mapped(this, mapper as Mapper) as unknown as RestatePromise<U>;
  }

  orTimeout(duration: Duration | number): RestatePromise<T> {
    // Without a host it is settled already.
    if (!this.host) return this as unknown as RestatePromise<T>;
    this.host.via = this;
    const timer = this.host.sleep(toMillis(duration));
    return new Combinator('timeout', [this, timer]) as unknown as RestatePromise<T>;
  }
}

/** What user code gets of a result that is no failure. */
export type Decode<T> = (result: WireNotification) => T;

/** The value; without one undefined, as of a sleep. */
export const valueWith =
  <T>(serde: Serde<T>): Decode<T> =>
  ({ value }) =>
    value === undefined ? (undefined as T) : serde.deserialize(value);

/** One completion or signal. */
export class Leaf<T> extends Durable<T> {
  readonly id: NotificationId;
  readonly #decode: Decode<T>;
  readonly #known: WireNotification | undefined;

  /** `known` is a result that needs no notification: the answer to an eager read. */
  constructor(host: PromiseHost, id: NotificationId, decode: Decode<T>, known?: WireNotification) {
    super(host);
    this.id = id;
    this.#decode = decode;
    this.#known = known;
  }

  protected start(): void {
    const result = this.#known ?? this.host?.awaitLeaf(this);
    if (result) this.deliver(result);
  }

  deliver(result: WireNotification): void {
    if (result.failure) this.settle(REJECTED, unplacedError(fromWireFailure(result.failure)));
    else this.settleWith(this.#decode, result);
  }

  protected override fulfil(value: unknown): void {
    if (value instanceof Promise)
      this.host?.later(
        value,
        decoded => super.fulfil(decoded),
        error => this.settle(REJECTED, error),
      );
    else super.fulfil(value);
  }

  protected waitsFor(): Tree {
    return this;
  }
}

type Mapper = (value?: unknown, failure?: TerminalError) => unknown;
class Mapped extends Durable<unknown> {
  /** What is mapped; then, if that is one, the promise that it was mapped to. */
  #source: Durable<unknown>;
  readonly #mapper: Mapper;
  #hasMapped = false;
  constructor(source: Durable<unknown>, mapper: Mapper) {
    super(source.host);
    this.#source = source;
    this.#mapper = mapper;
  }
  protected start(): void {
    this.follow(this.#source, 0);
  }
  override childSettled(_index: number, { state, outcome }: Durable<unknown>): void {
    if (this.#hasMapped) this.settle(state as typeof FULFILLED, outcome);
    // Only terminal errors are results. A mapper must not turn "this attempt failed" into a value.
    else if (state === FULFILLED) this.settleWith(this.#mapper, outcome);
    else if (outcome instanceof TerminalError)
      this.settleWith(failure => this.#mapper(undefined, failure), outcome);
    else this.settle(REJECTED, outcome);
  }
  /** A mapper may return a promise, as what is given to `then` may. */
  protected override fulfil(value: unknown): void {
    if (value instanceof Durable && this.host) {
      this.#source = value;
      this.#hasMapped = true;
      this.follow(value, 0);
    } else if (!this.#waitsForItself(value)) super.fulfil(value);
  }
  /** Of a constant, which has no host, or made by user code. What its `then` throws is its outcome, as elsewhere. */
  #waitsForItself(value: unknown): boolean {
    try {
      const { then } = (value ?? {}) as Partial<PromiseLike<unknown>>;
      if (typeof then !== 'function') return false;
      this.host?.mapperRuns();
      then.call(value, super.fulfil.bind(this), error => this.settle(REJECTED, error));
    } catch (error) {
      this.settle(REJECTED, error);
    }
    return true;
  }
  protected waitsFor(): Tree | undefined {
    // The mapper may make a failure of a success and the other way round; a promise that it returned is what it is.
    const source = this.#source.awaits;
    return this.#hasMapped ? source : futureOf(UNKNOWN, [source], true);
  }
}

export class Settled extends Durable<unknown> {
  constructor(state: typeof FULFILLED | typeof REJECTED, outcome: unknown) {
    super(undefined);
    this.settle(state, outcome);
  }
  protected start(): void {}
  protected waitsFor(): undefined {}
}

export type Rule = 'all' | 'race' | 'any' | 'allSettled' | 'timeout';

/** Which states of one child end the combinator with its outcome, and what the server is told. */
const RULES: Readonly<Record<Rule, { readonly ends: readonly number[]; readonly type: NodeType }>> = {
  all: { ends: [REJECTED], type: ALL_SUCCEEDED_OR_FIRST_FAILED },
  race: { ends: [FULFILLED, REJECTED], type: FIRST_COMPLETED },
  any: { ends: [FULFILLED], type: FIRST_SUCCEEDED_OR_ALL_FAILED },
  allSettled: { ends: [], type: ALL_COMPLETED },
  /** Of a promise and a timer: that the timer fulfils is a failure. */
  timeout: { ends: [FULFILLED, REJECTED], type: UNKNOWN },
};
const TIMER = 1;
export class Combinator extends Durable<unknown> {
  readonly #rule: Rule;
  readonly #children: readonly Durable<unknown>[];
  readonly #results: unknown[];
  #left: number;

  constructor(rule: Rule, children: readonly Durable<unknown>[]) {
    super(children.find(child => child.host)?.host);
    this.#rule = rule;
    this.#children = children;
    this.#results = new Array(children.length);
    this.#left = children.length;
  }

  protected start(): void {
    if (this.#left === 0) this.#allHeard();
    for (let i = 0; i < this.#children.length && this.state === PENDING; i++) {
      this.follow(this.#children[i] as Durable<unknown>, i);
    }
  }

  override childSettled(index: number, { state, outcome }: Durable<unknown>): void {
    if (RULES[this.#rule].ends.includes(state)) {
      if (this.#rule === 'timeout' && index === TIMER)
        this.settle(REJECTED, unplacedError(new TimeoutError()));
      else this.settle(state as typeof FULFILLED, outcome);
      return;
    }
    const settled =
      state === FULFILLED ? { status: 'fulfilled', value: outcome } : { status: 'rejected', reason: outcome };
    this.#results[index] = this.#rule === 'allSettled' ? settled : outcome;
    if (--this.#left === 0) this.#allHeard();
  }

  #allHeard(): void {
    if (this.#rule === 'any') {
      const errors = this.#results.map(asError);
      this.settle(REJECTED, unplacedError(new AggregateError(errors, 'All promises were rejected')));
    } else {
      this.settle(FULFILLED, this.#results);
    }
  }

  protected waitsFor(): Tree | undefined {
    return futureOf(
      RULES[this.#rule].type,
      this.#children.map(child => child.awaits),
    );
  }
}
