/**
 * The environments of one revision of a function, and the requests that wait for one.
 *
 * Invariants:
 * - Requests start in the order they came (FIFO), each in an environment of its own.
 * - At most `limit` environments live; no more are started than there are requests without one.
 * - A retired pool starts no request: what waits moves to its successor, what runs finishes, idle environments
 *   end at once.
 */

import { Environment, type EnvironmentOwner, type EnvironmentPlan, type Invocation } from './environment.ts';
import type { Fault } from './frames.ts';

interface Waiting {
  invocation: Invocation | undefined;
}

/**
 * Starting a process blocks the event loop for milliseconds, and Node accepts about one connection per turn of
 * it: a burst of cold starts in one turn would lock new callers out. So one start per turn, in the order asked.
 */
export class StartGate {
  #queue: (() => void)[] = [];

  enter(start: () => void): void {
    this.#queue.push(start);
    if (this.#queue.length === 1) setImmediate(() => this.#step());
  }

  #step(): void {
    this.#queue[0]?.();
    this.#queue.shift();
    if (this.#queue.length > 0) setImmediate(() => this.#step());
  }
}

export class Pool implements EnvironmentOwner {
  readonly #plan: () => EnvironmentPlan;
  readonly #limit: () => number;
  readonly #gate: StartGate;
  readonly #live = new Set<Environment>();
  /** Most recently used last, and taken first: the others grow old and are reaped. */
  readonly #idle: Environment[] = [];
  #waiting: Waiting[] = [];
  #waitingHead = 0;
  #waitingCount = 0;
  /** Started, and never free yet. */
  readonly #loading = new Set<Environment>();
  /** Asked for, and still at the gate. */
  #gated = 0;
  #retired = false;
  #successor: Pool | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(plan: () => EnvironmentPlan, limit: () => number, gate: StartGate) {
    this.#plan = plan;
    this.#limit = limit;
    this.#gate = gate;
  }

  get environments(): ReadonlySet<Environment> {
    return this.#live;
  }

  /** Returns a function that withdraws the request if it has not started yet, and says whether it did. */
  submit(invocation: Invocation): () => boolean {
    if (this.#retired) {
      if (this.#successor !== undefined) return this.#successor.submit(invocation);
      invocation.done({ kind: 'unavailable', message: 'the function was deleted while the request waited' });
      return () => false;
    }
    const idle = this.#waitingCount === 0 ? this.#takeIdle() : undefined;
    if (idle !== undefined) {
      idle.start(invocation);
      return () => false;
    }
    const waiting: Waiting = { invocation };
    this.#waiting.push(waiting);
    this.#waitingCount++;
    this.#grow();
    return () => {
      if (waiting.invocation === undefined) return false;
      waiting.invocation = undefined;
      this.#waitingCount--;
      return true;
    };
  }

  freed(environment: Environment): void {
    this.#loading.delete(environment);
    if (this.#retired) {
      environment.kill();
      return;
    }
    const next = this.#takeWaiting();
    if (next === undefined) this.#idle.push(environment);
    else environment.start(next);
  }

  initFailed(environment: Environment, fault: (requestId: string) => Fault): void {
    this.#loading.delete(environment);
    const blamed = this.#takeWaiting();
    if (blamed === undefined) return;
    const body = Buffer.from(JSON.stringify(fault(blamed.requestId)));
    blamed.done({ kind: 'functionError', body });
  }

  gone(environment: Environment): void {
    this.#live.delete(environment);
    const at = this.#idle.indexOf(environment);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#grow();
    this.#maybeEmpty();
  }

  reap(idleBeforeMs: number): void {
    for (const environment of this.#idle) if (environment.idleSinceMs < idleBeforeMs) environment.kill();
  }

  /** Resolves when its last environment has ended. */
  retire(successor: Pool | undefined, killRunning: boolean): Promise<void> {
    this.#retired = true;
    this.#successor = successor;
    for (let next = this.#takeWaiting(); next !== undefined; next = this.#takeWaiting()) this.submit(next);
    for (const environment of this.#live) {
      if (killRunning || environment.state === 'idle') environment.kill();
    }
    return new Promise(resolve => {
      this.#onEmpty = resolve;
      this.#maybeEmpty();
    });
  }

  #grow(): void {
    const room = this.#limit() - this.#live.size - this.#gated;
    const missing = Math.min(room, this.#waitingCount - this.#loading.size - this.#gated);
    for (let i = 0; i < missing; i++) {
      this.#gated++;
      this.#gate.enter(() => this.#startOne());
    }
  }

  #startOne(): void {
    this.#gated--;
    if (this.#retired || this.#waitingCount === 0) return;
    const environment = new Environment(this.#plan(), this);
    this.#live.add(environment);
    this.#loading.add(environment);
  }

  #takeIdle(): Environment | undefined {
    for (let last = this.#idle.pop(); last !== undefined; last = this.#idle.pop()) {
      if (last.state === 'idle') return last;
    }
    return undefined;
  }

  #takeWaiting(): Invocation | undefined {
    while (this.#waitingHead < this.#waiting.length) {
      const entry = this.#waiting[this.#waitingHead++] as Waiting;
      if (this.#waitingHead === this.#waiting.length) {
        this.#waiting = [];
        this.#waitingHead = 0;
      } else if (this.#waitingHead > 1024) {
        this.#waiting = this.#waiting.slice(this.#waitingHead);
        this.#waitingHead = 0;
      }
      const { invocation } = entry;
      if (invocation === undefined) continue;
      entry.invocation = undefined;
      this.#waitingCount--;
      return invocation;
    }
    return undefined;
  }

  #maybeEmpty(): void {
    if (this.#retired && this.#live.size === 0) this.#onEmpty?.();
  }
}
