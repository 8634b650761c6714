/**
 * The simulation as a test: 300 seeds, each twice, on both cores; programs whose sums must be exact; and the planted
 * bugs, which show that the checkers see what they are there for. `node test/sim/main.ts --seed N --trace` shows a
 * run that failed here.
 */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { KINDS } from './faults.ts';
import type { Many } from './many.ts';
import { MUTANTS, misfits } from './mutants.ts';
import { REGRESSIONS } from './regressions.ts';
import { summary } from './summary.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const PROCESSES = 2;

/** A process of its own: a mutant is planted before anything is loaded. */
function simulate(...args: readonly string[]): Promise<Many> {
  return new Promise((resolve, reject) => {
    const options = { maxBuffer: 64 * 1024 * 1024 };
    execFile(process.execPath, [MAIN, '--json', ...args], options, (_error, stdout, stderr) => {
      try {
        resolve(JSON.parse(stdout) as Many);
      } catch {
        reject(new Error(`the simulator did not run: ${stderr}`));
      }
    });
  });
}

/** At most one task per core at a time, in the order given. */
async function onBothCores<T>(tasks: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const work = async () => {
    for (let index = next++; index < tasks.length; index = next++) {
      results[index] = await (tasks[index] as () => Promise<T>)();
    }
  };
  await Promise.all(Array.from({ length: PROCESSES }, work));
  return results;
}

test('300 seeds keep every invariant, and each gives the same trace twice', {
  timeout: 240_000,
}, async () => {
  const parts = await onBothCores(
    Array.from({ length: PROCESSES }, (_, part) => () => {
      return simulate('--twice', '--seeds', '150', '--from', `${1 + part}`, '--step', `${PROCESSES}`);
    }),
  );
  const counts: Record<string, number> = {};
  for (const part of parts) {
    if (part.broken !== undefined) throw new Error(summary(part));
    for (const [kind, times] of Object.entries(part.counts))
      counts[kind] = (counts[kind] ?? 0) + (times ?? 0);
  }
  // A fault that never struck is a fault that was not tested.
  expect(KINDS.filter(kind => !counts[kind])).toEqual([]);
});

test('2,000 programs over shared counters leave exact sums', { timeout: 240_000 }, async () => {
  const parts = await onBothCores(
    Array.from({ length: PROCESSES }, (_, part) => () => {
      const programs = `${2000 / PROCESSES}`;
      return simulate('--programs', programs, '--from', `${1 + part}`, '--step', `${PROCESSES}`);
    }),
  );
  for (const part of parts) if (part.broken !== undefined) throw new Error(summary(part));
});

test('seeds that broke once hold', { timeout: 60_000 }, async () => {
  const runs = await onBothCores(
    REGRESSIONS.map(
      ({ seed }) =>
        () =>
          simulate('--seed', `${seed}`),
    ),
  );
  for (const run of runs) if (run.broken !== undefined) throw new Error(summary(run));
  const planted = new Set(MUTANTS.map(({ name }) => name));
  expect(REGRESSIONS.filter(({ mutant }) => !planted.has(mutant))).toEqual([]);
});

test('every planted bug fits the code', () => {
  expect(misfits()).toEqual([]);
});

test('every planted bug is found within 1,000 seeds, by the checker it is for', {
  timeout: 600_000,
}, async () => {
  const runs = await onBothCores(
    MUTANTS.map(
      ({ name, from = 1 }) =>
        () =>
          simulate('--mutant', name, '--seeds', '1000', '--from', `${from}`),
    ),
  );
  const found = MUTANTS.map(({ name }, index) => [
    name,
    runs[index]?.broken?.violation?.invariant ?? 'not found',
  ]);
  const wrong = found.filter(([, invariant], index) => !MUTANTS[index]?.found.includes(invariant as string));
  expect(wrong).toEqual([]);
});
