/** Runs seeds until one breaks an invariant. */

import type { Counts } from './faults.ts';
import { type Outcome, runSeed } from './run.ts';

export interface ManyOptions {
  readonly first: number;
  /** From seed to seed; several processes share the seeds that way. */
  readonly step: number;
  readonly count: number;
  /** Every seed twice; different traces are a violation. */
  readonly twice: boolean;
  /** Programs over shared counters in each run; 0: the mixed workload. */
  readonly programs: number;
  readonly print?: (line: string) => void;
}

export interface Many {
  /** In each run; 0: the mixed workload. */
  readonly programs: number;
  readonly seeds: number;
  readonly events: number;
  readonly virtualMs: number;
  readonly elapsedMs: number;
  readonly counts: Counts;
  readonly broken?: Outcome;
}

export async function runMany({ first, step, count, twice, programs, print }: ManyOptions): Promise<Many> {
  const startedMs = performance.now();
  const counts: Record<string, number> = {};
  let events = 0;
  let virtualMs = 0;
  let seeds = 0;
  let broken: Outcome | undefined;
  for (; seeds < count && broken === undefined; seeds++) {
    const seed = first + seeds * step;
    const outcome = await runSeed(seed, programs, print);
    events += outcome.events;
    virtualMs += outcome.virtualMs;
    for (const [kind, times] of Object.entries(outcome.counts))
      counts[kind] = (counts[kind] ?? 0) + (times ?? 0);
    if (outcome.violation !== undefined) broken = outcome;
    else if (twice) {
      const again = await runSeed(seed, programs);
      if (again.hash !== outcome.hash) {
        const message = `seed ${seed} gives trace ${outcome.hash}, then ${again.hash}`;
        broken = { ...again, violation: { invariant: 'determinism', message } };
      }
    }
  }
  const elapsedMs = performance.now() - startedMs;
  return {
    programs,
    seeds,
    events,
    virtualMs,
    elapsedMs,
    counts,
    ...(broken === undefined ? {} : { broken }),
  };
}
