import { expect, test } from 'vitest';
import { systemRandom } from './random.ts';

test('draws have the length asked for, are never alike and never change afterwards', () => {
  const random = systemRandom();
  const draws = Array.from({ length: 2000 }, () => random.bytes(16));
  const shown = draws.map(String);
  for (const length of [0, 1, 4095, 4096, 4097, 100_000]) expect(random.bytes(length)).toHaveLength(length);
  expect(new Set(shown).size).toBe(2000);
  expect(draws.map(String)).toEqual(shown);
  expect(draws.every(draw => draw.length === 16)).toBe(true);
});

test('bytes and floats are spread evenly', () => {
  const random = systemRandom();
  const counts = new Uint32Array(16);
  let sum = 0;
  for (let i = 0; i < 20_000; i++) {
    const float = random.float();
    expect(float >= 0 && float < 1).toBe(true);
    sum += float;
    for (const byte of random.bytes(3)) counts[byte >> 4] = (counts[byte >> 4] ?? 0) + 1;
  }
  // Ten standard deviations either way.
  expect(Math.abs(sum / 20_000 - 0.5)).toBeLessThan(0.021);
  for (const count of counts) expect(Math.abs(count - 3750)).toBeLessThan(600);
});
