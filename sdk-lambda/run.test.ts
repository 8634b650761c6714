/** Runs: what is executed, what is proposed, what is retried. */
import { expect, test } from 'vitest';
import type * as restate from './index.ts';
import { PauseError, RestatePromise, RetryableError, TerminalError } from './index.ts';
import { boom, type Handler, type JournalSpec, ran, run, runCommand, transcript } from './journal.testkit.ts';

const failing = (ctx: restate.Context) => ctx.run('r', boom, { maxRetryAttempts: 3, maxRetryInterval: 150 });

test.each<[string, Handler, JournalSpec, string[]]>([
  ['the first failure', failing, {}, ['RunCommand', 'Error 500 boom at 1 retry 50']],
  [
    'the second',
    failing,
    { entries: [runCommand(1, 'r')], start: { retryCountSinceLastStoredEntry: 1 } },
    ['Error 500 boom at 1 retry 100'],
  ],
  [
    'the last allowed one becomes the result',
    failing,
    { entries: [runCommand(1, 'r')], start: { retryCountSinceLastStoredEntry: 2 } },
    ['ProposeRunCompletion failure 500 boom', 'Suspension c1 s1'],
  ],
  [
    'failures of an earlier step do not count',
    async ctx => {
      await Promise.all([ctx.sleep(1), failing(ctx)]);
    },
    { entries: [], start: { retryCountSinceLastStoredEntry: 2 } },
    ['SleepCommand', 'RunCommand', 'Error 500 boom at 2 retry 50'],
  ],
  [
    'time is up',
    async ctx => ctx.run('r', boom, { maxRetryDuration: { seconds: 1 } }),
    {
      entries: [runCommand(1, 'r')],
      start: { retryCountSinceLastStoredEntry: 1, durationSinceLastStoredEntry: 1000 },
    },
    ['ProposeRunCompletion failure 500 boom', 'Suspension c1 s1'],
  ],
  [
    'no policy: the server decides',
    async ctx => ctx.run('r', boom),
    {},
    ['RunCommand', 'Error 500 boom at 1'],
  ],
  [
    'a requested delay wins over the policy',
    async ctx =>
      ctx.run(
        'r',
        () => {
          throw RetryableError.from(new Error('busy'), { retryAfter: 250 });
        },
        { initialRetryInterval: 10 },
      ),
    {},
    ['RunCommand', 'Error 500 busy at 1 retry 250'],
  ],
  [
    'a pause is no result, whatever the policy',
    async ctx =>
      ctx.run(
        'r',
        () => {
          throw PauseError.from(new Error('look at this'));
        },
        { maxRetryAttempts: 1 },
      ),
    {},
    ['RunCommand', 'Error 500 look at this at 1'],
  ],
  [
    'runs that are executing keep their results when another fails',
    async ctx =>
      RestatePromise.all([
        ctx.run('bad', boom),
        ctx.run('good', async () => {
          for (let i = 0; i < 10; i++) await null;
          return 'kept';
        }),
      ]),
    {},
    ['RunCommand', 'RunCommand', 'ProposeRunCompletion "kept"', 'Error 500 boom at 1'],
  ],
  [
    'a recorded result is not computed again',
    async ctx => ctx.run('r', boom),
    { entries: [runCommand(1, 'r'), ran(1, 'before')] },
    ['OutputCommand "before"', 'End'],
  ],
  [
    'a closure that returns a promise of the context waits for it inside the closure',
    async ctx => {
      const slept = ctx.sleep(1);
      await ctx.run('r', () => slept);
    },
    {},
    [
      'SleepCommand',
      'RunCommand',
      expect.stringMatching(/^Error 500 The context of inv_1test was used inside a closure.* at 2$/),
    ],
  ],
  [
    'what a serializer returns must be bytes',
    async ctx => ctx.run('r', () => 'text', { serde: { serialize: String, deserialize: String } as never }),
    {},
    ['RunCommand', 'Error 500 Cannot encode value: not a Uint8Array. at 1'],
  ],
  [
    'a run that nobody awaits is executed while the handler waits for something else',
    async ctx => {
      void ctx.run('r', () => 1);
      await ctx.sleep(1);
    },
    {},
    ['RunCommand', 'SleepCommand', 'ProposeRunCompletion 1', 'Suspension c2 s1'],
  ],
])('run: %s', async (_name, handler, journal, expected) => {
  expect(transcript((await run(handler, journal)).frames)).toEqual(expected);
});

test('asTerminalError decides what is a result, and its own failure is not one', async () => {
  class NotFound extends Error {}
  const options: restate.ServiceOptions = {
    asTerminalError: error => {
      if (error instanceof NotFound) return new TerminalError('gone', { errorCode: 404 });
      throw new Error('mapper broke');
    },
  };
  const missing = async () => Promise.reject(new NotFound());
  expect(transcript((await run(missing, {}, options)).frames)).toEqual([
    'OutputCommand failure 404 gone',
    'End',
  ]);
  expect(transcript((await run(async () => boom(), {}, options)).frames)).toEqual(['Error 500 mapper broke']);
});

test.each([
  [7, 1],
  [6, 0],
])('a closure can ask for a pause: on protocol %i with behavior %i', async (version, behavior) => {
  const pausing: Handler = async ctx =>
    ctx.run('r', () => {
      throw new PauseError('look at this');
    });
  const { terminator } = await run(pausing, { version });
  expect(terminator.message).toMatchObject({ message: 'look at this', behavior });
});
