import { expect, test } from 'vitest';
import { formatDuration, parseDurationMs } from './duration.ts';

test.each([
  ['500ms', 500],
  ['10s', 10_000],
  ['60 sec', 60_000],
  ['1h', 3_600_000],
  ['1d', 86_400_000],
  ['2 weeks', 1_209_600_000],
  ['1h 30m', 5_400_000],
  ['1h30m', 5_400_000],
  [' 1 day  2 hours ', 93_600_000],
  ['1.5s', 1500],
  ['0.07s', 70],
  ['1M', 2_630_016_000],
  ['1m', 60_000],
  ['1 year', 31_557_600_000],
  ['1500us', 2],
  ['0s', 0],
  ['PT10S', 10_000],
  ['pt10s', 10_000],
  ['PT0.5S', 500],
  ['PT1H30M', 5_400_000],
  ['P1D', 86_400_000],
  ['P1W2DT3H', 788_400_000],
])('%j is %i ms', (text, ms) => {
  expect(parseDurationMs(text)).toBe(ms);
});

test.each([
  '',
  ' ',
  '10',
  '0',
  's',
  '-5s',
  '10x',
  '10s,',
  '5 10s',
  '1e3s',
  '.5s',
  '1.s',
  'P',
  'PT',
  'P1DT',
  'P1M',
  'P1Y',
  '-PT1S',
  'PT-1S',
  'PT1S 1s',
  '99999999999999y',
  `${'9'.repeat(400)}s`,
  '10 constructor',
])('%j is not a duration', text => {
  expect(parseDurationMs(text)).toBeUndefined();
});

test.each([
  [0, '0s'],
  [500, '500ms'],
  [1000, '1s'],
  [61_500, '1m 1s 500ms'],
  [5_400_000, '1h 30m'],
  [86_400_000, '1d'],
  [86_400_000 * 400 + 1, '400d 1ms'],
  [0.4, '0s'],
])('%d ms is shown as %j', (ms, shown) => {
  expect(formatDuration(ms)).toBe(shown);
  expect(parseDurationMs(shown)).toBe(Math.round(ms));
});
