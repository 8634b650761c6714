/**
 * The appends that are not durable yet, in order, each with the callback that waits for it.
 *
 * Invariants: positions are handed out densely; callbacks run in append order, once; a callback may append.
 */

import type { Position } from './log.ts';

interface Waiting {
  readonly first: Position;
  readonly last: Position;
  readonly onDurable: (first: Position) => void;
}

export class Acknowledgements {
  #appended: Position;
  #waiting: (Waiting | undefined)[] = [];
  /** Everything before this index has been called. */
  #head = 0;

  constructor(durable: Position) {
    this.#appended = durable;
  }

  get isEmpty(): boolean {
    return this.#head === this.#waiting.length;
  }

  add(count: number, onDurable: (first: Position) => void): void {
    const first = this.#appended + 1;
    this.#appended += count;
    this.#waiting.push({ first, last: this.#appended, onDurable });
  }

  /** Calls back every append whose records are all at or below `durable`. */
  release(durable: Position): void {
    for (;;) {
      const next = this.#waiting[this.#head];
      if (next === undefined || next.last > durable) break;
      this.#waiting[this.#head] = undefined;
      this.#head += 1;
      // Before the callback, which may append to the list.
      if (this.#head === this.#waiting.length) {
        this.#waiting = [];
        this.#head = 0;
      }
      next.onDurable(next.first);
    }
  }

  /** Nobody will be called any more. */
  drop(): void {
    this.#waiting = [];
    this.#head = 0;
  }
}
