/** Test support: a clock and timers that a test moves. */
import type { Clock, TimerHandle, Timers } from '../../platform/ports.ts';

export class ManualTime implements Clock, Timers {
  nowMs = 0;
  #timers: { readonly at: number; readonly callback: () => void }[] = [];

  now(): number {
    return this.nowMs;
  }
  monotonicMs(): number {
    return this.nowMs;
  }
  set(delayMs: number, callback: () => void): TimerHandle {
    const timer = { at: this.nowMs + delayMs, callback };
    this.#timers.push(timer);
    return timer as object;
  }
  clear(handle: TimerHandle): void {
    this.#timers = this.#timers.filter(timer => timer !== handle);
  }
  soon(callback: () => void): void {
    queueMicrotask(callback);
  }

  /** Timers that are set. */
  get waiting(): number {
    return this.#timers.length;
  }

  /** Time passes from timer to timer, each at its time. */
  pass(ms: number): void {
    const until = this.nowMs + ms;
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.clear(next as object);
      this.nowMs = Math.max(this.nowMs, next.at);
      next.callback();
    }
    this.nowMs = until;
  }
}
