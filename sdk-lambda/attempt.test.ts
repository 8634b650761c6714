/** How attempts end, told as handler, journal and the frames that come out. */
import { encodeFrame } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import type * as restate from './index.ts';
import { object, RestatePromise, RetryableError, service, TerminalError, workflow } from './index.ts';
import { drainMicrotasks } from './invocation.ts';
import {
  attempt,
  boom,
  child,
  childId,
  type Handler,
  type JournalSpec,
  json,
  run,
  sleep,
  slept,
  transcript,
  utf8,
  X,
} from './journal.testkit.ts';

test.each<[string, Handler, JournalSpec, string[]]>([
  ['returns', async () => 1, {}, ['OutputCommand 1', 'End']],
  ['throws', async () => boom(), {}, ['Error 500 boom']],
  [
    'throws something that is no error',
    async () => Promise.reject('s'),
    {},
    ['Error 500 Non-Error value: "s"'],
  ],
  [
    'throws after a step: the step is the related command',
    async ctx => {
      await ctx.sleep(1);
      boom();
    },
    { entries: [sleep(1), slept(1)] },
    ['Error 500 boom at 1'],
  ],
  [
    'asks for a retry delay',
    async () => {
      throw new RetryableError('later', { retryAfter: { seconds: 3 } });
    },
    {},
    ['Error 500 later retry 3000'],
  ],
  [
    'fails terminally',
    async () => Promise.reject(new TerminalError('no', { errorCode: 404 })),
    {},
    ['OutputCommand failure 404 no', 'End'],
  ],
  [
    'gets an unreadable input',
    async (_ctx, input) => input,
    { input: utf8('{') },
    [expect.stringContaining('OutputCommand failure 400 Failed to deserialize input'), 'End'] as string[],
  ],
  [
    'returns what cannot be serialized',
    async () => 1n,
    {},
    [expect.stringContaining('Error 500')] as string[],
  ],
  [
    'waits for two things in hand-written concurrency: suspends on both',
    async ctx => {
      const later = async () => {
        await null;
        await ctx.sleep(2);
      };
      await Promise.all([ctx.sleep(1), later()]);
    },
    {},
    ['SleepCommand', 'SleepCommand', 'Suspension c1,2 s1'],
  ],
  [
    'does not wait for what is not awaited',
    async ctx => {
      void ctx.sleep(1);
      await ctx.awakeable().promise;
    },
    {},
    ['SleepCommand', 'Suspension c s1,17'],
  ],
  [
    'maps to something foreign in the middle of its journal: neither departs from it nor suspends on nothing',
    async ctx => {
      const elsewhere = async () => {
        for (let i = 0; i < 5; i++) await new Promise<void>(drainMicrotasks);
      };
      await ctx.sleep(1).map(elsewhere);
      await ctx.sleep(2).map(elsewhere);
    },
    { entries: [sleep(1), slept(1), sleep(2), slept(2)] },
    ['OutputCommand ', 'End'],
  ],
  [
    'races nothing',
    async () => RestatePromise.race([]),
    {},
    [expect.stringContaining('Error 500 RestatePromise.race of no promises never settles')] as string[],
  ],
  [
    'combines what is not durable',
    async ctx => RestatePromise.all([ctx.sleep(1), Promise.resolve(1) as RestatePromise<number>]),
    {},
    [
      'SleepCommand',
      expect.stringContaining('Error 500 RestatePromise.all got something at index 1'),
    ] as string[],
  ],
  [
    'catches that a step cannot be sent: the next attempt could not be told which steps were',
    async ctx => {
      try {
        ctx.genericSend({ service: 'X', method: 'x', parameter: utf8(''), headers: { n: 1 as never } });
      } catch {
        // A handler that takes no notice of it.
      }
      await ctx.sleep(1);
    },
    {},
    [expect.stringMatching(/^Error 500 .* at 1$/)] as string[],
  ],
  [
    'metadata on protocol 5',
    async () => Promise.reject(new TerminalError('no', { metadata: { a: 'b' } })),
    { version: 5 },
    [expect.stringContaining('Error 573 Metadata of a TerminalError needs protocol version 6')] as string[],
  ],
  [
    'calls in a scope on protocol 6',
    async ctx => ctx.scope('t').serviceClient<{ x: (ctx: never) => Promise<void> }>({ name: 'X' }).x(),
    { version: 6 },
    [expect.stringContaining('Error 573 A scope needs protocol version 7')] as string[],
  ],
])('a handler that %s', async (_name, handler, journal, expected) => {
  expect(transcript((await run(handler, journal)).frames)).toEqual(expected);
});

