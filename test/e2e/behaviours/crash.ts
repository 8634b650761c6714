/**
 * One crash that many rows share: it happens when all of them have come to the point where they want it.
 *
 * Invariant: a row that ends without coming to that point counts as having come, so that its failure is reported
 * and the others go on.
 */
export class SharedCrash {
  readonly #crash: () => Promise<void>;
  #missing: number;
  #done: (crashed: Promise<void>) => void = () => undefined;
  readonly #over: Promise<void>;

  constructor(rows: number, crash: () => Promise<void>) {
    this.#missing = rows;
    this.#crash = crash;
    this.#over = new Promise(resolve => {
      this.#done = resolve;
    });
  }

  /** Plays a row; its argument is what the row calls, once, where it wants to be interrupted. */
  async share(play: (crash: () => Promise<void>) => Promise<void>): Promise<void> {
    let came = false;
    const come = (): Promise<void> => {
      if (!came && --this.#missing === 0) this.#done(this.#crash());
      came = true;
      return this.#over;
    };
    try {
      await play(come);
    } finally {
      void come();
    }
  }
}
