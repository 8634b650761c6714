/** Batched runs: what one attempt does, and that replay observes the same whatever the journal has of them. */
import { expect, test } from 'vitest';
import type { Context } from './index.ts';
import { RestatePromise, TerminalError } from './index.ts';
import {
  boom,
  cancel,
  type Handler,
  type JournalSpec,
  liveAttempt,
  ran,
  run,
  runCommand,
  serviceOf,
  sleep,
  slept,
  transcript,
} from './journal.testkit.ts';

const batched = { batched: true };

const threeAndOne: Handler = async ctx => {
  const values = [
    await ctx.run('a', () => 1, batched),
    await ctx.run('b', () => 2, batched),
    await ctx.run('c', () => 3, batched),
  ];
  values.push(await ctx.run('kept', () => 4));
  return values;
};
const three = [runCommand(1, 'a'), ran(1, 1), runCommand(2, 'b'), ran(2, 2), runCommand(3, 'c'), ran(3, 3)];

/** The sleep may be over before the step, and still comes after it. */
const race: Handler = async ctx => {
  const slept = ctx.sleep(5).map(() => 'slept');
  await ctx.run('ordinary', () => 0);
  const first = await RestatePromise.race([slept, ctx.run('step', () => 'ran', batched)]);
  await ctx.run(first, () => 0, batched);
  return first;
};
const beforeRace = [sleep(1), runCommand(2, 'ordinary'), ran(2, 0), slept(1)];

const catching: Handler = async ctx => {
  const seen: unknown[] = [];
  for (const step of [
    () => ctx.run('a', () => 1, batched),
    () => ctx.run('b', () => 2, batched),
    () => ctx.sleep(5),
  ])
    seen.push(await step().catch((error: unknown) => (error as Error).name));
  return seen;
};

const together: Handler = async ctx =>
  RestatePromise.all([
    ctx.run('a', () => 1, batched),
    ctx.run('b', boom, batched),
    ctx.run('c', () => 3, batched),
  ]);

test.each<[string, Handler, JournalSpec, string[]]>([
  [
    'ten steps, one attempt',
    async ctx => {
      let sum = 0;
      for (let i = 1; i <= 10; i++) sum += await ctx.run('step', () => i, batched);
      return sum;
    },
    {},
    [
      ...Array.from({ length: 10 }, (_, i) => ['RunCommand', `ProposeRunCompletion ${i + 1}`]).flat(),
      'OutputCommand 55',
      'End',
    ],
  ],
  [
    'what is not batched waits until they are stored',
    threeAndOne,
    {},
    [
      'RunCommand',
      'ProposeRunCompletion 1',
      'RunCommand',
      'ProposeRunCompletion 2',
      'RunCommand',
      'ProposeRunCompletion 3',
      'RunCommand',
      'Suspension c3 s',
    ],
  ],
  [
    'and is executed then',
    threeAndOne,
    { entries: [...three, runCommand(4, 'kept')] },
    ['ProposeRunCompletion 4', 'Suspension c4 s1'],
  ],
  [
    'all is recorded',
    threeAndOne,
    { entries: [...three, runCommand(4, 'kept'), ran(4, 4)] },
    ['OutputCommand [1,2,3,4]', 'End'],
  ],
  [
    'of several at once, those without a result are executed',
    together,
    { entries: [runCommand(1, 'a'), runCommand(2, 'b'), runCommand(3, 'c'), ran(1, 1)] },
    ['ProposeRunCompletion 3', 'Error 500 boom at 2'],
  ],
  [
    'a failure keeps the results before it',
    async ctx => {
      await ctx.run('a', () => 1, batched);
      await ctx.run('b', boom, batched);
    },
    {},
    ['RunCommand', 'ProposeRunCompletion 1', 'RunCommand', 'Error 500 boom at 2'],
  ],
  [
    'a terminal failure is a result',
    async ctx =>
      ctx
        .run(
          'a',
          () => {
            throw new TerminalError('no', { errorCode: 418 });
          },
          batched,
        )
        .catch((error: unknown) => `caught ${(error as TerminalError).code}`),
    {},
    ['RunCommand', 'ProposeRunCompletion failure 418 no', 'OutputCommand "caught 418"', 'End'],
  ],
  [
    'the value is what replay will give',
    async ctx => typeof (await ctx.run('a', () => new Date(0), batched)),
    {},
    ['RunCommand', 'ProposeRunCompletion "1970-01-01T00:00:00.000Z"', 'OutputCommand "string"', 'End'],
  ],
  [
    'it comes before what was there already',
    race,
    { entries: beforeRace },
    [
      'RunCommand',
      'ProposeRunCompletion "ran"',
      'RunCommand',
      'ProposeRunCompletion 0',
      'OutputCommand "ran"',
      'End',
    ],
  ],
  [
    'also on replay, when it was stored after it',
    race,
    { entries: [...beforeRace, runCommand(3, 'step'), ran(3, 'ran')] },
    ['RunCommand', 'ProposeRunCompletion 0', 'OutputCommand "ran"', 'End'],
  ],
  [
    'a cancellation comes after it',
    catching,
    { entries: [cancel] },
    [
      'RunCommand',
      'ProposeRunCompletion 1',
      'RunCommand',
      'ProposeRunCompletion 2',
      'SleepCommand',
      'OutputCommand [1,2,"CancelledError"]',
      'End',
    ],
  ],
  [
    'also on replay',
    catching,
    { entries: [cancel, runCommand(1, 'a'), ran(1, 1), runCommand(2, 'b'), ran(2, 2), sleep(3)] },
    ['OutputCommand [1,2,"CancelledError"]', 'End'],
  ],
  [
    'one that nobody awaits is executed all the same',
    async ctx => {
      void ctx.run('a', () => 1, batched);
      await ctx.sleep(5);
    },
    {},
    ['RunCommand', 'SleepCommand', 'ProposeRunCompletion 1', 'Suspension c2 s1'],
  ],
])('%s', async (_name, handler, journal, expected) => {
  for (const version of [5, 6, 7])
    expect(transcript((await run(handler, { version, ...journal })).frames)).toEqual(expected);
});

test.each([6, 7])(
  'live, protocol %i: what is not batched waits for the results to come back',
  async version => {
    const executed: string[] = [];
    const step = (ctx: Context, name: string, options = {}) =>
      ctx.run(name, () => executed.push(name), options);
    const handler: Handler = async ctx => {
      await step(ctx, 'a', batched);
      await step(ctx, 'b', batched);
      await step(ctx, 'kept');
    };
    const seen: string[][] = [];
    const stored = (id: number) => ({
      drains: 0,
      get frames() {
        seen.push([...executed]);
        return [ran(id, id)];
      },
    });
    const pause = { drains: 10, frames: [] };
    const chunks = [pause, stored(1), pause, stored(2), pause, stored(3)];
    const { frames } = await liveAttempt(serviceOf(handler), 'h', { version }, chunks);
    expect(seen).toEqual([
      ['a', 'b'],
      ['a', 'b'],
      ['a', 'b', 'kept'],
    ]);
    expect(transcript(frames.filter(({ name }) => name !== 'AwaitingOn'))).toEqual([
      'RunCommand',
      'ProposeRunCompletion 1',
      'RunCommand',
      'ProposeRunCompletion 2',
      'RunCommand',
      'ProposeRunCompletion 3',
      'OutputCommand ',
      'End',
    ]);
  },
);
