/**
 * Who runs next on a deployment, and how many run at once. Pure: no timers, no clock, no randomness.
 *
 * Invariants: `running` never exceeds the current limit at the time something is taken, and the current limit
 * lies between 1 and `limitMax`; within a flow items leave in the order they came; between flows turns go round,
 * so that a flow with a waiting item is served after at most one item of every other flow; after a throttle
 * an item is taken only in the place of one that has succeeded since, until the backoff has passed. Every
 * operation is O(1).
 *
 * The limit follows additive increase and multiplicative decrease: a throttle multiplies what ran by `DECREASE`,
 * and each `limit` successes raise it by one. Throttles that arrive during the backoff belong to the same event
 * (all of them were sent before it was known) and multiply once; but what still runs after them is what Lambda
 * had room for, so the limit comes down to that at once instead of by one event after another. Bursts past
 * Lambda's rate therefore thin out instead of turning into a storm of retries, and the room there is stays in use.
 */

export interface FairQueueOptions {
  /** The most that ever run at once. @default 1000 */
  readonly limitMax?: number;
  /** The first wait after a throttle; doubles with each that follows without a success in between. @default 100 */
  readonly backoffInitialMs?: number;
  /** @default 5000 */
  readonly backoffMaxMs?: number;
}

export interface FairQueueStats {
  readonly queued: number;
  readonly flows: number;
  readonly running: number;
  readonly limit: number;
  readonly taken: number;
  readonly removed: number;
  readonly throttles: number;
  /** Nothing but what replaces a success is taken before this time, Unix or monotonic as the caller's `nowMs`; 0 if there was no throttle. */
  readonly notBeforeMs: number;
}

const DECREASE = 0.7;

interface Node<T> {
  readonly item: T;
  readonly flow: Flow<T>;
  previous: Node<T> | null;
  next: Node<T> | null;
}

/** The waiting items of one flow, and its place in the ring of flows that have some. */
interface Flow<T> {
  readonly name: string;
  head: Node<T> | null;
  tail: Node<T> | null;
  left: Flow<T>;
  right: Flow<T>;
}

export class FairQueue<T> {
  readonly #limitMax: number;
  readonly #backoffInitialMs: number;
  readonly #backoffMaxMs: number;
  readonly #nodes = new Map<T, Node<T>>();
  readonly #flows = new Map<string, Flow<T>>();
  /** The flow whose turn is next; null if nothing waits. */
  #turn: Flow<T> | null = null;
  #running = 0;
  /** Fractional: successes add a part of one. */
  #limit: number;
  #streak = 0;
  #notBeforeMs = 0;
  /** Successes since the last throttle that nothing has replaced during the backoff: places Lambda surely has. */
  #proven = 0;
  #taken = 0;
  #removed = 0;
  #throttles = 0;

  constructor(options: FairQueueOptions = {}) {
    this.#limitMax = options.limitMax ?? 1000;
    if (!Number.isInteger(this.#limitMax) || this.#limitMax < 1)
      throw new Error('limitMax must be at least 1');
    this.#backoffInitialMs = options.backoffInitialMs ?? 100;
    this.#backoffMaxMs = options.backoffMaxMs ?? 5000;
    this.#limit = this.#limitMax;
  }

  get stats(): FairQueueStats {
    return {
      queued: this.#nodes.size,
      flows: this.#flows.size,
      running: this.#running,
      limit: Math.floor(this.#limit),
      taken: this.#taken,
      removed: this.#removed,
      throttles: this.#throttles,
      notBeforeMs: this.#notBeforeMs,
    };
  }

  /** Puts an item at the end of its flow. An item may wait in one place only. */
  push(item: T, flowName: string): void {
    if (this.#nodes.has(item)) throw new Error('the item is already in the queue');
    let flow = this.#flows.get(flowName);
    if (flow === undefined) flow = this.#addFlow(flowName);
    const node: Node<T> = { item, flow, previous: flow.tail, next: null };
    if (flow.tail === null) flow.head = node;
    else flow.tail.next = node;
    flow.tail = node;
    this.#nodes.set(item, node);
  }

  /**
   * The next item, which then counts as running until `done` or `throttled`; undefined if nothing waits, the
   * limit is reached, or a backoff is on and no success has left its place (`stats.notBeforeMs` says until when).
   */
  take(nowMs: number): T | undefined {
    const flow = this.#turn;
    const node = flow?.head;
    if (flow === null || node === null || node === undefined) return undefined;
    if (this.#running >= Math.floor(this.#limit)) return undefined;
    if (nowMs < this.#notBeforeMs) {
      if (this.#proven === 0) return undefined;
      this.#proven--;
    }
    this.#turn = flow.right;
    this.#unlink(node);
    this.#running++;
    this.#taken++;
    return node.item;
  }

  /**
   * A taken item has ended. `success` is false for every end that says nothing about capacity, such as a
   * connection error: it frees the place and leaves the limit as it is.
   */
  done(success = true): void {
    this.#free();
    if (!success) return;
    this.#streak = 0;
    this.#proven++;
    this.#limit = Math.min(this.#limitMax, this.#limit + 1 / this.#limit);
  }

  /** A taken item was refused for want of capacity. The caller pushes it again. `jitter` is uniform in [0, 1). */
  throttled(nowMs: number, jitter: number, retryAfterMs = 0): void {
    const ran = this.#running;
    this.#free();
    this.#throttles++;
    this.#proven = 0;
    if (nowMs >= this.#notBeforeMs) {
      this.#limit = Math.max(1, Math.min(this.#limit, ran) * DECREASE);
      const backoffMs = Math.min(this.#backoffInitialMs * 2 ** this.#streak, this.#backoffMaxMs);
      // Half fixed, half random: deployments that share an account's limit do not come back together.
      this.#notBeforeMs = nowMs + backoffMs / 2 + (backoffMs / 2) * jitter;
      this.#streak++;
    } else {
      this.#limit = Math.max(1, Math.min(this.#limit, this.#running));
    }
    const askedMs = Math.min(Math.max(retryAfterMs, 0), this.#backoffMaxMs);
    this.#notBeforeMs = Math.max(this.#notBeforeMs, nowMs + askedMs);
  }

  /** Takes an item out that has not been taken, as when its invocation is killed. False if it does not wait. */
  remove(item: T): boolean {
    const node = this.#nodes.get(item);
    if (node === undefined) return false;
    this.#unlink(node);
    this.#removed++;
    return true;
  }

  #free(): void {
    if (this.#running === 0) throw new Error('an item ended that was not taken');
    this.#running--;
  }

  #addFlow(name: string): Flow<T> {
    const flow = { name, head: null, tail: null } as Flow<T>;
    const turn = this.#turn;
    // A new flow is last in the round: just before the one whose turn is next.
    if (turn === null) {
      flow.left = flow;
      flow.right = flow;
      this.#turn = flow;
    } else {
      flow.left = turn.left;
      flow.right = turn;
      turn.left.right = flow;
      turn.left = flow;
    }
    this.#flows.set(name, flow);
    return flow;
  }

  #unlink(node: Node<T>): void {
    const { flow, previous, next } = node;
    if (previous === null) flow.head = next;
    else previous.next = next;
    if (next === null) flow.tail = previous;
    else next.previous = previous;
    this.#nodes.delete(node.item);
    if (flow.head === null) this.#removeFlow(flow);
  }

  #removeFlow(flow: Flow<T>): void {
    this.#flows.delete(flow.name);
    flow.left.right = flow.right;
    flow.right.left = flow.left;
    if (this.#turn === flow) this.#turn = flow.right === flow ? null : flow.right;
  }
}
