/**
 * The event loop's timers.
 *
 * Invariants: W1 no callback runs before its delay has passed on the monotonic clock. `setTimeout` alone breaks
 * that twice: it counts whole milliseconds and so fires up to one early, and it takes a delay above 2^31-1 ms,
 * 25 days, for 1 ms. So a timer that finds itself early arms again for what remains.
 *
 * Timers do not keep the process alive: sockets and worker threads do that, and a timer that is due in a week
 * must not hold up a process that has stopped. `soon` does.
 */

import type { Clock, TimerHandle, Timers } from './ports.ts';

const DELAY_MS_MAX = 2 ** 31 - 1;

export function systemTimers(clock: Pick<Clock, 'monotonicMs'>): Timers {
  return {
    set(delayMs, callback) {
      if (Number.isNaN(delayMs)) throw new Error('a timer needs a delay');
      const timer = new Timer(clock, clock.monotonicMs() + delayMs, callback);
      timer.arm();
      return timer;
    },
    clear(handle) {
      (handle as Timer).clear();
    },
    soon(callback) {
      setImmediate(callback);
    },
  };
}

class Timer implements TimerHandle {
  declare readonly __timer?: never;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #dueMs: number;
  readonly #callback: () => void;
  #timeout: NodeJS.Timeout | undefined;

  constructor(clock: Pick<Clock, 'monotonicMs'>, dueMs: number, callback: () => void) {
    this.#clock = clock;
    this.#dueMs = dueMs;
    this.#callback = callback;
  }

  arm(): void {
    const remainingMs = Math.ceil(this.#dueMs - this.#clock.monotonicMs());
    this.#timeout = setTimeout(fire, Math.min(Math.max(remainingMs, 0), DELAY_MS_MAX), this);
    this.#timeout.unref();
  }

  fire(): void {
    if (this.#clock.monotonicMs() < this.#dueMs) this.arm();
    else this.#callback();
  }

  clear(): void {
    clearTimeout(this.#timeout);
  }
}

/** One function for all timers, so that arming allocates no closure. */
function fire(timer: Timer): void {
  timer.fire();
}
