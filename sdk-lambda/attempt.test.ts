/** How attempts end, told as handler, journal and the frames that come out. */
import { type DecodedFrame, encodeFrame } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import * as restate from './index.ts';
import { CancelledError, RestatePromise, RetryableError, TerminalError } from './index.ts';
import { attempt, type JournalSpec, json, liveAttempt, NOW_MS, text, utf8 } from './journal.testkit.ts';

type Handler = (ctx: restate.Context, input: unknown) => Promise<unknown>;
const serviceOf = (handler: Handler, options: restate.ServiceOptions = {}) =>
  restate.service({ name: 'S', handlers: { h: handler }, options });
const run = (handler: Handler, journal: JournalSpec = {}, options?: restate.ServiceOptions) =>
  attempt(serviceOf(handler, options), 'h', journal);

const sleep = (resultCompletionId: number, name = '') =>
  encodeFrame('SleepCommand', { wakeUpTime: 5, resultCompletionId, name });
const slept = (completionId: number) => encodeFrame('SleepCompletion', { completionId, void: true });
const runCommand = (resultCompletionId: number, name: string) =>
  encodeFrame('RunCommand', { resultCompletionId, name });
const ran = (completionId: number, value: unknown) =>
  encodeFrame('RunCompletion', { completionId, value: json(value) });
const child = (first: number, parameter = '') =>
  encodeFrame('CallCommand', {
    serviceName: 'X',
    handlerName: 'x',
    parameter: utf8(parameter),
    invocationIdNotificationIdx: first,
    resultCompletionId: first + 1,
  });
const childId = (completionId: number, invocationId: string) =>
  encodeFrame('CallInvocationIdCompletion', { completionId, invocationId });
const cancel = encodeFrame('SignalNotification', { signalId: 1, void: true });
const X = (ctx: restate.Context) =>
  ctx.serviceClient<{ x: (ctx: never, input?: unknown) => Promise<void> }>({ name: 'X' });

/** One line per frame, with what matters. */
function transcript(frames: readonly DecodedFrame[]): string[] {
  return frames.map(({ name, message }) => {
    switch (name) {
      case 'Suspension':
        return `Suspension c${[...message.waitingCompletions].sort()} s${[...message.waitingSignals].sort()}`;
      case 'Error': {
        const related = message.relatedCommandIndex === undefined ? '' : ` at ${message.relatedCommandIndex}`;
        const delay = message.nextRetryDelay === undefined ? '' : ` retry ${message.nextRetryDelay}`;
        return `Error ${message.code} ${message.message}${related}${delay}`;
      }
      case 'OutputCommand':
      case 'ProposeRunCompletion':
        return message.failure === undefined
          ? `${name} ${text(message.value)}`
          : `${name} failure ${message.failure.code} ${message.failure.message}`;
      case 'SendSignalCommand':
        return `SendSignal ${message.targetInvocationId} ${message.idx}`;
      default:
        return name;
    }
  });
}

const boom = () => {
  throw new Error('boom');
};

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
    'metadata on protocol 5',
    async () => Promise.reject(new TerminalError('no', { metadata: { a: 'b' } })),
    { version: 5 },
    [expect.stringContaining('Error 573 TerminalError metadata needs protocol version 6')] as string[],
  ],
])('a handler that %s', async (_name, handler, journal, expected) => {
  expect(transcript((await run(handler, journal)).frames)).toEqual(expected);
});

