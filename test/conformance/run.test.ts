/** That each cell has an outcome of its own, whatever the others do. */
import { expect, test } from 'vitest';
import { Notes } from '../e2e/behaviours/notes.ts';
import { interruptedStory, type Row, story } from '../e2e/behaviours/play.ts';
import { cellName, plan, variantsOf } from './matrix.ts';
import { type Outcome, playCells } from './run.ts';
import type { System } from './system.ts';

/** As far as these rows go. */
const systemOf = (restart: () => Promise<void>): System => ({ restart }) as unknown as System;

const played = async (rows: readonly Row[], killed: boolean, restart = async () => undefined) => {
  const variants = variantsOf({ transport: 'lambda', version: 7 }, ['Holdfast']);
  const { cells } = plan(
    rows,
    variants.filter(variant => variant.killed === killed && variant.state === 'eager'),
  );
  const options = { system: systemOf(restart), notes: new Notes('.'), cellTimeoutMs: 200, cellsAtOnce: 1 };
  const outcomes = await playCells(cells, options);
  return outcomes.map(({ cell, error }: Outcome) => `${cellName(cell)} ${error ?? 'passed'}`);
};

const fail = async (): Promise<never> => {
  throw new Error('wrong');
};

test('a cell that hangs and one that fails leave the others alone', async () => {
  const rows = [story('hangs', () => new Promise(() => undefined)), story('fails', fail)];
  expect(await played([...rows, story('passes', async () => undefined)], false)).toEqual([
    'Lambda V7, Holdfast: hangs Error: not within 200 ms',
    'Lambda V7, Holdfast: fails Error: wrong',
    'Lambda V7, Holdfast: passes passed',
  ]);
});

test('the orchestrator is killed twice, once all have come to where they wait', async () => {
  let restarts = 0;
  const seen: number[] = [];
  const waits = interruptedStory('waits', async t => {
    seen.push(restarts);
    await t.interrupt();
    seen.push(restarts);
  });
  const restart = async (): Promise<undefined> => void restarts++;
  const rows = [waits, interruptedStory('fails before it waits', fail)];
  expect(await played(rows, true, restart)).toEqual([
    'Lambda V7, Holdfast, killed: waits passed',
    'Lambda V7, Holdfast, killed: fails before it waits Error: wrong',
  ]);
  expect(seen).toEqual([0, 2]);
});

test('a system that does not come back fails what waits for it', async () => {
  const waits = interruptedStory('waits', t => t.interrupt());
  expect(await played([waits], true, () => fail())).toEqual([
    'Lambda V7, Holdfast, killed: waits Error: wrong',
  ]);
});
