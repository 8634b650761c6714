/** Runs one seed to its end. */

import type { Counts } from './faults.ts';
import { Trace } from './trace.ts';
import type { Violation } from './violation.ts';
import { World } from './world.ts';

export interface Outcome {
  readonly seed: number;
  readonly hash: string;
  readonly events: number;
  readonly virtualMs: number;
  readonly counts: Counts;
  readonly violation?: Violation;
  /** The last lines of the trace; with a violation only. */
  readonly tail: readonly string[];
}

/** `programs`: so many over shared counters in place of the mixed workload. */
export async function runSeed(
  seed: number,
  programs: number,
  print?: (line: string) => void,
): Promise<Outcome> {
  const trace = new Trace(print);
  const world = new World(seed, trace, programs);
  const onRejection = (error: unknown) =>
    world.report('assertion', error instanceof Error ? (error.stack ?? error.message) : String(error));
  const onUncaught = (error: unknown) => world.uncaught(error);
  process.on('unhandledRejection', onRejection);
  process.on('uncaughtException', onUncaught);
  try {
    await world.run();
  } finally {
    process.off('unhandledRejection', onRejection);
    process.off('uncaughtException', onUncaught);
  }
  const { violation, faults, scheduler } = world;
  return {
    seed,
    hash: trace.hash,
    events: scheduler.executed,
    virtualMs: scheduler.nowMs,
    counts: faults.counts,
    ...(violation === undefined ? {} : { violation }),
    tail: violation === undefined ? [] : trace.tail(),
  };
}
