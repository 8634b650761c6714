/** Cancellation: who gets it, when, and what comes after it. */
import { encodeFrame } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { CancelledError, RestatePromise } from './index.ts';
import { cancel, child, childId, type Handler, run, sleep, slept, transcript, X } from './journal.testkit.ts';

const compensating: Handler = async ctx => {
  const timer = ctx.sleep(1);
  try {
    await RestatePromise.all([timer, X(ctx).x()]);
  } catch (error) {
    if (!(error instanceof CancelledError)) throw error;
  }
  await timer;
  return 'compensated';
};
const issued = [sleep(1), child(2)];

test.each<[string, Handler, readonly Uint8Array[], string[]]>([
  [
    'is thrown into the await and not caught',
    async ctx => ctx.sleep(1),
    [sleep(1), cancel],
    ['OutputCommand failure 409 Cancelled', 'End'],
  ],
  ['waits for the ids of child calls', compensating, [...issued, cancel], ['Suspension c2 s']],
  [
    'reaches the children, then the code, which may go on with what it had',
    compensating,
    [...issued, cancel, slept(1), childId(2, 'inv_1c')],
    ['SendSignal inv_1c 1', 'OutputCommand "compensated"', 'End'],
  ],
  [
    'a result before it in the journal wins, one after it does not',
    async ctx => {
      const first = await ctx.sleep(1).map(() => 'first');
      return [first, await ctx.sleep(2)];
    },
    [sleep(1), sleep(2), slept(1), cancel, slept(2)],
    ['OutputCommand failure 409 Cancelled', 'End'],
  ],
  [
    'may come again, for the children since',
    async ctx => {
      // A handler that goes on when it is cancelled.
      for (let i = 0; i < 2; i++)
        await X(ctx)
          .x()
          .catch(() => {});
      return 'done';
    },
    [
      child(1),
      childId(1, 'a'),
      cancel,
      encodeFrame('SendSignalCommand', { targetInvocationId: 'a', idx: 1, void: true }),
      child(3),
      childId(3, 'b'),
      cancel,
    ],
    ['SendSignal b 1', 'OutputCommand "done"', 'End'],
  ],
  [
    'reaches every branch that waits',
    async ctx => (await Promise.allSettled([ctx.sleep(1), ctx.sleep(2)])).map(({ status }) => status),
    [sleep(1), sleep(2), cancel],
    ['OutputCommand ["rejected","rejected"]', 'End'],
  ],
  ['is no news to a handler that waits for nothing', async () => 1, [cancel], ['OutputCommand 1', 'End']],
])('cancellation %s', async (_name, handler, entries, expected) => {
  expect(transcript((await run(handler, { entries })).frames)).toEqual(expected);
});