test.each<[string, Handler, readonly Uint8Array[], readonly (string | RegExp)[]]>([
  [
    'another verb',
    async ctx => ctx.run('charge', () => 1),
    [sleep(1, 'nap'), slept(1)],
    [/command 1:/, /sleep "nap" was recorded/, /now does run "charge"/],
  ],
  [
    'another name',
    async ctx => ctx.sleep(1, 'b'),
    [sleep(1, 'a')],
    [/sleep "a" was recorded/, /now does sleep "b"/, /name was "a" and is "b"/],
  ],
  [
    'another argument',
    async ctx => X(ctx).x(2),
    [child(1, '1'), childId(1, 'inv_1c')],
    [/call X\/x was recorded/, /parameter was 1 and is 2/],
  ],
  [
    'a wait where the journal went on',
    async ctx => ctx.sleep(1),
    [sleep(1), sleep(2)],
    [/command 2:/, /now waits for sleep\. Is/],
  ],
  [
    'an end where the journal went on',
    async () => 1,
    [sleep(1, 'z')],
    [/sleep "z" was recorded/, /now does output/],
  ],
])('a journal mismatch is error 570: %s', async (_name, handler, entries, patterns) => {
  const { terminator, commands } = await run(handler, { entries });
  expect(commands).toEqual([]);
  if (terminator.name !== 'Error') throw new Error(`expected an error, got ${terminator.name}`);
  expect(terminator.message.code).toBe(570);
  for (const pattern of patterns) expect(terminator.message.message).toMatch(pattern);
});

test('a journal mismatch names commands of state and of promises, and by its number what the service has not', async () => {
  const set = encodeFrame('SetStateCommand', { key: Buffer.from('n'), value: json(1) });
  const peek = encodeFrame('PeekPromiseCommand', { key: 'paid', resultCompletionId: 1 });
  const handlers = { run: async (ctx: restate.Context) => ctx.sleep(1) };
  const plain = service({ name: 'S', handlers });
  const keyed = object({ name: 'O', handlers });
  const flow = workflow({ name: 'W', handlers });
  for (const [definition, entry, recorded] of [
    [keyed, set, 'set state n'],
    [flow, set, 'set state n'],
    [flow, peek, 'peek promise "paid"'],
    [keyed, peek, 'command 0x40a'],
    [plain, set, 'command 0x403'],
  ] as const) {
    const { terminator } = await attempt(definition, 'run', { entries: [entry], start: { key: 'k' } });
    const message = `Journal mismatch at command 1: ${recorded} was recorded, and the code now does sleep at `;
    expect(terminator).toMatchObject({ message: { code: 570, message: expect.stringContaining(message) } });
  }
});

test('a journal mismatch fails the invocation where the options say so', async () => {
  for (const handler of [async () => 1, async (ctx: restate.Context) => ctx.run('x', () => 1)]) {
    const journal = { entries: [sleep(1)] };
    const { frames } = await run(handler, journal, { onJournalMismatchErrors: 'fail' });
    expect(transcript(frames)).toEqual([
      expect.stringMatching(/^OutputCommand failure 570 Journal mismatch at command 1/),
      'End',
    ]);
  }
});

