/** The verbs of state: reads, which are answered at once when the attempt knows the answer, and changes. */
import {
  ClearAllStateCommand,
  ClearStateCommand,
  type Fields,
  GetEagerStateCommand,
  GetEagerStateKeysCommand,
  GetLazyStateCommand,
  GetLazyStateKeysCommand,
  type MessageSpec,
  readMessage,
  SetStateCommand,
} from '@holdfast/protocol';
import type { Attempt } from '../attempt.ts';
import type { CommandInput } from '../machine/commands.ts';
import type { Decode, Durable, RestatePromise } from '../promise.ts';
import type { Serde } from '../serde.ts';
import type { StateView } from './state-view.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function getState<T>(
  attempt: Attempt,
  view: StateView,
  name: string,
  serde: Serde<T>,
): RestatePromise<T | null> {
  const value = view.get(name);
  const answer = view.knows(name) ? (value === undefined ? { void: true as const } : { value }) : undefined;
  const found = read(
    attempt,
    GetEagerStateCommand,
    GetLazyStateCommand,
    { key: encoder.encode(name) },
    answer,
  );
  const decode: Decode<T | null> = result =>
    result.value === undefined ? null : serde.deserialize(result.value);
  return promiseOf(
    typeof found === 'number'
      ? attempt.leaf(found, decode)
      : attempt.leaf(NO_COMPLETION, decode, found.value === undefined ? {} : { value: found.value }),
  );
}

export function stateKeys(attempt: Attempt, view: StateView): RestatePromise<string[]> {
  const keys = view.keys();
  const answer = keys === undefined ? undefined : { value: { keys: keys.map(key => encoder.encode(key)) } };
  const found = read(attempt, GetEagerStateKeysCommand, GetLazyStateKeysCommand, {}, answer);
  const decode: Decode<string[]> = result => (result.stateKeys?.keys ?? []).map(key => decoder.decode(key));
  return promiseOf(
    typeof found === 'number'
      ? attempt.leaf(found, decode)
      : attempt.leaf(NO_COMPLETION, decode, { stateKeys: found.value ?? { keys: [] } }),
  );
}

const NO_COMPLETION = 0;
const promiseOf = <T>(leaf: Durable<T>): RestatePromise<T> => leaf as unknown as RestatePromise<T>;

/**
 * The command that holds the answer, or the completion that will. Replay takes either form of a read: the record says
 * which of them it was. Beyond the journal it is whether there is an `answer`.
 */
function read<E extends Fields, L extends Fields>(
  attempt: Attempt,
  eager: MessageSpec<E>,
  lazy: MessageSpec<L>,
  fields: CommandInput<L>,
  answer: CommandInput<E> | undefined,
): CommandInput<E> | number {
  const { machine } = attempt;
  const recorded = machine.nextRecorded;
  const isEager = recorded === undefined ? answer !== undefined : recorded.type === eager.type;
  if (!isEager) return attempt.command(lazy, fields);
  const issued = { ...fields, ...answer } as unknown as CommandInput<E>;
  attempt.command(eager, issued, ANSWER);
  // So that later ids do not depend on what was known.
  machine.skipCompletion();
  // After a mismatch nothing is answered any more.
  if (machine.over) return NO_COMPLETION;
  return recorded === undefined ? issued : (readMessage(eager, recorded.payload) as CommandInput<E>);
}
const ANSWER = ['void', 'value'];

export function setState(attempt: Attempt, view: StateView, name: string, value: Uint8Array): void {
  attempt.command(SetStateCommand, { key: encoder.encode(name), value });
  view.set(name, value);
}

export function clearState(attempt: Attempt, view: StateView, name: string): void {
  attempt.command(ClearStateCommand, { key: encoder.encode(name) });
  view.clear(name);
}

export function clearAllState(attempt: Attempt, view: StateView): void {
  attempt.command(ClearAllStateCommand, {});
  view.clearAll();
}
