/** Hooks: what is called when, and what becomes of what they throw; the same with the official SDK, row by row. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { contentTypeOf, decodeFrame, decodeFrames } from '@holdfast/protocol';
import * as official from '@restatedev/restate-sdk/lambda';
import { expect, test } from 'vitest';
import { comparable } from './comparable.testkit.ts';
import { createEndpointHandler as createFetchHandler } from './fetch.ts';
import * as ours from './index.ts';
import { ran, requestBody, runCommand, sleep, slept } from './journal.testkit.ts';

type Sdk = typeof ours;
type Context = ours.Context;

interface Row {
  readonly entries?: readonly Uint8Array[];
  /** The hooks of endpoint, service and handler, by name. */
  readonly levels?: readonly (readonly string[])[];
  /** What a hook does beside telling of it. */
  readonly hook?: (at: string, sdk: Sdk) => unknown;
}

/** Tells what happens, in order. */
function hookOf(sdk: Sdk, name: string, trace: string[], act: (at: string) => unknown): ours.HooksProvider {
  const around = (verb: string) => async (next: () => Promise<void>) => {
    trace.push(`${name} before ${verb}`);
    await act(`${name} before ${verb}`);
    try {
      await next();
    } catch (error) {
      const { code } = error as ours.RestateError;
      const what = sdk.internal.isSuspendedError(error) ? 'that it suspends' : (code ?? error);
      trace.push(`${name} ${verb} throws ${what}`);
      await act(`${name} ${verb} throws`);
      throw error;
    }
    trace.push(`${name} after ${verb}`);
    await act(`${name} after ${verb}`);
  };
  return ({ request }) => {
    trace.push(`${name} is made for ${request.target}`);
    act(`${name} is made`);
    return { interceptor: { handler: around('handler'), run: (run, next) => around(`run ${run}`)(next) } };
  };
}

async function answer(
  sdk: Sdk,
  h: (ctx: Context, trace: string[], sdk: Sdk) => unknown,
  { entries = [], levels = [[], ['a'], []], hook = () => {} }: Row,
) {
  const trace: string[] = [];
  const hooksOf = (level: number) => {
    const names = levels[level] ?? [];
    return names.length === 0
      ? {}
      : { hooks: names.map(name => hookOf(sdk, name, trace, at => hook(at, sdk))) };
  };
  const handler = sdk.createEndpointHandler({
    services: [
      sdk.service({
        name: 'S',
        handlers: {
          h: sdk.handlers.handler(hooksOf(2), async (ctx: Context) => {
            trace.push('handler');
            return h(ctx, trace, sdk);
          }),
        },
        options: hooksOf(1),
      }),
    ],
    defaultServiceOptions: hooksOf(0),
    logger: () => {},
  });
  const body = requestBody({ entries, start: { debugId: `inv_1${'0'.repeat(33)}` } });
  const event = {
    path: '/invoke/S/h',
    headers: { 'content-type': contentTypeOf(6) },
    body: Buffer.from(body).toString('base64'),
    isBase64Encoded: true,
  };
  const response = await handler(event, { awsRequestId: 'r' });
  return { trace, frames: comparable(response), body: response.body };
}

const twoRuns = async (ctx: Context, trace: string[]) => {
  const one = await ctx.run('one', () => {
    trace.push('closure one');
    return 1;
  });
  trace.push('between');
  return [one, await ctx.run('two', () => trace.push('closure two'))];
};
const failing = (ctx: Context, _trace: string[], sdk: Sdk) =>
  ctx.run('r', () => {
    throw new sdk.TerminalError('terminal', { errorCode: 418 });
  });
const retried = (ctx: Context) =>
  ctx.run('r', () => {
    throw new Error('try again');
  });
const at = (moment: string, act: (sdk: Sdk) => unknown) => (now: string, sdk: Sdk) =>
  now === moment ? act(sdk) : undefined;
const throwing = (moment: string, of: 'Error' | 'TerminalError') =>
  at(moment, sdk => {
    if (of === 'Error') throw new Error(`from ${moment}`);
    throw new sdk.TerminalError(`from ${moment}`, { errorCode: 418 });
  });

