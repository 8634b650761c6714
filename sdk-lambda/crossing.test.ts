/** Features of the SDK where they cross. */
import { contentTypeOf, decodeFrame, decodeFrames, encodeFrame } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import * as sdk from './index.ts';
import { type Context, RestatePromise, TerminalError } from './index.ts';
import {
  type Handler,
  type JournalSpec,
  json,
  ran,
  requestBody,
  run,
  runCommand,
  sleep,
  slept,
  transcript,
} from './journal.testkit.ts';

const batched = { batched: true };
const laterMs = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));
const signal = (signalName: string) =>
  encodeFrame('SignalNotification', { signalName, value: json(signalName) });
const slow: sdk.JournalValueCodec = {
  encode: value => value,
  decode: async value => value,
  comparable: () => true,
};
const quiet = { ...console, warn: () => {} } as Console;
const around = (handler: NonNullable<sdk.Interceptor['handler']>): sdk.ServiceOptions => ({
  hooks: [() => ({ interceptor: { handler } })],
});
const flushes = around(async next => {
  await next();
  await laterMs(1);
});
const reuses: Handler = async ctx => {
  const buffer = new Uint8Array(1);
  const step = (n: number) => ctx.run('r', () => buffer.fill(n), { ...batched, serde: sdk.serde.binary });
  const [one, two] = [await step(1), await step(2)];
  return [one[0], two[0]];
};

test.each<[string, Handler, JournalSpec, sdk.ServiceOptions, string[]]>([
  [
    '1 a batched run of a mapper comes before what follows',
    async ctx =>
      RestatePromise.race([
        ctx.sleep(1).map(() => ctx.run('r', () => 'run', batched)),
        ctx.sleep(2).map(() => 'slept'),
      ] as never),
    { entries: [sleep(1), sleep(2), slept(1), slept(2)] },
    {},
    ['RunCommand', 'ProposeRunCompletion "run"', 'OutputCommand "run"', 'End'],
  ],
  [
    '2 a decided race takes no second signal',
    async ctx => {
      await ctx.sleep(1);
      await RestatePromise.race([ctx.signal('a'), ctx.signal('b')]);
      return ctx.signal('b');
    },
    { codec: slow, entries: [sleep(1), signal('a'), signal('b'), slept(1)] },
    {},
    ['OutputCommand "b"', 'End'],
  ],
  [
    '3a while a hook flushes, what lost is not waited for',
    async ctx => Promise.race([ctx.run('r', () => 1), ctx.sleep(2)]),
    { entries: [runCommand(1, 'r'), sleep(2), ran(1, 1)] },
    flushes,
    ['OutputCommand 1', 'End'],
  ],
  [
    '3b nor is executed what was not awaited',
    async ctx => {
      ctx
        .run('r', () => {
          throw new Error('late');
        })
        .catch(() => {});
      return 1;
    },
    { console: quiet },
    flushes,
    ['RunCommand', 'OutputCommand 1', 'End'],
  ],
  [
    '4 buffers used again',
    reuses,
    {},
    {},
    [
      'RunCommand',
      'ProposeRunCompletion \u0001',
      'RunCommand',
      'ProposeRunCompletion \u0002',
      'OutputCommand [1,2]',
      'End',
    ],
  ],
])('%s', async (_name, handler, journal, options, expected) => {
  expect(transcript((await run(handler, journal, options)).frames)).toEqual(expected);
});

test.each([
  ['does not call next', async () => {}],
  ['swallows', (next: () => Promise<void>) => next().catch(() => {})],
  [
    'does not wait',
    async (next: () => Promise<void>) => {
      next().catch(() => {});
    },
  ],
])('5 a hook that %s makes no empty result', async (_name, hook) => {
  const { frames } = await run(
    async () => {
      await laterMs(1);
      throw new TerminalError('no');
    },
    {},
    around(hook),
  );
  expect(transcript(frames).at(-1)).toMatch(/^Error 500/);
});

const onLambda = async (
  h: (ctx: Context) => Promise<unknown>,
  left?: number,
  options: Partial<sdk.EndpointOptions> = {},
) => {
  const handler = sdk.createEndpointHandler({
    services: [sdk.service({ name: 'S', handlers: { h } })],
    ...options,
  });
  const event = {
    path: '/invoke/S/h',
    headers: { 'content-type': contentTypeOf(7) },
    body: Buffer.from(requestBody({})).toString('base64'),
    isBase64Encoded: true,
  };
  const { body } = await handler(event, left === undefined ? {} : { getRemainingTimeInMillis: () => left });
  return decodeFrames(Buffer.from(body, 'base64')).map(decodeFrame);
};

test('6 a batch that no answer holds goes on in the next attempt', async () => {
  const frames = await onLambda(async ctx => {
    for (let i = 0; i < 500; i++) await ctx.run('r', () => 'x'.repeat(12_000), batched);
  });
  expect(frames.at(-1)?.name).toBe('Suspension');
});

test.each([-100, 0, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 40])(
  '7 %s ms left is no limit',
  async left => {
    const frames = await onLambda(ctx => ctx.run('r', () => laterMs(20)), left);
    expect(frames.map(({ name }) => name)).toEqual(['RunCommand', 'ProposeRunCompletion', 'Suspension']);
  },
);

test('8 the limit counts what was spent before the attempt', async () => {
  const begun = performance.now();
  await onLambda(ctx => ctx.run('r', () => laterMs(2000)), 400, {
    journalValueCodecProvider: async () => {
      await laterMs(250);
      return slow;
    },
  });
  expect(performance.now() - begun).toBeLessThan(400);
});

test('9 the run that has no time is named, and pauses', async () => {
  const now = 1_000;
  const h: Handler = async ctx =>
    RestatePromise.all([
      ctx.run('o', () => 1),
      ctx.run('long', () => 2, { ...batched, expectedDuration: 3_600_000 }),
    ]);
  const timeLimit = {
    until: 2_000,
    totalMs: 1_000,
    onTimeout: () => () => {},
  };
  const { terminator } = await run(h, { version: 7, now: () => now, timeLimit });
  expect(terminator.message).toMatchObject({ relatedCommandName: 'long', behavior: 1 });
});

test('10 an error of module scope does not grow', async () => {
  const gone = new TerminalError('gone');
  const h: Handler = async ctx => {
    await ctx.sleep(1).map(() => {
      throw gone;
    });
  };
  for (let i = 0; i < 100; i++) await run(h, { entries: [sleep(1), slept(1)] });
  expect(gone.stack?.length).toBeLessThan(3_000);
});

test('11 a mismatch is told in linear time', async () => {
  const h: Handler = async ctx => RestatePromise.all(Array.from({ length: 1_000 }, () => ctx.sleep(1)));
  const { terminator } = await run(h, { entries: Array.from({ length: 1_001 }, (_, i) => sleep(i + 1)) });
  expect((terminator.message as { message: string }).message.length).toBeLessThan(1_000);
});
