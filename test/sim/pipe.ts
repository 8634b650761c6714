/**
 * One direction of a stream: bytes arrive in order, late, and cut into other pieces than they were written in.
 *
 * Invariants: nothing arrives from within `write`; `onEnd` comes once, behind all data; nothing after `destroy`.
 */

import type { SimRandom } from './random.ts';
import type { Scheduler } from './scheduler.ts';

export interface PipeParts {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly random: SimRandom;
  readonly latencyMsMax: number;
  /** How often only a part of what is under way arrives. */
  readonly splits: number;
  /** Bytes under way beyond which `write` says that it is full. */
  readonly capacity: number;
  readonly onData: (chunk: Uint8Array) => void;
  readonly onEnd: () => void;
  /** There is room again, after a `write` said that there is none. */
  readonly onDrain: () => void;
}

export class Pipe {
  readonly #parts: PipeParts;
  #buffer: Uint8Array = new Uint8Array();
  #end: 'open' | 'ended' | 'told' = 'open';
  #isPaused = true;
  #isFull = false;
  #isDestroyed = false;
  #isScheduled = false;
  /** Bytes that still arrive before `then`. */
  #limit: { left: number; readonly then: () => void } | undefined;

  /** Begins paused. */
  constructor(parts: PipeParts) {
    this.#parts = parts;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isDestroyed || this.#end !== 'open') return true;
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    this.#isFull = this.#buffer.length > this.#parts.capacity;
    this.#schedule();
    return !this.#isFull;
  }

  end(): void {
    if (this.#end === 'open') this.#end = 'ended';
    this.#schedule();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#schedule();
  }

  /** What is under way is lost. */
  destroy(): void {
    this.#isDestroyed = true;
  }

  /** After so many more bytes nothing arrives, and `then` is called. */
  cutAfter(bytes: number, then: () => void): void {
    this.#limit = { left: bytes, then };
  }

  #schedule(): void {
    const hasNothing = this.#buffer.length === 0 && this.#end !== 'ended';
    if (this.#isScheduled || this.#isPaused || this.#isDestroyed || hasNothing) return;
    this.#isScheduled = true;
    const { scheduler, random, latencyMsMax, name } = this.#parts;
    scheduler.after(random.float() * latencyMsMax, name, () => {
      this.#isScheduled = false;
      if (this.#isDestroyed || this.#isPaused) return;
      this.#arrive();
      this.#schedule();
    });
  }

  #arrive(): void {
    const { random, splits, onData, onEnd, onDrain } = this.#parts;
    if (this.#buffer.length === 0) {
      this.#end = 'told';
      onEnd();
      return;
    }
    const all = this.#buffer.length;
    const wanted = random.chance(splits) ? random.int(1, all) : all;
    const taken = Math.min(wanted, this.#limit?.left ?? wanted);
    const chunk = this.#buffer.subarray(0, taken);
    this.#buffer = this.#buffer.subarray(taken);
    if (taken > 0) onData(Uint8Array.from(chunk));
    if (this.#limit !== undefined) {
      this.#limit.left -= taken;
      if (this.#limit.left === 0) {
        this.destroy();
        this.#limit.then();
        return;
      }
    }
    if (this.#isFull && this.#buffer.length <= this.#parts.capacity / 2) {
      this.#isFull = false;
      onDrain();
    }
  }
}
