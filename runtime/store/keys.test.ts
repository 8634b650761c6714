import { expect, test } from 'vitest';
import { compareKeys, prefixEnd } from './keys.ts';

const bytes = (...values: number[]) => Uint8Array.from(values);

test('keys compare as unsigned bytes, a prefix first', () => {
  const ordered = [bytes(), bytes(0), bytes(0, 0), bytes(1), bytes(0x7f, 0xff), bytes(0x80), bytes(0xff)];
  for (const [i, a] of ordered.entries()) {
    for (const [j, b] of ordered.entries()) expect(Math.sign(compareKeys(a, b))).toBe(Math.sign(i - j));
  }
});

test.each([
  [bytes(1), bytes(2)],
  [bytes(1, 2, 0xff), bytes(1, 3)],
  [bytes(1, 0xff, 0xff), bytes(2)],
])('the end of prefix %s is %s', (prefix, end) => {
  expect(prefixEnd(prefix)).toEqual(end);
});

test.each([[bytes()], [bytes(0xff, 0xff)]])('prefix %s has no end', prefix => {
  expect(() => prefixEnd(prefix)).toThrow('has no end');
});