test.each([
  ['retry', 7, 0],
  ['pause', 7, 1],
  ['fail', 7, 2],
  ['pause', 6, 0],
] as const)('what a journal mismatch leads to: %s on protocol %i', async (option, version, behavior) => {
  const journal = { entries: [sleep(1)], version };
  const { terminator } = await run(async () => 1, journal, { onJournalMismatchErrors: option });
  expect(terminator.message).toMatchObject({ code: 570, behavior });
});

test('user code cannot catch a mismatch, and goes no further than its next await', async () => {
  let after = false;
  const { frames } = await run(
    async ctx => {
      try {
        await ctx.run('x', () => 1);
      } catch {
        after = true;
      }
      after = true;
    },
    { entries: [sleep(1), slept(1)] },
  );
  expect(frames.map(({ name }) => name)).toEqual(['Error']);
  expect(after).toBe(false);
});

const unreadable = Object.defineProperty(new Error(), 'message', {
  get: () => boom(),
});
const slowly = new RetryableError('later', { retryAfter: { seconds: 1n } as never });
const prototypeless = new TerminalError('gone', { metadata: { a: Object.create(null) } });
const deep = (ctx: restate.Context) => {
  let promise: restate.RestatePromise<void> = ctx.sleep(1);
  for (let i = 0; i < 10_000; i++) promise = promise.map(() => undefined);
  return promise;
};
const afterSleep = [sleep(1), slept(1)];

// Each of them would otherwise be an unhandled rejection or an uncaught exception: the end of the process, with all
// other attempts in it.
test.each<[string, Handler, readonly Uint8Array[], string[]]>([
  ['an error that cannot be read', async () => Promise.reject(unreadable), [], ['Error 500 boom']],
  [
    'the same in a closure',
    ctx => ctx.run('r', () => Promise.reject(unreadable)),
    [],
    ['RunCommand', 'Error 500 boom at 1'],
  ],
  ['a delay that is no duration', async () => Promise.reject(slowly), [], [expect.stringMatching(/BigInt/)]],
  [
    'metadata that is no text is still a result',
    async () => Promise.reject(prototypeless),
    [],
    ['OutputCommand failure 500 gone', 'End'],
  ],
  [
    'a mapper whose promise throws',
    // biome-ignore lint/suspicious/noThenProperty: what is tested
    async ctx => ctx.sleep(1).map((): unknown => ({ then: boom })),
    afterSleep,
    ['Error 500 boom at 1'],
  ],
  [
    'promises nested deeper than the stack',
    async ctx => deep(ctx),
    afterSleep,
    ['Error 500 Maximum call stack size exceeded at 1'],
  ],
])('the attempt fails and not the process: %s', async (_name, handler, entries, expected) => {
  expect(transcript((await run(handler, { entries })).frames)).toEqual(expected);
});

test('a mismatch ends the attempt although user code waits for something foreign', async () => {
  const { terminator } = await run(
    async ctx => {
      void ctx.run('x', () => 1);
      await new Promise(() => {});
    },
    { entries: [sleep(1)] },
  );
  expect(terminator.name).toBe('Error');
});

test.each<[string, JournalSpec]>([
  ['fewer entries than announced', { start: { knownEntries: 3 } }],
  ['more commands than announced', { start: { knownEntries: 1 }, entries: [sleep(1)] }],
  ['an empty journal', { start: { knownEntries: 0 } }],
  ['a frame that servers do not send', { entries: [encodeFrame('CommandAck', { commandIndex: 1 })] }],
  ['a notification without a result', { entries: [encodeFrame('SleepCompletion', { completionId: 1 })] }],
  ['a notification without an id', { entries: [encodeFrame('SleepCompletion', { void: true })] }],
])('a broken request is error 571: %s', async (_name, journal) => {
  const { frames } = await run(async () => 1, journal);
  expect(transcript(frames)).toEqual([expect.stringMatching(/^Error 571 Protocol violation/)]);
});