test.each<[string, Handler, readonly Uint8Array[], readonly (string | RegExp)[]]>([
  [
    'another verb',
    async ctx => ctx.run('charge', () => 1),
    [sleep(1, 'nap'), slept(1)],
    [/command 1 \(journal entry 1\)/, /recorded sleep "nap"/, /now does run "charge"/],
  ],
  [
    'another name',
    async ctx => ctx.sleep(1, 'b'),
    [sleep(1, 'a')],
    [/recorded sleep "a"/, /now does sleep "b"/, /differ in name: "a" before, "b" now/],
  ],
  [
    'another argument',
    async ctx => X(ctx).x(2),
    [child(1, '1'), childId(1, 'inv_1c')],
    [/recorded call X\/x/, /differ in parameter: 1 before, 2 now/],
  ],
  [
    'a wait where the journal went on',
    async ctx => ctx.sleep(1),
    [sleep(1), sleep(2)],
    [/command 2 \(journal entry 2\)/, /now waits or ends there/],
  ],
  [
    'an end where the journal went on',
    async () => 1,
    [sleep(1, 'z')],
    [/recorded sleep "z"/, /now does output/],
  ],
])('a journal mismatch is error 570: %s', async (_name, handler, entries, patterns) => {
  const { terminator, commands } = await run(handler, { entries });
  expect(commands).toEqual([]);
  if (terminator.name !== 'Error') throw new Error(`expected an error, got ${terminator.name}`);
  expect(terminator.message.code).toBe(570);
  for (const pattern of patterns) expect(terminator.message.message).toMatch(pattern);
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

// ---- runs

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

// ---- cancellation

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
  ['waits for the ids of child calls', compensating, [...issued, cancel], ['Suspension c2 s1']],
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

// ---- the rest of the context

test('a live channel needs no suspension while its input is open', async () => {
  const handler: Handler = async ctx => {
    await ctx.sleep(1);
    await ctx.sleep(2);
    return 'done';
  };
  const chunks = [slept(1), slept(2)].map(frame => ({ drains: 2, frames: [frame] }));
  const { frames } = await liveAttempt(serviceOf(handler), 'h', {}, chunks);
  expect(transcript(frames)).toEqual(['SleepCommand', 'SleepCommand', 'OutputCommand "done"', 'End']);
});

test.each<[string, (ctx: restate.Context) => unknown]>([
  ['a step', ctx => ctx.sleep(1)],
  ['randomness', ctx => ctx.rand.random()],
])('%s inside a run is refused, for replay would miss it', async (_name, use) => {
  const { terminator } = await run(async ctx => ctx.run('r', () => use(ctx)));
  expect(transcript([terminator])).toEqual([expect.stringContaining('used inside a closure of ctx.run')]);
});

test('what user code throws always leaves the attempt with an end', async () => {
  const odd = new TerminalError('odd', { errorCode: 1.5, metadata: { n: 1 as unknown as string } });
  expect(transcript((await run(async () => Promise.reject(odd))).frames)).toEqual([
    'OutputCommand failure 500 odd',
    'End',
  ]);
  const delay = new RetryableError('odd', { retryAfter: Number.NaN });
  expect(transcript((await run(async () => Promise.reject(delay))).frames)).toEqual(['Error 500 odd']);
});

test('the console is silent until the recorded commands are exhausted', async () => {
  const lines: unknown[][] = [];
  const console = { ...globalThis.console, log: (...args: unknown[]) => lines.push(args) } as Console;
  const handler: Handler = async ctx => {
    ctx.console.log('before');
    await ctx.sleep(1);
    ctx.console.log('after');
  };
  await run(handler, { console, entries: [sleep(1), slept(1)] });
  expect(lines).toEqual([['[S/h][inv_1test]', 'after']]);
});

test('random values are fixed for ever by the seed', async () => {
  const handler: Handler = async ctx => [ctx.rand.random(), ctx.rand.uuidv4(), ctx.rand.random()];
  const values = async (journal: JournalSpec) => transcript((await run(handler, journal)).frames)[0];
  expect(await values({})).toBe(await values({}));
  expect(await values({ start: { randomSeed: 2n ** 63n + 5n } })).toMatchInlineSnapshot(
    `"OutputCommand [0.45610403018078527,"3a97d256-855b-4168-a39b-69eba3e000de",0.9971354947132095]"`,
  );
  expect(await values({ version: 5, start: { randomSeed: 0n } })).toMatchInlineSnapshot(
    `"OutputCommand [0.7364065183569942,"7cb7d8b0-cd3c-49be-9126-d2c8439496cf",0.27887968435135535]"`,
  );
});

test('the request and the signal of the end of the attempt', async () => {
  let signal: AbortSignal | undefined;
  const { frames } = await run(
    async ctx => {
      const request = ctx.request();
      signal = request.attemptCompletedSignal;
      await ctx.date.now();
      return [request.id, String(request.target), request.body.length];
    },
    { entries: [runCommand(1, ''), ran(1, NOW_MS)], input: utf8('7') },
  );
  expect(transcript(frames)[0]).toBe('OutputCommand ["inv_1test","S/h",1]');
  expect(signal?.aborted).toBe(true);
});
