/**
 * The simulator's command line:
 *
 *   node test/sim/main.ts [--seeds 300] [--from 1] [--seed N --trace] [--twice] [--mutant name] [--json]
 *
 * Runs seeds until one breaks an invariant; then prints which, and the end of its trace. `--seed N --trace` shows a
 * whole run. `--twice` runs every seed twice and compares the hashes of the traces. `--mutant` plants a bug first.
 */

import { parseArgs } from 'node:util';
import { plant } from './mutants.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '300' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
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

const first = Number(values.seed ?? values.from);
const result = await runMany({
  first,
  step: Number(values.step),
  count: values.seed === undefined ? Number(values.seeds) : 1,
  twice: values.twice,
  ...(values.trace ? { print: (line: string) => console.log(line) } : {}),
});
if (values.json) console.log(JSON.stringify(result));
else {
  const { summary } = await import('./summary.ts');
  console.log(summary(result));
}
process.exitCode = result.broken === undefined ? 0 : 1;