const MOMENTS = [
  'a is made',
  'a before handler',
  'a after handler',
  'a before run r',
  'a after run r',
  'a run r throws',
];

const MOMENT_HANDLERS: Readonly<Record<string, Parameters<typeof answer>[1]>> = {
  'a after handler': () => 1,
  'a run r throws': failing,
};

const rows: readonly [string, Parameters<typeof answer>[1], Row][] = [
  ['a handler that returns', () => 1, {}],
  [
    'endpoint, service and handler',
    ctx => ctx.run('r', () => 1),
    {
      levels: [
        ['e1', 'e2'],
        ['s1', 's2'],
        ['h1', 'h2'],
      ],
    },
  ],
  [
    'the handler throws a TerminalError',
    (_ctx, _t, sdk) => Promise.reject(new sdk.TerminalError('t', { errorCode: 418 })),
    {},
  ],
  ['the handler throws', () => Promise.reject(new Error('e')), {}],
  ['endpoint and handler', () => 1, { levels: [['e'], [], ['h']] }],
  ['suspends for a run', twoRuns, {}],
  ['a run that is recorded', twoRuns, { entries: [runCommand(1, 'one'), ran(1, 1)] }],
  [
    'both runs are recorded',
    twoRuns,
    { entries: [runCommand(1, 'one'), ran(1, 1), runCommand(2, 'two'), ran(2, 2)] },
  ],
  ['suspends for a sleep', ctx => ctx.sleep(1), { levels: [[], ['s'], ['h']] }],
  ['a run without a name', ctx => ctx.run(() => 1), {}],
  ['a run that fails for good', failing, {}],
  ['a run that is retried', retried, {}],
  [
    'a run that is retried once, and then fails for good',
    ctx => ctx.run('r', () => Promise.reject(new Error('e')), { maxRetryAttempts: 1 }),
    {},
  ],
  ['the code departs from its journal', ctx => ctx.sleep(1), { entries: [runCommand(1, 'one')] }],
  ...MOMENTS.flatMap(moment =>
    (['Error', 'TerminalError'] as const).map((of): [string, Parameters<typeof answer>[1], Row] => [
      `${of} ${moment}`,
      MOMENT_HANDLERS[moment] ?? (ctx => ctx.run('r', () => 1)),
      { hook: throwing(moment, of) },
    ]),
  ),
];

test.each(rows)('%s', async (_name, handler, row) => {
  const { body: _ours, ...got } = await answer(ours, handler, row);
  const { body: _official, ...expected } = await answer(official as unknown as Sdk, handler, row);
  expect(got).toEqual(expected);
});

// ---- beyond parity

const S = (h: (ctx: Context) => unknown, hooks: ours.HooksProvider[]) =>
  ours.service({ name: 'S', handlers: { h: async (ctx: Context) => h(ctx) }, options: { hooks } });
const onLambda = (definition: ReturnType<typeof S>, entries: readonly Uint8Array[], context: object) =>
  ours.createEndpointHandler({ services: [definition] })(
    {
      path: '/invoke/S/h',
      headers: { 'content-type': contentTypeOf(6) },
      body: Buffer.from(requestBody({ entries })).toString('base64'),
      isBase64Encoded: true,
    },
    context,
  );
const namesOf = ({ body }: ours.LambdaResponse) =>
  decodeFrames(Buffer.from(body, 'base64')).map(frame => decodeFrame(frame).name);
const laterMs = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

test('the answer of a suspension waits for its hooks', async () => {
  let flushed = false;
  const flushes: ours.HooksProvider = () => ({
    interceptor: {
      handler: async next => {
        try {
          await next();
        } finally {
          await laterMs(20);
          flushed = true;
        }
      },
    },
  });
  const answered = await onLambda(
    S(ctx => ctx.sleep(1), [flushes]),
    [],
    {},
  );
  expect([namesOf(answered), flushed]).toEqual([['SleepCommand', 'Suspension'], true]);
});

