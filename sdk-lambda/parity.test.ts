/** The same handler and journal with the official SDK and with ours: the same answer, row by row. */
import { contentTypeOf, encodeFrame, type MessageInput } from '@holdfast/protocol';
import * as official from '@restatedev/restate-sdk/lambda';
import { expect, test } from 'vitest';
import { comparable } from './comparable.testkit.ts';
import * as ours from './index.ts';
import { cancel, child, childId, json, requestBody, sleep, slept, utf8 } from './journal.testkit.ts';

type Sdk = typeof ours;
type Context = ours.WorkflowContext & ours.internal.ContextInternal;
interface Row {
  readonly entries?: readonly Uint8Array[];
  readonly start?: MessageInput<'Start'>;
  readonly options?: ours.WorkflowOptions;
  readonly version?: number;
}

/** The handler as it is in a workflow, which can do everything. */
async function answer(
  sdk: Sdk,
  h: (ctx: Context, sdk: Sdk) => unknown,
  { entries, start, options, version }: Row,
) {
  const run = async (ctx: ours.WorkflowContext) => h(ctx as Context, sdk);
  const handler = sdk.createEndpointHandler({
    services: [sdk.workflow({ name: 'W', handlers: { run }, options: options ?? {} })],
    logger: () => {},
  });
  const body = requestBody({
    ...(entries === undefined ? {} : { entries }),
    // Ids as long as real ones, for the official SDK parses them.
    start: { key: 'k', debugId: `inv_1${'0'.repeat(33)}`, ...start },
  });
  const event = {
    path: '/invoke/W/run',
    headers: { 'content-type': contentTypeOf(version ?? 6) },
    body: Buffer.from(body).toString('base64'),
    isBase64Encoded: true,
  };
  return comparable(await handler(event, { awsRequestId: 'r' }));
}

async function sameAnswer(handler: Parameters<typeof answer>[1], row: Row) {
  for (const version of [6, 7]) {
    const at = { version, ...row };
    expect(await answer(ours, handler, at)).toEqual(await answer(official as unknown as Sdk, handler, at));
  }
}

const state = (partialState: boolean, entries: Record<string, unknown>) => ({
  start: {
    partialState,
    stateMap: Object.entries(entries).map(([key, value]) => ({ key: utf8(key), value: json(value) })),
  },
});
const eager = (key: string, value: unknown) =>
  encodeFrame('GetEagerStateCommand', { key: utf8(key), value: json(value) });
const lazy = (key: string, resultCompletionId: number) =>
  encodeFrame('GetLazyStateCommand', { key: utf8(key), resultCompletionId });
const lazyIs = (completionId: number, value: unknown) =>
  encodeFrame('GetLazyStateCompletion', { completionId, value: json(value) });
const X = (ctx: Context) => ctx.serviceClient<{ x: (ctx: never) => Promise<void> }>({ name: 'X' }).x();
const signal = (signalName: string, value: unknown) =>
  encodeFrame('SignalNotification', { signalName, value: json(value) });

