/**
 * What an attempt knows of its object's state: what the Start message brought, under what the handler has changed
 * since. Pure.
 *
 * Invariant: an answer given here is the one the server would give after the commands issued so far. That the
 * recorded changes, which the Start message contains already, are applied to it again does no harm: only the holder
 * of the key writes, so the last of them is what it contains.
 */
import type { Message } from '@holdfast/protocol';

const decoder = new TextDecoder();

export class StateView {
  /** `undefined` is a key that is known to be absent. */
  readonly #known = new Map<string, Uint8Array | undefined>();
  /** A key that is not among the known ones is absent. */
  #isComplete: boolean;

  constructor({ stateMap, partialState }: Pick<Message<'Start'>, 'stateMap' | 'partialState'>) {
    for (const { key, value } of stateMap) this.#known.set(decoder.decode(key), value);
    this.#isComplete = !partialState;
  }

  knows(key: string): boolean {
    return this.#isComplete || this.#known.has(key);
  }

  get(key: string): Uint8Array | undefined {
    return this.#known.get(key);
  }

  /** Sorted; undefined when there may be others. */
  keys(): string[] | undefined {
    if (!this.#isComplete) return undefined;
    return [...this.#known].flatMap(([key, value]) => (value === undefined ? [] : [key])).sort();
  }

  set(key: string, value: Uint8Array): void {
    this.#known.set(key, value);
  }

  clear(key: string): void {
    this.#known.set(key, undefined);
  }

  clearAll(): void {
    this.#known.clear();
    this.#isComplete = true;
  }
}
