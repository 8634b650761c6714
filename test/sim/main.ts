/**
 * The simulator's command line:
 *
 *   node test/sim/main.ts [--seeds 300] [--from 1] [--seed N --trace] [--twice] [--mutant name] [--json]
 *   node test/sim/main.ts --programs 2000 [--from 1] [--json]
 *
 * Runs seeds until one breaks an invariant; then prints which, and the end of its trace. `--seed N --trace` shows a
 * whole run. `--twice` runs every seed twice and compares the hashes of the traces. `--mutant` plants a bug first.
 * `--programs` runs so many programs over shared counters, several in each seed's run.
 */

import { parseArgs } from 'node:util';
import { plant } from './mutants.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '300' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    programs: { type: 'string' },
    step: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    twice: { type: 'boolean', default: false },
    mutant: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

if (values.mutant !== undefined) plant(values.mutant);
// After the bug is planted, which must be before the code is loaded.
const { runMany } = await import('./many.ts');

/** In one run: enough that they meet, few enough that a run is short. */
const PROGRAMS_PER_SEED = 25;
const programs = values.programs === undefined ? 0 : PROGRAMS_PER_SEED;
const seeds = programs === 0 ? Number(values.seeds) : Math.ceil(Number(values.programs) / PROGRAMS_PER_SEED);
const first = Number(values.seed ?? values.from);
const result = await runMany({
  first,
  step: Number(values.step),
  count: values.seed === undefined ? seeds : 1,
  twice: values.twice,
  programs,
  ...(values.trace ? { print: (line: string) => console.log(line) } : {}),
});
if (values.json) console.log(JSON.stringify(result));
else {
  const { summary } = await import('./summary.ts');
  console.log(summary(result));
}
process.exitCode = result.broken === undefined ? 0 : 1;