test.each<[string, (ctx: Context, sdk: Sdk) => unknown, Row]>([
  [
    'state is known once it was set',
    async ctx => {
      ctx.set('a', 1);
      return [await ctx.get('a'), await ctx.get('b')];
    },
    {},
  ],
  [
    'state is known to be gone once it was cleared',
    async ctx => {
      ctx.clear('a');
      return ctx.get('a');
    },
    state(true, { a: 1 }),
  ],
  [
    'everything is known after clearAll',
    async ctx => {
      ctx.clearAll();
      ctx.set('z', 1);
      ctx.set('b', 2);
      return [await ctx.get('a'), await ctx.stateKeys()];
    },
    state(true, { a: 1 }),
  ],
  [
    'keys are not known where there may be others',
    async ctx => {
      ctx.set('z', 1);
      return ctx.stateKeys();
    },
    {},
  ],
  [
    'keys are sorted',
    async ctx => {
      ctx.set('a', 1);
      return ctx.stateKeys();
    },
    state(false, { z: 1, m: 2 }),
  ],
  [
    'nothing and null are values',
    async ctx => {
      ctx.set('a', undefined);
      ctx.set('b', null);
      return [await ctx.get('a'), await ctx.get('b'), await ctx.stateKeys()];
    },
    state(false, {}),
  ],
  [
    'of partial state some is known',
    async ctx => [await ctx.get('z'), await ctx.get('q')],
    state(true, { z: 1 }),
  ],
  [
    'an eager read takes a completion id',
    async ctx => {
      const read = ctx.get('z');
      await ctx.sleep(1);
      return read;
    },
    state(true, { z: 1 }),
  ],
  [
    'a read recorded with its answer keeps it, though it is not known now',
    async ctx => {
      const read = await ctx.get('z');
      await ctx.sleep(1);
      return read;
    },
    { entries: [eager('z', 7), sleep(2), slept(2)] },
  ],
  [
    'a read recorded without its answer waits for it, though it is known now',
    async ctx => [await ctx.get('z'), await ctx.get('z')],
    { ...state(true, { z: 1 }), entries: [lazy('z', 1), lazyIs(1, 8)] },
  ],
  ['a read of another key', async ctx => ctx.get('y'), { entries: [eager('z', 7)] }],
  [
    'what was set before the attempt is known',
    async ctx => {
      ctx.set('a', 1);
      await ctx.sleep(1);
      return ctx.get('a');
    },
    {
      entries: [encodeFrame('SetStateCommand', { key: utf8('a'), value: json(1) }), sleep(1), slept(1)],
    },
  ],
  [
    'reads can be combined',
    async (ctx, { RestatePromise }) =>
      RestatePromise.all([ctx.get('z').map(value => [value]), ctx.stateKeys(), ctx.sleep(1)]),
    state(true, { z: 1 }),
  ],
  [
    'a durable promise is a step when it is awaited, each time',
    async ctx => {
      const promise = ctx.promise('p');
      void ctx.promise('q');
      return [await promise, await promise];
    },
    {
      entries: [
        encodeFrame('GetPromiseCommand', { key: 'p', resultCompletionId: 1 }),
        encodeFrame('GetPromiseCompletion', { completionId: 1, value: json(1) }),
      ],
    },
  ],
  [
    'what can be done to a durable promise',
    async ctx => {
      const promise = ctx.promise('p');
      void promise.peek();
      void promise.resolve();
      void promise.resolve({ a: 1 });
      void promise.reject('no');
      await promise.get();
    },
    {},
  ],
  [
    'a mapper may return a promise',
    async (ctx, { RestatePromise }) =>
      RestatePromise.all([
        ctx.sleep(1).map(async () => 1),
        ctx.sleep(2).map(() => ctx.sleep(3).map(() => 3)),
      ]),
    { entries: [sleep(1), sleep(2), slept(1), slept(2), sleep(3), slept(3)] },
  ],
  [
    'a mapper of a constant may return a promise',
    async (ctx, { RestatePromise }) => RestatePromise.resolve(1).map(() => ctx.sleep(1)),
    {},
  ],
  ['a sleep for ever', async ctx => ctx.sleep(Number.MAX_SAFE_INTEGER), {}],
  [
    'a cancellation before the ids of all calls are known',
    async ctx => X(ctx),
    { entries: [child(1), cancel] },
  ],
  [
    'a wait that was cancelled can be combined',
    async (ctx, { RestatePromise }) => {
      const [timer, mapped] = [ctx.sleep(1), ctx.sleep(2).map(() => 2)];
      // Both are cancelled, and the handler goes on.
      for (const wait of [timer, mapped]) await wait.catch(() => {});
      return RestatePromise.all([timer.map(() => 1), mapped]).orTimeout(3);
    },
    { entries: [sleep(1), sleep(2), cancel, cancel] },
  ],
  [
    'a wait that was cancelled is not awaited again',
    async ctx => {
      const timer = ctx.sleep(1);
      // It is cancelled, and the handler goes on.
      await timer.catch(() => {});
      return timer;
    },
    { entries: [sleep(1), cancel, slept(1)] },
  ],
  [
    'signals of one name are taken in order',
    async ctx => [await ctx.signal('a'), await ctx.signal('a')],
    { entries: [signal('a', 1), signal('a', 2)] },
  ],
  [
    'two promises of one signal take one each',
    async (ctx, { RestatePromise }) => RestatePromise.all([ctx.signal('a'), ctx.signal('a')]),
    { entries: [signal('a', 1), signal('a', 2)] },
  ],
  [
    'a signal is not taken by what has lost a race',
    async (ctx, { RestatePromise }) => [
      await RestatePromise.race([ctx.signal('a'), ctx.sleep(1)]),
      await ctx.signal('a'),
    ],
    { entries: [sleep(1), slept(1), signal('a', 1)] },
  ],
  [
    'what has lost a race can be awaited again',
    async (ctx, { RestatePromise }) => {
      const approval = ctx.signal('a');
      await RestatePromise.race([approval, ctx.sleep(1)]);
      await ctx.sleep(2);
      return approval;
    },
    { entries: [sleep(1), slept(1), sleep(2), signal('a', 1), slept(2)] },
  ],
  [
    'waits for a signal or a time',
    async (ctx, { RestatePromise }) => RestatePromise.race([ctx.signal('a'), ctx.sleep(1)]),
    {},
  ],
  [
    'what can be done to another invocation',
    async (ctx, { TerminalError }) => {
      const other = ctx.invocation('inv_1x' as ours.InvocationId);
      other.signal('a').resolve();
      other.signal('a').resolve({ z: 1 });
      other.signal('b').reject('no');
      other.signal('b').reject(new TerminalError('t', { errorCode: 418 }));
      other.cancel();
      await other.attach();
    },
    {},
  ],
])('%s', async (_name, handler, row) => {
  await sameAnswer(handler, row);
});

