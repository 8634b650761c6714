/**
 * Bounds the work of one event-loop turn. Node accepts about one new connection per turn, so when 200 busy
 * connections have all their work done in one turn, new ones wait for seconds. Jobs run in the order they came
 * in: at once while the turn has budget left, else in a later turn.
 *
 * Invariant: FIFO. A job never overtakes one that waits.
 */
export interface Job {
  run(): void;
}

export class TurnBudget {
  readonly #budgetMs: number;
  #queue: Job[] = [];
  #head = 0;
  /** Monotonic time at which this turn's first job began; negative between turns. */
  #turnStart = -1;
  readonly #nextTurn = (): void => this.#drain();

  constructor(budgetMs: number) {
    this.#budgetMs = budgetMs;
  }

  /** Jobs that wait for a later turn. */
  get waiting(): number {
    return this.#queue.length - this.#head;
  }

  run(job: Job): void {
    if (this.#turnStart < 0) {
      this.#turnStart = performance.now();
      setImmediate(this.#nextTurn);
      job.run();
    } else if (this.waiting === 0 && performance.now() - this.#turnStart < this.#budgetMs) {
      job.run();
    } else {
      this.#queue.push(job);
    }
  }

  #drain(): void {
    if (this.waiting === 0) {
      this.#turnStart = -1;
      return;
    }
    this.#turnStart = performance.now();
    setImmediate(this.#nextTurn);
    do {
      this.#take().run();
    } while (this.waiting > 0 && performance.now() - this.#turnStart < this.#budgetMs);
  }

  #take(): Job {
    const job = this.#queue[this.#head++] as Job;
    // A queue under constant load is never empty, so the served part is cut off as it comes to dominate.
    if (this.#head === this.#queue.length || this.#head > 1024) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return job;
  }
}
