/** The rest of the context, and live channels. */
import { expect, test } from 'vitest';
import type * as restate from '../index.ts';
import { RestatePromise, RetryableError, TerminalError } from '../index.ts';
import {
  boom,
  type Handler,
  type JournalSpec,
  json,
  liveAttempt,
  NOW_MS,
  ran,
  run,
  runCommand,
  serviceOf,
  sleep,
  slept,
  transcript,
  utf8,
} from '../journal.testkit.ts';

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
  ['a step after an await', ctx => Promise.resolve().then(() => ctx.sleep(1))],
])('%s inside a run is refused, for replay would miss it', async (_name, use) => {
  const { terminator } = await run(async ctx => ctx.run('r', () => use(ctx), { maxRetryAttempts: 1 }));
  expect(transcript([terminator])).toEqual([expect.stringContaining('used inside a closure of ctx.run')]);
});

test('a closure may use a promise that has settled, and is refused one that has not', async () => {
  const using =
    (first: (ctx: restate.Context) => restate.RestatePromise<unknown>): Handler =>
    async ctx => {
      const promise = first(ctx);
      const elsewhere = promise.then(value => value);
      if (ctx.request().body.length > 0) await promise;
      return RestatePromise.all([ctx.run('r', async () => [await promise])]).then(async ([r]) => [
        r,
        await elsewhere,
      ]);
    };
  const settled = using(ctx => ctx.run('a', () => 1));
  const entries = [runCommand(1, 'a'), ran(1, 1)];
  expect(transcript((await run(settled, { entries, input: json(1) })).frames)).toEqual([
    'RunCommand',
    'ProposeRunCompletion [1]',
    'Suspension c2 s1',
  ]);
  const { terminator } = await run(using(ctx => ctx.sleep(1)));
  expect(transcript([terminator])).toEqual([expect.stringContaining('used inside a closure of ctx.run')]);
});

test.each<[string, (ctx: restate.Context) => unknown]>([
  ['a run without a function', ctx => ctx.run('r', undefined as never)],
  ['a run with its arguments swapped', ctx => ctx.run((() => 1) as never, (() => 1) as never)],
  ['a sleep for no time', ctx => ctx.sleep(undefined as never)],
  ['a timeout that is not a number', ctx => ctx.awakeable().promise.orTimeout(Number.NaN)],
  ['a send after infinity', ctx => ctx.genericSend({ ...target, delay: Number.POSITIVE_INFINITY })],
  ['an empty idempotency key', ctx => ctx.genericCall({ ...target, idempotencyKey: '' })],
])('%s fails the attempt before anything is recorded', async (_name, use) => {
  const { frames } = await run(async ctx => use(ctx));
  expect(transcript(frames)).toEqual([expect.stringMatching(/^Error 500 .*HF_SDK_ARGUMENT\.md\.$/)]);
});
const target = { service: 'X', method: 'x', parameter: new Uint8Array() };

test('the name of a run may be left out, and a send without delay has no time', async () => {
  const { frames } = await run(async ctx => {
    ctx.genericSend({ ...target, delay: 0 });
    await ctx.run(boom, { maxRetryAttempts: 1 });
  });
  expect(frames[0]?.message).toMatchObject({ invokeTime: 0 });
  expect(transcript(frames).at(-2)).toBe('ProposeRunCompletion failure 500 boom');
});

test('what user code throws always leaves the attempt with an end', async () => {
  const odd = new TerminalError('odd', { errorCode: 1.5, metadata: { n: 1 as unknown as string } });
  expect(transcript((await run(async () => Promise.reject(odd))).frames)).toEqual([
    'OutputCommand failure 500 odd',
    'End',
  ]);
  const circular: { self?: unknown } = {};
  circular.self = circular;
  for (const thrown of [
    circular,
    1n,
    {
      get message() {
        throw new Error('getter');
      },
    },
  ]) {
    const throwing: Handler = async () => Promise.reject(thrown);
    const expected = [expect.stringMatching(/^Error 500 Non-Error value of type (object|bigint)$/)];
    const mapper = {
      asTerminalError: (error: unknown) => {
        throw error;
      },
    };
    expect(transcript((await run(throwing)).frames)).toEqual(expected);
    expect(transcript((await run(throwing, {}, mapper)).frames)).toEqual(expected);
  }
  const foreign: Handler = async ctx =>
    RestatePromise.any([
      ctx.sleep(1).map(() => {
        throw { message: 'of another realm' };
      }),
      ctx.sleep(2).map(() => {
        throw circular;
      }),
    ]);
  const entries = [sleep(1), sleep(2), slept(1), slept(2)];
  expect(transcript((await run(foreign, { entries })).frames)).toEqual([
    'Error 500 All promises were rejected at 2',
  ]);
  const noDelay = new RetryableError('odd', { retryAfter: null as never });
  expect(transcript((await run(async () => Promise.reject(noDelay))).frames)).toEqual(['Error 500 odd']);
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
