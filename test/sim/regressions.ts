/**
 * Bugs that the simulator found in production code. A seed names the same run only as long as nothing changes what
 * is drawn, so each one is kept as a planted bug as well, which has to be found again.
 */

export interface Regression {
  readonly name: string;
  /** Broke when it was found. */
  readonly seed: number;
  /** In mutants.ts. */
  readonly mutant: string;
}

export const REGRESSIONS: readonly Regression[] = [
  {
    name: 'after the wall clock was set back, a record bore the highest time so far: shorter sleeps ended at once',
    seed: 1,
    mutant: 'time is held at its highest',
  },
  {
    name: 'a suspension on nothing but a completion that the attempt was started with was never resumed',
    seed: 154,
    mutant: 'a handler may wait for what it was given',
  },
  {
    name: 'of an answer that broke off between two frames, the part that came was applied',
    seed: 115,
    mutant: 'a part of a cut answer is applied',
  },
  {
    name: 'paused after it was cancelled, it went on when its retries were used up in the attempt between',
    seed: 50835,
    mutant: 'who gives up looks at the cancellation and not at the pause',
  },
];