const explicit = { options: { explicitCancellation: true } };
const cancelTwice = async (ctx: Context) => {
  void X(ctx);
  void X(ctx);
  const before = ctx.cancelPreviousCalls();
  void X(ctx);
  return [await before, await ctx.cancelPreviousCalls()];
};

test.each<[string, (ctx: Context, sdk: Sdk) => unknown, Row]>([
  ['nobody watches', async ctx => ctx.sleep(1), { ...explicit, entries: [sleep(1), cancel] }],
  [
    'somebody watches',
    async (ctx, { RestatePromise }) => RestatePromise.race([ctx.sleep(1), ctx.cancellation()]),
    explicit,
  ],
  [
    'it comes',
    async (ctx, { RestatePromise }) =>
      RestatePromise.race([ctx.sleep(1), ctx.cancellation().map(value => ['cancelled', value])]),
    { ...explicit, entries: [sleep(1), cancel] },
  ],
  [
    'the promise is the same until it comes, then another',
    async ctx => {
      const first = ctx.cancellation();
      const same = first === ctx.cancellation();
      await first;
      const other = ctx.cancellation();
      await other;
      return [same, other === first];
    },
    { ...explicit, entries: [cancel, cancel] },
  ],
  [
    'it came before somebody watched',
    async ctx => {
      await ctx.sleep(1);
      await ctx.cancellation();
      return 'seen';
    },
    { ...explicit, entries: [sleep(1), cancel, slept(1)] },
  ],
  [
    'it came after the race was over',
    async (ctx, { RestatePromise }) => {
      await RestatePromise.race([ctx.sleep(1), ctx.cancellation()]);
      await ctx.sleep(2);
      await ctx.cancellation();
      return 'seen';
    },
    { ...explicit, entries: [sleep(1), slept(1), sleep(2), cancel, slept(2)] },
  ],
  ['cancelPreviousCalls waits for the ids', cancelTwice, explicit],
  [
    'cancelPreviousCalls cancels those since the last time',
    cancelTwice,
    {
      ...explicit,
      entries: [child(1), child(3), child(5), childId(1, 'a'), childId(3, 'b'), childId(5, 'c')],
    },
  ],
  [
    'cancelPreviousCalls does nothing until it is awaited',
    async ctx => {
      void X(ctx);
      void ctx.cancelPreviousCalls();
      await ctx.sleep(1);
    },
    { ...explicit, entries: [child(1), childId(1, 'a')] },
  ],
  ['cancelPreviousCalls without the option does nothing', cancelTwice, {}],
])('explicit cancellation: %s', async (_name, handler, row) => {
  await sameAnswer(handler, row);
});

