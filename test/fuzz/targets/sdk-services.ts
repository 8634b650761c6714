/** Handlers by the names in the captures; each of them does whatever its namesake did, and some do more. */
import * as holdfast from '@holdfast/sdk-lambda';
import { RestatePromise, TerminalError } from '@holdfast/sdk-lambda';

interface Other {
  echo: (ctx: holdfast.Context, input: unknown) => Promise<unknown>;
}

const add = async (ctx: holdfast.ObjectContext, n: number) => {
  ctx.set('count', ((await ctx.get<number>('count')) ?? 0) + n);
  return ctx.get('count');
};
const clear = async (ctx: holdfast.ObjectContext) => {
  ctx.clear('count');
  ctx.clearAll();
  return ctx.stateKeys();
};

const Svc = holdfast.service({
  name: 'Svc',
  handlers: {
    echo: async (ctx: holdfast.Context, got: unknown) => ({ got, headers: [...ctx.request().headers] }),
    nothing: async (_ctx: holdfast.Context) => {},
    sleep: async (ctx: holdfast.Context) => ctx.sleep(100, 'nap'),
    run: async (ctx: holdfast.Context) => ctx.run('compute', () => 42),
    runTwo: async (ctx: holdfast.Context) =>
      (await ctx.run('a', () => 'A')) + (await ctx.run('b', async () => 'B')),
    runFail: async (ctx: holdfast.Context) =>
      ctx.run('boom', () => Promise.reject(new Error('kaput')), {
        maxRetryAttempts: 2,
        initialRetryInterval: 100,
      }),
    runTerm: async (ctx: holdfast.Context) =>
      ctx.run('t', () => {
        throw new TerminalError('bad', { errorCode: 418 });
      }),
    runParallel: async (ctx: holdfast.Context) =>
      RestatePromise.all([ctx.run('pa', () => 1), ctx.run('pb', () => 2)]),
    call: async (ctx: holdfast.Context) => ctx.serviceClient<Other>({ name: 'Svc' }).echo({ n: 1 }),
    callObj: async (ctx: holdfast.Context, key: string) =>
      ctx.objectClient<Other>({ name: 'Obj' }, String(key)).echo(5),
    callIdem: async (ctx: holdfast.Context) => {
      const call = ctx
        .serviceClient<Other>({ name: 'Svc' })
        .echo({ n: 2 }, holdfast.rpc.opts({ idempotencyKey: 'idem-1', headers: { 'x-h': 'v' } }));
      return { id: await call.invocationId, r: await call };
    },
    send: async (ctx: holdfast.Context) => {
      const handle = ctx.serviceSendClient<Other>({ name: 'Svc' }).echo({ n: 3 });
      return ctx.attach(await handle.invocationId);
    },
    generic: async (ctx: holdfast.Context) =>
      ctx.genericCall({ service: 'Svc', method: 'echo', parameter: new Uint8Array([1]) }),
    awakeable: async (ctx: holdfast.Context) => {
      const { id, promise } = ctx.awakeable<unknown>();
      await ctx.run('publish', () => id);
      return promise;
    },
    awakeResolve: async (ctx: holdfast.Context, id: string) => ctx.resolveAwakeable(String(id), 1),
    awakeReject: async (ctx: holdfast.Context, id: string) => ctx.rejectAwakeable(String(id), 'nope'),
    signal: async (ctx: holdfast.Context) => ctx.signal('approve'),
    sendSignal: async (ctx: holdfast.Context, id: holdfast.InvocationId) =>
      ctx.invocation(id).signal('approve').resolve(1),
    cancellable: async (ctx: holdfast.Context) => {
      try {
        return await ctx.serviceClient<Other>({ name: 'Svc' }).echo(1);
      } catch (error) {
        if (error instanceof TerminalError) return error.code;
        throw error;
      }
    },
    longsleep: async (ctx: holdfast.Context) => ctx.sleep({ hours: 1 }),
    cancelOther: async (ctx: holdfast.Context, id: holdfast.InvocationId) => ctx.cancel(id),
    race: async (ctx: holdfast.Context) => RestatePromise.race([ctx.sleep(600), ctx.sleep(60_000)]),
    all: async (ctx: holdfast.Context) => RestatePromise.all([ctx.sleep(200), ctx.sleep(500)]),
    allSettled: async (ctx: holdfast.Context) =>
      RestatePromise.allSettled([ctx.sleep(200), ctx.awakeable().promise]),
    any: async (ctx: holdfast.Context) =>
      RestatePromise.any([ctx.awakeable<string>().promise, ctx.sleep(300).map(() => 't')]),
    nested: async (ctx: holdfast.Context) =>
      RestatePromise.race([RestatePromise.all([ctx.sleep(1), ctx.sleep(2)]), ctx.awakeable().promise]),
    orTimeout: async (ctx: holdfast.Context) => ctx.awakeable().promise.orTimeout({ milliseconds: 200 }),
    fail: async (_ctx: holdfast.Context) => Promise.reject(new Error('transient')),
    rand: async (ctx: holdfast.Context) => [ctx.rand.random(), ctx.rand.uuidv4()],
  },
});
const Obj = holdfast.object({
  name: 'Obj',
  handlers: { add, clear, clearAll: clear, keys: async (ctx: holdfast.ObjectContext) => ctx.stateKeys() },
});
const Lazy = holdfast.object({
  name: 'Lazy',
  handlers: { add, keys: async (ctx: holdfast.ObjectContext) => ctx.stateKeys() },
  options: { enableLazyState: true },
});
const Wf = holdfast.workflow({
  name: 'Wf',
  handlers: {
    run: async (ctx: holdfast.WorkflowContext) => ctx.promise('approval'),
    peek: async (ctx: holdfast.WorkflowSharedContext) => (await ctx.promise('approval').peek()) ?? null,
    approve: async (ctx: holdfast.WorkflowSharedContext, value: unknown) =>
      ctx.promise('approval').resolve(value),
  },
});

export const services = [Svc, Obj, Lazy, Wf];
