/**
 * Bounds what is held for requests: their number, from the moment the engine gets one until it is answered, and the
 * bytes of their bodies, until the engine has made them durable. Past either bound a request is refused before
 * anything of it is accepted, so that a caller may safely repeat it.
 *
 * Invariant: a place is given back once, and its bytes are given back once, when the engine has called back; a
 * client that leaves earlier frees neither.
 */
import type { Clock, Logger } from '../platform/ports.ts';
import { Refusal } from './answers.ts';

const LOG_INTERVAL_MS = 10_000;

export interface HeldLimits {
  readonly max: number;
  readonly bytesMax: number;
}

export class Held {
  readonly #limits: HeldLimits;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #count = 0;
  #bytes = 0;
  #refused = 0;
  #lastLogMs = Number.NEGATIVE_INFINITY;

  constructor(limits: HeldLimits, clock: Clock, logger: Logger) {
    this.#limits = limits;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** A place for a request whose body has so many bytes; give them back with `stored`, the place with `release`. */
  take(bytes = 0): void {
    const { max, bytesMax } = this.#limits;
    if (this.#count >= max) {
      throw this.#overloaded(`${max} requests are waiting for a result; try again later`);
    }
    // The first one always fits: a body that is within its own limit must not be refused for ever.
    if (bytes > 0 && this.#bytes > 0 && this.#bytes + bytes > bytesMax) {
      throw this.#overloaded('the bodies of other requests are being stored; try again later');
    }
    this.#count += 1;
    this.#bytes += bytes;
  }

  /** The engine does not need the body any more. */
  stored(bytes: number): void {
    this.#bytes -= bytes;
  }

  release(): void {
    this.#count -= 1;
  }

  #overloaded(message: string): Refusal {
    this.#refused += 1;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lastLogMs >= LOG_INTERVAL_MS) {
      this.#lastLogMs = nowMs;
      const { max, bytesMax } = this.#limits;
      this.#logger.warn('ingress overloaded', {
        held: this.#count,
        heldMax: max,
        bodyBytes: this.#bytes,
        bodyBytesMax: bytesMax,
        refused: this.#refused,
      });
    }
    return new Refusal(429, message);
  }
}
