/**
 * Tells when timers are due. The timer table is the truth; this is a window onto its earliest rows, in memory, with
 * one physical timer for the first of them. W1: a timer is never proposed before the wall clock has reached it,
 * and one that falls outside the window is found again when the window has drained.
 */
import type { Clock, TimerHandle, Timers } from '../platform/ports.ts';

export interface DueTimer {
  readonly key: string;
  /** Unix ms. */
  readonly at: number;
}

export interface TimerQueueOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** The first `limit` rows of the timer table with a key greater than `after`. */
  readonly load: (after: string, limit: number) => readonly DueTimer[];
  /** Called once per due timer. */
  readonly fire: (key: string) => void;
  /** Timers held in memory. */
  readonly window?: number;
}

/** Loaded in one turn of the event loop: about 20 ms from SQLite. */
const DEFAULT_WINDOW = 5_000;
/** Timers proposed per turn of the event loop. */
const FIRE_SLICE = 128;
/** Longest uninterrupted wait, so that a wall clock that is set forward is noticed. */
const MAX_WAIT_MS = 60_000;
/** Greater than every key. */
const NO_HORIZON = '\uffff';

export class TimerQueue {
  private readonly options: TimerQueueOptions;
  private readonly window: number;
  /** Binary heap, ordered by key: keys begin with the due time. */
  private heap: DueTimer[] = [];
  /** Keys above it are only in the table. */
  private horizon = '';
  private handle: TimerHandle | undefined;
  private wakesAt = Number.POSITIVE_INFINITY;
  private stopped = false;

  constructor(options: TimerQueueOptions) {
    this.options = options;
    this.window = options.window ?? DEFAULT_WINDOW;
  }

  /** Loads the window; before it, nothing is armed. */
  start(): void {
    this.reload();
    this.schedule();
  }

  stop(): void {
    this.stopped = true;
    this.disarm();
  }

  arm(key: string, at: number): void {
    if (this.stopped || key > this.horizon) return;
    this.push({ key, at });
    if (this.heap.length >= 2 * this.window) this.shrink();
    if (at < this.wakesAt) this.schedule();
  }

  private schedule(): void {
    this.disarm();
    const first = this.heap[0];
    if (this.stopped || first === undefined) return;
    const now = this.options.clock.now();
    this.wakesAt = first.at;
    this.handle = this.options.timers.set(Math.max(0, Math.min(first.at - now, MAX_WAIT_MS)), () =>
      this.wake(),
    );
  }

  private disarm(): void {
    if (this.handle !== undefined) this.options.timers.clear(this.handle);
    this.handle = undefined;
    this.wakesAt = Number.POSITIVE_INFINITY;
  }

  private wake(): void {
    this.handle = undefined;
    const now = this.options.clock.now();
    for (let fired = 0; fired < FIRE_SLICE; fired++) {
      const first = this.heap[0];
      if (first === undefined || first.at > now) break;
      this.pop();
      this.options.fire(first.key);
      if (this.heap.length === 0) this.reload();
    }
    this.schedule();
  }

  /** Only called when the heap is empty. */
  private reload(): void {
    if (this.horizon === NO_HORIZON) return;
    const loaded = this.options.load(this.horizon, this.window);
    // Ascending order is a heap already.
    this.heap = [...loaded];
    this.horizon = loaded.length < this.window ? NO_HORIZON : (loaded[loaded.length - 1] as DueTimer).key;
  }

  private shrink(): void {
    this.heap.sort((a, b) => (a.key < b.key ? -1 : 1));
    this.heap.length = this.window;
    this.horizon = (this.heap[this.window - 1] as DueTimer).key;
  }

  private push(timer: DueTimer): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((heap[parent] as DueTimer).key <= timer.key) break;
      heap[at] = heap[parent] as DueTimer;
      at = parent;
    }
    heap[at] = timer;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as DueTimer).key < (heap[child] as DueTimer).key)
        child += 1;
      if ((heap[child] as DueTimer).key >= last.key) break;
      heap[at] = heap[child] as DueTimer;
      at = child;
    }
    heap[at] = last;
  }
}