test.each<[string, (ctx: Context) => unknown, string]>([
  ['that suspends', ctx => ctx.sleep(1), 'Suspension'],
  ['that executes something', ctx => ctx.run('r', () => laterMs(1000)), 'Error'],
])(
  'on Lambda hooks that do not end are not waited for when the time is up: of a handler %s',
  async (_name, h, end) => {
    const ends: unknown[] = [];
    const hangs: ours.HooksProvider = () => ({
      interceptor: {
        handler: next =>
          next().catch(error => new Promise(() => ends.push(ours.internal.isSuspendedError(error)))),
      },
    });
    const answered = await onLambda(S(h, [hangs]), [], { getRemainingTimeInMillis: () => 200 });
    expect(namesOf(answered).at(-1)).toBe(end);
    expect(ends).toEqual([end === 'Suspension']);
  },
);

test('on a stream, the end waits for hooks, and they hear when the server is gone', async () => {
  const trace: string[] = [];
  const telling: ours.HooksProvider = ({ recordedSteps }) => ({
    interceptor: {
      handler: async next => {
        trace.push(`begins with ${recordedSteps}`);
        try {
          await next();
        } catch (error) {
          await laterMs(5);
          trace.push(ours.internal.isSuspendedError(error) ? 'suspends' : 'fails');
          throw error;
        }
      },
    },
  });
  const handler = createFetchHandler({ services: [S(ctx => ctx.sleep(1), [telling])], bidirectional: true });
  const body = new Uint8Array(requestBody({ entries: [sleep(1)] }));
  const request = (signal: AbortSignal) =>
    new Request('http://x/invoke/S/h', {
      method: 'POST',
      headers: { 'content-type': contentTypeOf(6) },
      body: new ReadableStream({
        start(controller) {
          controller.enqueue(body);
          if (!signal.aborted) controller.close();
        },
      }),
      duplex: 'half',
    } as RequestInit);
  const response = await handler(request(new AbortController().signal));
  expect(
    decodeFrames(new Uint8Array(await response.arrayBuffer())).map(frame => decodeFrame(frame).name),
  ).toEqual(['Suspension']);
  expect(trace).toEqual(['begins with 1', 'suspends']);
  const cancelled = await handler(request(AbortSignal.abort()));
  await laterMs(5);
  await cancelled.body?.cancel();
  await laterMs(20);
  expect(trace.slice(2)).toEqual(['begins with 1', 'suspends']);
});

test('the asynchronous context of hooks is that of handler, branches and closures', async () => {
  const scope = new AsyncLocalStorage<string>();
  const trace: unknown[] = [];
  const opens: ours.HooksProvider = () => ({
    interceptor: {
      handler: next => scope.run('handler', next),
      run: (name, next) => {
        trace.push(`${name} in ${scope.getStore()}`);
        return scope.run(`${scope.getStore()}/${name}`, next);
      },
    },
  });
  const closure = async () => {
    await laterMs(1);
    trace.push(scope.getStore());
  };
  const branch = async (ctx: Context, name: string) => {
    await ctx.sleep(1);
    await ctx.run(name, closure);
  };
  await onLambda(
    S(
      ctx =>
        Promise.all([
          scope.run('left', () => branch(ctx, 'l')),
          scope.run('right', () => branch(ctx, 'r')),
          ctx.run('m', closure),
        ]),
      [opens],
    ),
    [sleep(1), sleep(2), runCommand(3, 'm'), slept(2), slept(1)],
    {},
  );
  expect(trace.map(String).sort()).toEqual([
    'handler/m',
    'l in left',
    'left/l',
    'm in handler',
    'r in right',
    'right/r',
  ]);
});

test('a closure within hooks cannot use the context either', async () => {
  const opens: ours.HooksProvider = () => ({ interceptor: { run: async (_name, next) => next() } });
  const answered = await onLambda(
    S(ctx => ctx.run('r', () => ctx.sleep(1)), [opens]),
    [],
    {},
  );
  const last = decodeFrames(Buffer.from(answered.body, 'base64')).map(decodeFrame).at(-1);
  expect(last).toMatchObject({
    name: 'Error',
    message: { message: expect.stringContaining('HF_SDK_NESTED_STEP') },
  });
});
