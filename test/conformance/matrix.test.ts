/** Which combinations exist, and what the report makes of outcomes. */
import { expect, test } from 'vitest';
import { REPLAYED, STREAMED, since } from '../e2e/behaviours/dimensions.ts';
import { interruptedStory, only, type Row, story, usesState } from '../e2e/behaviours/play.ts';
import { plan, SETTINGS, variantsOf } from './matrix.ts';
import { failures, matrix, totals } from './report.ts';

const nothing = async (): Promise<void> => undefined;
const LAMBDA = { transport: 'lambda', version: 7 } as const;
const V5 = { transport: 'lambda', version: 5 } as const;
const STREAM = { transport: 'http2', version: 6 } as const;

const marks = (row: Row, setting: (typeof SETTINGS)[number]): string => {
  const { cells } = plan([row], variantsOf(setting, ['Holdfast']));
  return cells.map(({ variant: { state, killed } }) => `${state}${killed ? '!' : ''}`).join(' ');
};

test.for([
  { row: story('plain', nothing), setting: LAMBDA, played: 'eager' },
  { row: interruptedStory('waits', nothing), setting: LAMBDA, played: 'eager eager!' },
  {
    row: usesState(interruptedStory('state', nothing)),
    setting: LAMBDA,
    played: 'eager eager! lazy lazy!',
  },
  { row: usesState(interruptedStory('state', nothing)), setting: V5, played: 'eager' },
  { row: only(REPLAYED, story('replayed', nothing)), setting: STREAM, played: '' },
  { row: only(STREAMED, story('streamed', nothing)), setting: STREAM, played: 'eager' },
  { row: only(STREAMED, story('streamed', nothing)), setting: LAMBDA, played: '' },
  { row: only(since(7, 'new'), story('new', nothing)), setting: STREAM, played: '' },
])('$row.name on $setting.transport V$setting.version: $played', ({ row, setting, played }) => {
  expect(marks(row, setting)).toBe(played);
});

test('every combination is counted, as a cell or with the reason why there is none', () => {
  const rows = [only(STREAMED, story('a', nothing)), usesState(interruptedStory('b', nothing))];
  const variants = SETTINGS.flatMap(setting => variantsOf(setting));
  const { cells, absent } = plan(rows, variants);
  const count = cells.length + [...absent.values()].reduce((sum, n) => sum + n, 0);
  expect(count).toBe(rows.length * variants.length);
});

test('the report names what failed, with one cause once', () => {
  const row = interruptedStory('waits', nothing);
  const { cells } = plan([row], variantsOf(LAMBDA));
  const outcomes = cells.map((cell, i) => ({ cell, error: i === 0 ? undefined : new Error('boom') }));
  expect(totals(outcomes)).toBe('1 passed, 3 failed');
  expect(failures(outcomes).split('\n')).toEqual([
    'failed: Lambda V7, Official, killed: waits',
    'failed: Lambda V7, Holdfast: waits',
    'failed: Lambda V7, Holdfast, killed: waits',
    '    boom ',
  ]);
  expect(matrix([row], [LAMBDA], outcomes).split('\n').at(-1)).toMatch(/^waits +✓✗·· +✗✗··$/);
});
