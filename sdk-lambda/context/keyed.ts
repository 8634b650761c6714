/** The types of the contexts that have a key: of virtual objects and workflows. */
import type { TerminalError } from '../errors.ts';
import type { RestatePromise } from '../promise.ts';
import type { Serde } from '../serde.ts';
import type { Context } from './context.ts';

// biome-ignore lint/suspicious/noExplicitAny: values of every type
export type TypedState = Record<string, any>;
/** State of which neither names nor types are told; each `get` and `set` says its own. */
export type UntypedState = { _: never };

type Name<TState, TKey> = TState extends UntypedState ? string : TKey;
type Value<TState extends TypedState, TKey extends keyof TState, TValue> = TState extends UntypedState
  ? TValue
  : TState[TKey];

export interface StateReader<TState extends TypedState> {
  /** The value, null when there is none. */
  get<TValue, TKey extends keyof TState = string>(
    name: Name<TState, TKey>,
    serde?: Serde<Value<TState, TKey, TValue>>,
  ): RestatePromise<Value<TState, TKey, TValue> | null>;
  stateKeys(): RestatePromise<string[]>;
}

export interface KeyValueStore<TState extends TypedState> extends StateReader<TState> {
  /** Takes effect at once, whatever becomes of the invocation. */
  set<TValue, TKey extends keyof TState = string>(
    name: Name<TState, TKey>,
    value: Value<TState, TKey, TValue>,
    serde?: Serde<Value<TState, TKey, TValue>>,
  ): void;
  clear<TKey extends keyof TState>(name: Name<TState, TKey>): void;
  clearAll(): void;
}

/** Of an exclusive handler: the only one that runs for its key. */
export interface ObjectContext<TState extends TypedState = UntypedState>
  extends Context,
    KeyValueStore<TState> {
  key: string;
}

/** Of a shared handler: runs beside others and reads. */
export interface ObjectSharedContext<TState extends TypedState = UntypedState>
  extends Context,
    StateReader<TState> {
  key: string;
}

/** A promise that belongs to a workflow: settled once, by any of its handlers, and kept as long as the workflow. */
export interface DurablePromise<T> extends Promise<T> {
  /** The value, or undefined when it is not settled yet. */
  peek(): RestatePromise<T | undefined>;
  /** Fails with code 409 when it is settled already; so does `reject`. */
  resolve(value?: T): RestatePromise<void>;
  reject(reason: string | TerminalError): RestatePromise<void>;
  /** For combinators. */
  get(): RestatePromise<T>;
}

export interface WorkflowSharedContext<TState extends TypedState = UntypedState>
  extends ObjectSharedContext<TState> {
  promise<T>(name: string, serde?: Serde<T>): DurablePromise<T>;
}

/** Of the handler `run`. */
export interface WorkflowContext<TState extends TypedState = UntypedState>
  extends WorkflowSharedContext<TState>,
    ObjectContext<TState> {}
