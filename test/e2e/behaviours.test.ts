/**
 * The table of behaviours in one setting, each row by name: handlers of both SDKs over the local Lambda, on real
 * processes. `npm run conformance` plays it in all settings, with lazy state, and with the orchestrator killed.
 *
 * The rows are played together and reported one by one, because most of them wait.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { cellName, plan, variantsOf } from '../conformance/matrix.ts';
import { playSettings } from '../conformance/play-settings.ts';
import type { Outcome } from '../conformance/run.ts';
import { ROWS } from './behaviours/rows/index.ts';

const SETTING = { transport: 'lambda', version: 7 } as const;
const TIMEOUT_MS = 90_000;

describe('behaviours', () => {
  const variants = variantsOf(SETTING).filter(({ state, killed }) => state === 'eager' && !killed);
  const { cells } = plan(ROWS, variants);
  const outcomes = new Map<string, Outcome>();

  beforeAll(async () => {
    const played = await playSettings([{ setting: SETTING, cells }]);
    for (const outcome of played) outcomes.set(cellName(outcome.cell), outcome);
  }, TIMEOUT_MS);

  test('no two rows have one name', () => {
    expect(new Set(ROWS.map(({ name }) => name)).size).toBe(ROWS.length);
  });

  test.for(cells.map(cell => ({ name: cellName(cell) })))('$name', ({ name }) => {
    const outcome = outcomes.get(name);
    if (outcome === undefined) throw new Error('it was not played to its end');
    if (outcome.error !== undefined) throw outcome.error;
  });
});
