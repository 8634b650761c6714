/** The rest of the context, and live channels. */

import { encodeFrame } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import * as restate from '../index.ts';
import { RestatePromise, RetryableError, TerminalError } from '../index.ts';
import {
  attempt,
  boom,
  type Handler,
  type JournalSpec,
  json,
  liveAttempt,
  NOW_MS,
  ran,
  requestBody,
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
  ['an empty scope', ctx => ctx.genericSend({ ...target, scope: '' })],
  ['a limit key without a scope', ctx => ctx.genericCall({ ...target, limitKey: 'l' })],
])('%s fails the attempt before anything is recorded', async (_name, use) => {
  const { frames } = await run(async ctx => use(ctx));
  expect(transcript(frames)).toEqual([expect.stringMatching(/^Error 500 .*HF_SDK_ARGUMENT\.md\.$/)]);
});
const target = { service: 'X', method: 'x', parameter: new Uint8Array() };

test('a signal that came twice before anybody waited is not lost', async () => {
  const named = (value: number) => encodeFrame('SignalNotification', { signalName: 'a', value: json(value) });
  const handler: Handler = async ctx => {
    await ctx.sleep(1);
    return [await ctx.signal('a'), await ctx.signal('a')];
  };
  const entries = [sleep(1), named(1), named(2), slept(1)];
  // The official SDK has the second alone.
  expect(transcript((await run(handler, { entries })).frames)).toEqual(['OutputCommand [1,2]', 'End']);
});

test('a shared handler reads state and does not change it', async () => {
  const { shared } = restate.handlers.object;
  const using = (use: (ctx: restate.ObjectContext) => unknown) =>
    restate.object({
      name: 'O',
      handlers: { h: shared(async (ctx: restate.ObjectSharedContext) => use(ctx as restate.ObjectContext)) },
    });
  const start = { partialState: false, key: 'k' };
  for (const change of [
    (ctx: restate.ObjectContext) => ctx.set('a', 1),
    (ctx: restate.ObjectContext) => ctx.clear('a'),
    (ctx: restate.ObjectContext) => ctx.clearAll(),
  ]) {
    const { frames } = await attempt(using(change), 'h', { start });
    expect(transcript(frames)).toEqual([expect.stringMatching(/^Error 500 .*HF_SDK_SHARED_STATE/)]);
  }
  const { frames } = await attempt(
    using(ctx => [ctx.key, `${ctx.request().target}`]),
    'h',
    { start },
  );
  expect(transcript(frames)).toEqual(['OutputCommand ["k","O/k/h"]', 'End']);
});

test('a read of other state than recorded is not answered, though the answer is known', async () => {
  let after = false;
  const object = restate.object({
    name: 'O',
    handlers: {
      h: async (ctx: restate.ObjectContext) => {
        await ctx.get('b');
        after = true;
      },
    },
  });
  const entries = [encodeFrame('GetEagerStateCommand', { key: utf8('a'), void: true })];
  const { terminator } = await attempt(object, 'h', { entries, start: { partialState: false } });
  expect(transcript([terminator])).toEqual([expect.stringMatching(/^Error 570 .*get state "?a/)]);
  expect(after).toBe(false);
});

test("a logger gets the console's lines, and is told which are repeated", async () => {
  const lines: unknown[] = [];
  const endpoint = restate
    .endpoint()
    .bind(
      serviceOf(async ctx => {
        ctx.console.log('first', 1);
        await ctx.sleep(1);
        ctx.console.warn('second');
      }),
    )
    .setLogger(({ level, replaying, context }, ...message) => {
      lines.push([level, replaying, context?.invocationTarget, context?.invocationId, ...message]);
    });
  await endpoint.handler()(
    {
      path: '/invoke/S/h',
      headers: { 'content-type': 'application/vnd.restate.invocation.v6' },
      body: Buffer.from(requestBody({ entries: [sleep(1), slept(1)] })).toString('base64'),
      isBase64Encoded: true,
    },
    {},
  );
  expect(lines).toEqual([
    ['info', true, 'S/h', 'inv_1test', 'first', 1],
    ['warn', false, 'S/h', 'inv_1test', 'second'],
  ]);
});

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
  for (const retryAfter of [Number.NaN, 1e300]) {
    const delay = new RetryableError('odd', { retryAfter });
    expect(transcript((await run(async () => Promise.reject(delay))).frames)).toEqual(['Error 500 odd']);
  }
  for (const stack of [null, [{}]]) {
    const error = Object.assign(new Error('odd'), { stack });
    expect(transcript((await run(async () => Promise.reject(error))).frames)).toEqual(['Error 500 odd']);
  }
});

test('random values are fixed for ever by the seed', async () => {
  const handler: Handler = async ctx => [ctx.rand.random(), ctx.rand.uuidv4(), ctx.rand.random()];
  const values = async (journal: JournalSpec) => transcript((await run(handler, journal)).frames)[0];
  expect(await values({})).toBe(await values({}));
  expect(await values({ start: { randomSeed: 2n ** 63n + 5n } })).toMatchInlineSnapshot(
    `"OutputCommand [0.33066255455862603,"122f831f-db27-431f-86a5-e4f0bd582c07",0.22586958917725586]"`,
  );
  expect(await values({ version: 5, start: { randomSeed: 0n } })).toMatchInlineSnapshot(
    `"OutputCommand [0.6171828300224756,"fdd63d7b-99b9-4c33-929a-1e32fae6bc41",0.4845153368952394]"`,
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
