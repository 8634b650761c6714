/**
 * Every behaviour in every combination of SDK, transport, protocol version and state, undisturbed and with the
 * orchestrator killed in the middle; see matrix.ts.
 *
 *     node test/conformance/main.ts [--row <part of a name>] [--on <part of a setting>] [--log]
 *
 * Prints the matrix, what failed and why, and at last `N passed, N failed`. Exits with 1 if anything failed.
 */
import { parseArgs } from 'node:util';
import { ROWS } from '../e2e/behaviours/rows/index.ts';
import { plan, SETTINGS, settingName, variantsOf } from './matrix.ts';
import { playSettings } from './play-settings.ts';
import { absences, failures, matrix, totals } from './report.ts';

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      row: { type: 'string', default: '' },
      on: { type: 'string', default: '' },
      log: { type: 'boolean', default: false },
    },
  });
  const rows = ROWS.filter(({ name }) => values.row.split('|').some(part => name.includes(part)));
  const settings = SETTINGS.filter(setting => settingName(setting).includes(values.on));
  const played = settings.map(setting => ({ setting, cells: plan(rows, variantsOf(setting)).cells }));
  const outcomes = await playSettings(played, {
    onProgress: line => console.error(line),
    ...(values.log ? { onLog: (line: string) => console.error(line) } : {}),
  });
  const { absent } = plan(
    rows,
    settings.flatMap(setting => variantsOf(setting)),
  );
  console.log(matrix(rows, settings, outcomes));
  console.log(`\n${absences(absent)}\n`);
  const failed = failures(outcomes);
  if (failed !== '') console.log(`${failed}\n`);
  console.log(totals(outcomes));
  return failed === '';
}

process.exit((await main()) ? 0 : 1);
