/** Attempts that say how to go on: since V7 an error may pause its invocation, or fail it. */
import { expect } from 'vitest';
import { REPLAYED, since } from '../dimensions.ts';
import { attempts, only, type Row, simple, story } from '../play.ts';

const BEHAVIOUR = since(7, 'an error says how to go on since V7');

export const STOPPING: readonly Row[] = [
  simple({
    name: 'all: of two sleeps wakes once since V7',
    handler: 'twoSleeps',
    expected: {
      result: ['long', 'short'],
      attempts: attempts(3, { v7: 2 }),
      journal: 'Input Sleep Sleep +Sleep +Sleep Output',
    },
  }),
  only(
    BEHAVIOUR,
    story('a handler pauses itself', async t => {
      const run = await t.send('Pausing/pausesItself');
      await run.until('paused');
      expect(await t.operate(run, 'resume')).toBe(200);
      await t.expect(run, {
        result: 'resumed',
        attempts: attempts(3, { streamed: 2 }),
        journal: 'Input Run +Run Output',
      });
    }),
  ),
  only(
    BEHAVIOUR,
    only(
      REPLAYED,
      story('a handler that departs from its journal is paused, where it says so', async t => {
        const run = await t.send('Pausing/erratic');
        await run.until('paused');
        expect(run.count('attempt')).toBe(2);
        expect(await t.operate(run, 'resume')).toBe(200);
        await t.expect(run, { result: 'right', attempts: 3, journal: 'Input Sleep +Sleep Output' });
      }),
    ),
  ),
  only(
    BEHAVIOUR,
    only(
      REPLAYED,
      story('a handler that departs from its journal fails, where it says so', async t => {
        const run = await t.send('Failing/erratic');
        const { status } = await t.attach(run);
        expect(status).toBe(570);
        expect([run.count('attempt'), await run.journal()]).toEqual([2, expect.stringContaining('Sleep')]);
      }),
    ),
  ),
];
