/** The types of the contexts that have a key: of virtual objects and workflows. */
import type { TerminalError } from '../errors.ts';
import type { RestatePromise } from '../promise.ts';
import type { Serde } from '../serde.ts';
import type { Context, Name } from './context.ts';

/** The names and types of state. */
// biome-ignore lint/suspicious/noExplicitAny: values of every type
export type TypedState = Record<string, any>;
/** State of which neither names nor types are told; each `get` and `set` says its own. */
export type UntypedState = { _: never };

/** Nothing told includes `any`, which is what handlers get that do not say their context. */
type IsUntyped<TState> = 0 extends TState & 1 ? true : TState extends UntypedState ? true : false;
type StateName<TState, TKey, TValue> = IsUntyped<TState> extends true ? Name<TValue> : TKey;
type Value<TState extends TypedState, TKey extends keyof TState, TValue> =
  IsUntyped<TState> extends true ? TValue : TState[TKey];

/** State of one key. */
export interface StateReader<TState extends TypedState> {
  /** The value, null when there is none. */
  get<TValue, TKey extends keyof TState = string>(
    name: StateName<TState, TKey, TValue>,
    serde?: Serde<Value<TState, TKey, TValue>>,
  ): RestatePromise<Value<TState, TKey, TValue> | null>;
  /** The names of all that has a value, sorted. */
  stateKeys(): RestatePromise<string[]>;
}

/** State of one key, as its exclusive handlers have it. */
export interface KeyValueStore<TState extends TypedState> extends StateReader<TState> {
  /** Takes effect at once, whatever becomes of the invocation. */
  set<TValue, TKey extends keyof TState = string>(
    name: StateName<TState, TKey, TValue>,
    value: Value<TState, TKey, TValue>,
    serde?: Serde<Value<TState, TKey, TValue>>,
  ): void;
  /** Removes a value. Takes effect at once, as `set` does. */
  clear<TKey extends keyof TState>(name: StateName<TState, TKey, unknown>): void;
  /** Removes all values. */
  clearAll(): void;
}

/** Of an exclusive handler: the only one that runs for its key. */
export interface ObjectContext<TState extends TypedState = UntypedState>
  extends Context,
    KeyValueStore<TState> {
  /** Of the object or workflow. */
  key: string;
}

/** Of a shared handler: runs beside others and reads. */
export interface ObjectSharedContext<TState extends TypedState = UntypedState>
  extends Context,
    StateReader<TState> {
  /** Of the object or workflow. */
  key: string;
}

/** A promise that belongs to a workflow: settled once, by any of its handlers, and kept as long as the workflow. */
export interface DurablePromise<T> extends Promise<T> {
  /** The value, or undefined when it is not settled yet. */
  peek(): RestatePromise<T | undefined>;
  /** Settles it. Fails with code 409 when it is settled already; so does `reject`. */
  resolve(value?: T): RestatePromise<void>;
  /** Whoever waits gets a TerminalError; a string is one with code 500. */
  reject(reason: string | TerminalError): RestatePromise<void>;
  /** For combinators. */
  get(): RestatePromise<T>;
}

/** Of a workflow's handlers but `run`: reads state, waits for promises and settles them. */
export interface WorkflowSharedContext<TState extends TypedState = UntypedState>
  extends ObjectSharedContext<TState> {
  /** The promise of this workflow that has this name. Each time that it is awaited is a step. */
  promise<T>(name: Name<T>, serde?: Serde<T>): DurablePromise<T>;
}

/** Of a workflow's handler `run`: changes state too. */
export interface WorkflowContext<TState extends TypedState = UntypedState>
  extends WorkflowSharedContext<TState>,
    ObjectContext<TState> {}
