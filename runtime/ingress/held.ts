/**
 * Bounds the requests that are held: accepted and not answered yet. Past the bound a request is refused before
 * anything of it is accepted, so that a caller may safely repeat it.
 */
import type { Clock, Logger } from '../platform/ports.ts';
import { Refusal } from './answers.ts';

const LOG_INTERVAL_MS = 10_000;

export class Held {
  readonly #max: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #count = 0;
  #refused = 0;
  #lastLogMs = Number.NEGATIVE_INFINITY;

  constructor(max: number, clock: Clock, logger: Logger) {
    this.#max = max;
    this.#clock = clock;
    this.#logger = logger;
  }

  get count(): number {
    return this.#count;
  }

  take(): void {
    if (this.#count >= this.#max) {
      this.#refused += 1;
      this.#log();
      throw new Refusal(429, `${this.#max} requests are waiting for a result; try again later`);
    }
    this.#count += 1;
  }

  release(): void {
    this.#count -= 1;
  }

  #log(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lastLogMs < LOG_INTERVAL_MS) return;
    this.#lastLogMs = nowMs;
    this.#logger.warn('ingress overloaded', { held: this.#count, refused: this.#refused });
  }
}
