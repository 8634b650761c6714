/** The contexts that have a key. Apart from `create.ts`, so that a function of plain services does not carry them. */
import {
  ClearAllStateCommand,
  ClearStateCommand,
  CompletePromiseCommand,
  GetEagerStateCommand,
  GetEagerStateKeysCommand,
  GetLazyStateCommand,
  GetLazyStateKeysCommand,
  GetPromiseCommand,
  PeekPromiseCommand,
  SetStateCommand,
} from '@holdfast/protocol';
import { SdkUsageError } from '../coded-error.ts';
import { COMMANDS, type Commands } from '../machine/commands.ts';
import type { RestatePromise } from '../promise.ts';
import type { Serde } from '../serde.ts';
import { AttemptContext, type ContextParts } from './create.ts';
import { WorkflowPromise } from './durable-promise.ts';
import type { DurablePromise } from './keyed.ts';
import { clearAllState, clearState, getState, setState, stateKeys } from './state.ts';
import { StateView } from './state-view.ts';

export const KEYED_COMMANDS: Commands = [
  ...COMMANDS,
  ['get state', GetLazyStateCommand],
  ['get state', GetEagerStateCommand],
  ['get state keys', GetLazyStateKeysCommand],
  ['get state keys', GetEagerStateKeysCommand],
  ['set state', SetStateCommand],
  ['clear state', ClearStateCommand],
  ['clear all state', ClearAllStateCommand],
];
export const WORKFLOW_COMMANDS: Commands = [
  ...KEYED_COMMANDS,
  ['get promise', GetPromiseCommand],
  ['peek promise', PeekPromiseCommand],
  ['complete promise', CompletePromiseCommand],
];

/** Exclusive and shared: a shared one refuses to write. */
export class KeyedContext extends AttemptContext {
  readonly key: string;
  readonly #shared: boolean;
  #view: StateView | undefined;

  constructor(parts: ContextParts, shared: boolean) {
    super(parts);
    this.key = parts.attempt.machine.start.key;
    this.#shared = shared;
  }

  get<T>(name: string, serde?: Serde<T>): RestatePromise<T | null> {
    return getState(this.attempt, this.#state, name, this.ofKey('state', name, serde));
  }
  stateKeys(): RestatePromise<string[]> {
    return stateKeys(this.attempt, this.#state);
  }
  set<T>(name: string, value: T, serde?: Serde<T>): void {
    this.#assertWritable('set');
    setState(this.attempt, this.#state, name, this.ofKey('state', name, serde).serialize(value));
  }
  clear(name: string): void {
    this.#assertWritable('clear');
    clearState(this.attempt, this.#state, name);
  }
  clearAll(): void {
    this.#assertWritable('clearAll');
    clearAllState(this.attempt, this.#state);
  }

  /** For values that belong to the key. */
  protected ofKey<T>(kind: 'state' | 'promise', name: string, serde?: Serde<T>): Serde<T> {
    return this.coded(serde, () => [kind, this.given.request.target.service, this.key, name]);
  }

  /** Made when it is first used: many handlers of an object look at none of its state. */
  get #state(): StateView {
    this.#view ??= new StateView(this.attempt.machine.start);
    return this.#view;
  }

  #assertWritable(verb: string): void {
    if (!this.#shared) return;
    // The server would refuse it too, after a round trip.
    throw new SdkUsageError(
      'HF_SDK_SHARED_STATE',
      `ctx.${verb} in a shared handler: only exclusive handlers of objects and the run handler of workflows change state.`,
    );
  }
}

export class WorkflowKeyedContext extends KeyedContext {
  promise<T>(name: string, serde?: Serde<T>): DurablePromise<T> {
    return new WorkflowPromise(this.attempt, name, this.ofKey('promise', name, serde));
  }
}
