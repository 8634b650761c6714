import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addCompletionId, hasCompletionId } from './completion-ids.ts';

test('ids in any order: ascending ranges that do not touch, and every id is found', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 40 })), ids => {
      let ranges: readonly number[] = [];
      for (const id of ids) ranges = addCompletionId(ranges, id);
      const found = Array.from({ length: 42 }, (_, id) => id).filter(id => hasCompletionId(ranges, id));
      expect(found).toEqual(ids.toSorted((a, b) => a - b));
      for (let i = 2; i < ranges.length; i += 2) expect(ranges[i]).toBeGreaterThan(Number(ranges[i - 1]) + 1);
    }),
  );
});