type Shape = (p: Sdk['RestatePromise'], sleep: () => ours.RestatePromise<void>) => PromiseLike<unknown>;
const [a, b] = [sleep(1), sleep(2)];

test.each<[string, Shape, (readonly Uint8Array[])?]>([
  ['a leaf', (_p, s) => s()],
  ['all', (p, s) => p.all([s(), s()])],
  ['race', (p, s) => p.race([s(), s()])],
  ['any', (p, s) => p.any([s(), s()])],
  ['allSettled', (p, s) => p.allSettled([s(), s()])],
  ['of one', (p, s) => p.all([s()])],
  ['the same twice', (p, s) => p.all([s(), s()].flatMap(each => [each, each]))],
  ['one in another', (p, s) => p.all([p.all([s(), s()]), s()])],
  ['a leaf beside a nested one', (p, s) => p.race([p.any([s(), s()]), s(), p.allSettled([s(), s()])])],
  ['a constant', (p, s) => p.all([p.resolve(1), s()])],
  ['map', (_p, s) => s().map(() => 1)],
  [
    'map of map',
    (_p, s) =>
      s()
        .map(() => 1)
        .map(() => 2),
  ],
  ['map of all', (p, s) => p.all([s(), s()]).map(() => 1)],
  ['mapped ones', (p, s) => p.any([s().map(() => 1), s()])],
  ['timeout', (_p, s) => s().orTimeout(5)],
  ['timeout of all', (p, s) => p.all([s(), s()]).orTimeout(5)],
  [
    'timeout of a mapped one',
    (_p, s) =>
      s()
        .map(() => 1)
        .orTimeout(5),
  ],
  ['timeout of a timeout', (_p, s) => s().orTimeout(5).orTimeout(6)],
  ['what is settled is left out', (p, s) => p.all([s(), s()]), [a, b, slept(1)]],
  ['and what is mapped and settled', (p, s) => p.all([s().map(() => 1), s()]), [a, b, slept(1)]],
  ['and a settled node', (p, s) => p.all([p.all([s(), s()]), s()]), [a, b, sleep(3), slept(1), slept(2)]],
  ['of a node the rest', (p, s) => p.all([p.all([s(), s()]), s()]), [a, b, sleep(3), slept(1)]],
])('the future that is waited for: %s', async (_name, shape, entries = []) => {
  for (const explicitCancellation of [false, true]) {
    const handler = async (ctx: Context, sdk: Sdk) => shape(sdk.RestatePromise, () => ctx.sleep(1));
    await sameAnswer(handler, { entries, options: { explicitCancellation }, version: 7 });
  }
});

test.each<[string, (ctx: Context, sdk: Sdk) => unknown]>([
  [
    'a call in a scope',
    async (ctx, { rpc }) =>
      ctx
        .scope('t')
        .serviceClient<{ x: (ctx: never) => Promise<void> }>({ name: 'X' })
        .x(rpc.opts({ limitKey: 'l/m', idempotencyKey: 'i' })),
  ],
  [
    'a send in a scope',
    async (ctx, { rpc }) =>
      ctx
        .scope('t')
        .objectSendClient<{ x: (ctx: never) => Promise<void> }>({ name: 'X' }, 'k')
        .x(rpc.sendOpts({ limitKey: 'l' })).invocationId,
  ],
  [
    'a generic call in a scope',
    async ctx =>
      ctx.genericCall({ service: 'X', method: 'x', parameter: utf8('p'), scope: 't', limitKey: 'l' }),
  ],
])('%s', async (_name, handler) => {
  await sameAnswer(handler, { version: 7 });
});
