/** What an attempt does when the function's time runs out, on a clock that steps set. */
import { setTimeout as delay } from 'node:timers/promises';
import { contentTypeOf, decodeFrame, decodeFrames } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { type Context, createEndpointHandler, RestatePromise } from './index.ts';
import { type Handler, requestBody, run, serviceOf, transcript } from './journal.testkit.ts';

const LIMIT_MS = 1000;

/** Steps that take time; `timeUp` is when the platform says so. */
async function play(
  handler: (step: Step, timeUp: () => void, spend: (ms: number) => void) => Handler,
  version = 7,
) {
  let nowMs = 1_800_000_000_000;
  let timeUp = () => {};
  const stopAt = nowMs + LIMIT_MS;
  const step: Step = (ctx, name, takesMs, options) => {
    const closure = () => {
      nowMs += takesMs;
      return name;
    };
    return ctx.run(name, closure, options);
  };
  const { frames, terminator } = await run(
    handler(
      step,
      () => timeUp(),
      ms => {
        nowMs += ms;
      },
    ),
    {
      version,
      now: () => nowMs,
      timeLimit: {
        until: stopAt,
        totalMs: LIMIT_MS,
        onTimeout(callback) {
          timeUp = callback;
          return () => {
            timeUp = () => {};
          };
        },
      },
    },
  );
  return { lines: transcript(frames), terminator };
}
type Step = (
  ctx: Context,
  name: string,
  takesMs: number,
  options?: { batched?: boolean; expectedDuration?: number },
) => RestatePromise<string>;

const endless = (timeUp: () => void) => () => {
  timeUp();
  return new Promise(() => {});
};

const page = 'See docs/errors/HF_SDK_OUT_OF_TIME.md.';

test.each<[string, (step: Step, timeUp: () => void) => Handler, string[]]>([
  [
    'batched steps go on in the next attempt',
    step => async ctx => {
      for (const name of ['a', 'b', 'c', 'd']) await step(ctx, name, 400, { batched: true });
    },
    [
      'RunCommand',
      'ProposeRunCompletion "a"',
      'RunCommand',
      'ProposeRunCompletion "b"',
      'RunCommand',
      'ProposeRunCompletion "c"',
      'RunCommand',
      'Suspension c3 s',
    ],
  ],
  [
    'a step that would not fit into what is left is not begun',
    step => async ctx => {
      await step(ctx, 'a', 400, { batched: true });
      await step(ctx, 'long', 0, { batched: true, expectedDuration: 700 });
    },
    ['RunCommand', 'ProposeRunCompletion "a"', 'RunCommand', 'Suspension c1 s'],
  ],
  [
    'one that fits is',
    step => async ctx => {
      await step(ctx, 'a', 400, { batched: true });
      return step(ctx, 'long', 0, { batched: true, expectedDuration: 600 });
    },
    [
      'RunCommand',
      'ProposeRunCompletion "a"',
      'RunCommand',
      'ProposeRunCompletion "long"',
      'OutputCommand "long"',
      'End',
    ],
  ],
  [
    'one beside it keeps its result',
    step => async ctx =>
      RestatePromise.all([step(ctx, 'a', 400), step(ctx, 'long', 0, { expectedDuration: 700 })]),
    ['RunCommand', 'RunCommand', 'ProposeRunCompletion "a"', 'Suspension c1 s'],
  ],
  [
    'what executes when time is up is executed by the next attempt, if this one got further',
    (step, timeUp) => async ctx => {
      await step(ctx, 'a', 1, { batched: true });
      await ctx.run('slow', endless(timeUp), { batched: true });
    },
    ['RunCommand', 'ProposeRunCompletion "a"', 'RunCommand', 'Suspension c1 s'],
  ],
  [
    'else it fails the attempt',
    (_step, timeUp) => async ctx => ctx.run('slow', endless(timeUp)),
    ['RunCommand', `Error 500 run "slow" still executes at the end of the function's time. ${page} at 1`],
  ],
  [
    'so does a wait for something foreign',
    (_step, timeUp) => async () => {
      setImmediate(timeUp);
      await new Promise(() => {});
    },
    [`Error 500 The handler still executes at the end of the function's time. ${page}`],
  ],
])('%s', async (_name, handler, expected) => {
  expect((await play(handler)).lines).toEqual(expected);
});

test.each([
  [7, 1],
  [6, 0],
])('a step that never fits asks for a person: on protocol %i with behavior %i', async (version, behavior) => {
  const { lines, terminator } = await play(
    step => async ctx => step(ctx, 'long', 0, { expectedDuration: 1001 }),
    version,
  );
  expect(lines).toEqual([
    'RunCommand',
    `Error 500 run "long" is not begun: it expects 1001 ms and 1000 ms are left. ${page} at 1`,
  ]);
  expect(terminator.message).toMatchObject({ behavior });
});

test('with nothing to wait for the next attempt is a retry', async () => {
  const { lines, terminator } = await play((step, _timeUp, spend) => async ctx => {
    spend(500);
    await step(ctx, 'long', 0, { expectedDuration: 700 });
  });
  expect(lines).toEqual([
    'RunCommand',
    `Error 500 run "long" is not begun: it expects 700 ms and 500 ms are left. ${page} at 1`,
  ]);
  expect(terminator.message).toMatchObject({ behavior: 0 });
});

test('on Lambda the limit is what remains, less what the answer takes', async () => {
  let signal: AbortSignal | undefined;
  const slow: Handler = async ctx => {
    signal = ctx.request().attemptCompletedSignal;
    await ctx.run('slow', () => delay(10_000, undefined, signal === undefined ? {} : { signal }));
  };
  const handler = createEndpointHandler({ services: [serviceOf(slow)] });
  const begin = Date.now();
  const { body } = await handler(
    {
      path: '/invoke/S/h',
      headers: { 'content-type': contentTypeOf(7) },
      body: Buffer.from(requestBody({})).toString('base64'),
      isBase64Encoded: true,
    },
    { getRemainingTimeInMillis: () => 300 },
  );
  expect(Date.now() - begin).toBeLessThan(5000);
  expect(signal?.aborted).toBe(true);
  expect(transcript(decodeFrames(Buffer.from(body, 'base64')).map(decodeFrame))).toEqual([
    'RunCommand',
    `Error 500 run "slow" still executes at the end of the function's time. ${page} at 1`,
  ]);
});
