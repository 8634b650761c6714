/** Random lives: after every record the rows agree with each other, and in the end nothing is left. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { InvocationId } from './model.ts';
import { leftovers, problems } from './testing/check-rows.ts';
import { ENDS, type Move, OPERATIONS, Play, WHATS } from './testing/play.ts';

const move: fc.Arbitrary<Move> = fc.record({
  what: fc.constantFrom(...WHATS),
  pick: fc.nat(23),
  ops: fc.array(fc.record({ op: fc.constantFrom(...OPERATIONS), to: fc.nat(23) }), { maxLength: 5 }),
  end: fc.constantFrom(...ENDS),
});

test('rows that refer to each other agree; nothing is left when all has ended and retention is over', () => {
  fc.assert(
    fc.property(
      fc.array(move, { minLength: 20, maxLength: 80, size: 'max' }),
      fc.boolean(),
      (moves, isPurged) => {
        const play = new Play();
        for (const each of moves) {
          play.do(each);
          expect(problems(play)).toEqual([]);
        }
        for (const id of play.view.keys('invocation')) play.apply({ type: 'kill', id: id as InvocationId });
        if (isPurged) {
          for (const id of play.view.keys('completed')) play.apply({ type: 'purge', id: id as InvocationId });
        }
        expect(problems(play)).toEqual([]);
        for (let round = 1; round <= 3; round++) play.fire(1_000_000 * round);
        expect(leftovers(play)).toEqual([]);
      },
    ),
    { numRuns: 400 },
  );
});
