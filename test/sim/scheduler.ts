/**
 * Virtual time and the order of events. One event is one callback; every microtask it causes has run before the
 * next event begins, so a run is a function of its seed.
 *
 * Invariants: true time never goes back; of events at one time the seed decides who is first, except within a
 * lane, which is a queue, as the event loop's phases and a worker's messages are.
 */

import type { SimRandom } from './random.ts';
import type { Trace } from './trace.ts';

export interface Lane {
  timeMs: number;
  tie: number;
}
export const newLane = (): Lane => ({ timeMs: 0, tie: 0 });

export interface Scheduled {
  readonly timeMs: number;
  readonly tie: number;
  readonly sequence: number;
  readonly name: string;
  run: (() => void) | undefined;
}

/** Turns of the real event loop that are queued at once: cheaper than one by one. */
const TURNS = 64;
/** More events than this without time passing are a hot loop. */
const EVENTS_PER_INSTANT_MAX = 20_000;

export class Scheduler {
  nowMs = 0;
  /** How far the wall clock is off, a fault. */
  skewMs = 0;
  executed = 0;
  readonly #random: SimRandom;
  readonly #trace: Trace;
  readonly #heap: Scheduled[] = [];
  #sequence = 0;
  #atThisInstant = 0;

  constructor(random: SimRandom, trace: Trace) {
    this.#random = random;
    this.#trace = trace;
  }

  static readonly EPOCH_MS = 1_900_000_000_000;

  wallMs(): number {
    return Math.floor(Scheduler.EPOCH_MS + this.nowMs + this.skewMs);
  }

  after(delayMs: number, name: string, run: () => void, lane?: Lane): Scheduled {
    let timeMs = this.nowMs + Math.max(0, delayMs);
    let tie = this.#random.uint32();
    if (lane !== undefined) {
      if (timeMs <= lane.timeMs) {
        tie = timeMs === lane.timeMs ? Math.max(tie, lane.tie) : lane.tie;
        timeMs = lane.timeMs;
      }
      lane.timeMs = timeMs;
      lane.tie = tie;
    }
    const event: Scheduled = { timeMs, tie, sequence: this.#sequence++, name, run };
    this.#push(event);
    return event;
  }

  /** Runs events until there are none or `isOver`; rejects with what an event throws. */
  run(isOver: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let ended = false;
      const turn = () => {
        if (ended) return;
        try {
          ended = isOver() || !this.#step();
          if (ended) resolve();
        } catch (error) {
          ended = true;
          reject(error);
        }
      };
      // An immediate's microtasks have run before the next immediate begins.
      const refill = () => {
        if (ended) return;
        for (let i = 0; i < TURNS; i++) setImmediate(turn);
        setImmediate(refill);
      };
      refill();
    });
  }

  #step(): boolean {
    let event = this.#pop();
    while (event !== undefined && event.run === undefined) event = this.#pop();
    if (event?.run === undefined) return false;
    if (event.timeMs > this.nowMs) this.#atThisInstant = 0;
    else if (++this.#atThisInstant > EVENTS_PER_INSTANT_MAX) {
      throw new Error(
        `hot loop: ${EVENTS_PER_INSTANT_MAX} events at one instant, the last one ${event.name}`,
      );
    }
    this.nowMs = event.timeMs;
    this.executed += 1;
    if (event.name !== '') this.#trace.add(this.nowMs, event.name);
    const { run } = event;
    event.run = undefined;
    run();
    return true;
  }

  #push(event: Scheduled): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (before(heap[parent] as Scheduled, event)) break;
      heap[at] = heap[parent] as Scheduled;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Scheduled | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Scheduled, heap[child] as Scheduled))
        child += 1;
      if (before(last, heap[child] as Scheduled)) break;
      heap[at] = heap[child] as Scheduled;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

const before = (a: Scheduled, b: Scheduled): boolean =>
  a.timeMs !== b.timeMs ? a.timeMs < b.timeMs : a.tie !== b.tie ? a.tie < b.tie : a.sequence < b.sequence;
