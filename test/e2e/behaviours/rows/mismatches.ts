/** Handlers whose code paths differ between attempts: found out, paused, and nothing of the wrong path is done. */
import { expect } from 'vitest';
import { until } from '../../harness/index.ts';
import { REPLAYED } from '../dimensions.ts';
import { interruptedStory, only, type Play, type Row, usesState } from '../play.ts';

const count = (t: Play, key: string, n: number) => t.call(`Counter/${key}/get`, undefined, { result: n });

/** `check` compares what was done, by key, before and after the crash. */
const mismatch = (handler: string, check: (t: Play) => Promise<unknown>): Row =>
  only(
    REPLAYED,
    interruptedStory(`takes another way: ${handler}`, async t => {
      const isObject = handler.startsWith('set') || handler.startsWith('clear');
      const run = isObject
        ? await t.send(`Wrong/${t.key()}/${handler}`)
        : await t.send(`Keyed/${handler}`, t.key());
      await run.until('paused');
      const last_failure = { status: 570, error_code: 'RT0016' };
      expect(await run.view()).toMatchObject({ attempt: 3, last_failure });
      await check(t);
      await t.interrupt();
      await run.until('paused');
      await check(t);
      expect(await t.operate(run, 'kill')).toBe(200);
      await t.expect(run, { failure: { code: 409, message: 'killed' }, attempts: 3 });
    }),
  );

const nothingWrong = (t: Play) => count(t, `${t.key()}-wrong`, 0);
const rightAlone = async (t: Play) => {
  await nothingWrong(t);
  // What was sent is not waited for.
  const get = t.target(`Counter/${t.key()}-right/get`);
  await until('it has arrived', async () => (await t.stack.ingress.call(get)).body === 1);
};
const noted = async (t: Play) =>
  expect(['right', 'wrong'].map(what => t.notes.count(t.key(), what))).toEqual([1, 0]);
const kept = async (t: Play) => {
  await t.call(`Wrong/${t.key()}/keys`, undefined, { result: ['right'] });
  await t.call(`Wrong/${t.key()}/read`, 'right', { result: 1 });
};

export const MISMATCHES: readonly Row[] = [
  mismatch('eitherSleepOrCall', nothingWrong),
  mismatch('callDifferentMethod', nothingWrong),
  mismatch('sendToDifferentTargets', rightAlone),
  mismatch('callWithDifferentInput', rightAlone),
  mismatch('runWithDifferentName', noted),
  mismatch('forgetWhatWasDone', noted),
  usesState(mismatch('setDifferentKey', kept)),
  usesState(mismatch('setDifferentValue', kept)),
  usesState(mismatch('clearInstead', kept)),
];
