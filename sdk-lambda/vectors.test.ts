/**
 * The recorded exchanges between the real server and the official SDK, replayed against ours: the same Lambda
 * event must give the same bytes, but for what `comparable` leaves out.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { comparable } from './comparable.testkit.ts';
import * as restate from './index.ts';
import { RestatePromise, rpc, TerminalError } from './index.ts';

const add = async (ctx: restate.ObjectContext, n: number) => {
  const sum = ((await ctx.get<number>('count')) ?? 0) + n;
  ctx.set('count', sum);
  return sum;
};
const Obj = restate.object({
  name: 'Obj',
  handlers: {
    add,
    keys: async (ctx: restate.ObjectContext) => ctx.stateKeys(),
    peek: restate.handlers.object.shared(async (ctx: restate.ObjectSharedContext) =>
      ctx.get<number>('count'),
    ),
    getMissing: async (ctx: restate.ObjectContext) => ctx.get('missing'),
    clear: async (ctx: restate.ObjectContext) => {
      ctx.clear('count');
      return ctx.get('count');
    },
    clearAll: async (ctx: restate.ObjectContext) => {
      ctx.clearAll();
      return ctx.stateKeys();
    },
    slow: async (ctx: restate.ObjectContext) => {
      ctx.set('a', 1);
      await ctx.sleep(300);
      ctx.set('b', 2);
      return [await ctx.get('a'), await ctx.get('b')];
    },
  },
});
const Lazy = restate.object({
  name: 'Lazy',
  handlers: { add, keys: async (ctx: restate.ObjectContext) => ctx.stateKeys() },
  options: { enableLazyState: true },
});
const Wf = restate.workflow({
  name: 'Wf',
  handlers: {
    run: async (ctx: restate.WorkflowContext, input: unknown) => {
      ctx.set('st', 'waiting');
      return { input, v: await ctx.promise('approval') };
    },
    peek: async (ctx: restate.WorkflowSharedContext) => (await ctx.promise('approval').peek()) ?? null,
    approve: async (ctx: restate.WorkflowSharedContext, value: unknown) => {
      await ctx.promise('approval').resolve(value);
      return 'approved';
    },
    reject: async (ctx: restate.WorkflowSharedContext, why: string) => {
      await ctx.promise('approval').reject(`rejected:${why}`);
      return 'rejected';
    },
  },
});
/** What the frames written by hand are for. */
const P = restate.service({
  name: 'P',
  handlers: {
    c: async (ctx: restate.Context) => {
      await ctx.awakeable().promise;
      await ctx.awakeable().promise;
      return 'done';
    },
  },
});
let nondetPasses = 0;

const Svc = restate.service({
  name: 'Svc',
  handlers: {
    echo: async (ctx: restate.Context, got: unknown) => ({
      got,
      headers: Object.fromEntries(ctx.request().headers),
    }),
    nothing: async (_ctx: restate.Context) => {},
    sleep: async (ctx: restate.Context) => {
      await ctx.sleep(100, 'nap');
      return 'slept';
    },
    run: async (ctx: restate.Context) => ctx.run('compute', () => 42),
    runTwo: async (ctx: restate.Context) => {
      const a = await ctx.run('a', () => 'A');
      return a + (await ctx.run('b', async () => 'B'));
    },
    runFail: async (ctx: restate.Context) =>
      ctx.run(
        'boom',
        () => {
          throw new Error('kaput');
        },
        { maxRetryAttempts: 2, initialRetryInterval: 100 },
      ),
    runTerm: async (ctx: restate.Context) =>
      ctx.run('t', () => {
        throw new TerminalError('bad thing', { errorCode: 418, metadata: { why: 'tea' } });
      }),
    runParallel: async (ctx: restate.Context) => {
      const slow = async () => {
        for (let i = 0; i < 20; i++) await null;
        return 1;
      };
      return RestatePromise.all([ctx.run('pa', slow), ctx.run('pb', () => 2)]);
    },
    call: async (ctx: restate.Context) => ctx.serviceClient<EchoApi>({ name: 'Svc' }).echo({ n: 1 }),
    callObj: async (ctx: restate.Context, key: string) => ctx.objectClient(Obj, key).add(5),
    callIdem: async (ctx: restate.Context) => {
      const opts = rpc.opts({ idempotencyKey: 'idem-1', headers: { 'x-h': 'v' } });
      const call = ctx.serviceClient<EchoApi>({ name: 'Svc' }).echo({ n: 2 }, opts);
      const id = await call.invocationId;
      return { id, r: await call };
    },
    send: async (ctx: restate.Context) => {
      const handle = ctx
        .serviceSendClient<EchoApi>({ name: 'Svc' })
        .echo({ n: 3 }, rpc.sendOpts({ delay: { milliseconds: 300 } }));
      const id = await handle.invocationId;
      return { id, out: await ctx.attach(id) };
    },
    generic: async (ctx: restate.Context) => {
      const parameter = new TextEncoder().encode('{"g":1}');
      return new TextDecoder().decode(await ctx.genericCall({ service: 'Svc', method: 'echo', parameter }));
    },
    awakeable: async (ctx: restate.Context) => {
      const { id, promise } = ctx.awakeable<unknown>();
      await ctx.run('publish', () => id);
      return { id, v: await promise };
    },
    awakeResolve: async (ctx: restate.Context, id: string) => {
      ctx.resolveAwakeable(id, { by: 'handler' });
      return 'ok';
    },
    awakeReject: async (ctx: restate.Context, id: string) => {
      ctx.rejectAwakeable(id, 'nope');
      return 'ok';
    },
    signal: async (ctx: restate.Context) => ({ v: await ctx.signal('approve') }),
    sendSignal: async (ctx: restate.Context, id: restate.InvocationId) => {
      ctx.invocation(id).signal('approve').resolve({ yes: true });
      return 'sent';
    },
    cancellable: async (ctx: restate.Context) => {
      try {
        await ctx.serviceClient<EchoApi>({ name: 'Svc' }).longsleep();
      } catch (error) {
        const { message, code } = error as TerminalError;
        return { caught: message, code };
      }
      return 'not cancelled';
    },
    longsleep: async (ctx: restate.Context) => {
      await ctx.sleep({ hours: 1 });
    },
    cancelOther: async (ctx: restate.Context, id: restate.InvocationId) => {
      ctx.cancel(id);
      return 'sent';
    },
    race: async (ctx: restate.Context) =>
      RestatePromise.race([ctx.sleep(600).map(() => 'short'), ctx.sleep(60_000).map(() => 'long')]),
    all: async (ctx: restate.Context) => {
      await RestatePromise.all([ctx.sleep(200), ctx.sleep(500)]);
      return 'all';
    },
    any: async (ctx: restate.Context) =>
      RestatePromise.any([ctx.awakeable<string>().promise, ctx.sleep(300).map(() => 't')]),
    orTimeout: async (ctx: restate.Context) => ctx.awakeable().promise.orTimeout({ milliseconds: 200 }),
    failTerm: async (_ctx: restate.Context) => {
      throw new TerminalError('no way', { errorCode: 409, metadata: { a: 'b' } });
    },
    fail: async (_ctx: restate.Context) => {
      throw new Error('transient');
    },
    nondet: async (ctx: restate.Context) => {
      if (nondetPasses++ === 0) await ctx.sleep(10);
      else await ctx.run('other', () => 1);
    },
  },
});
interface EchoApi {
  echo: (ctx: restate.Context, input: unknown) => Promise<unknown>;
  longsleep: (ctx: restate.Context) => Promise<void>;
}

const handler = restate.createEndpointHandler({ services: [Svc, Obj, Lazy, Wf, P] });
const directory = new URL('../protocol/vectors/', import.meta.url);

const EXCLUDED: readonly (readonly [RegExp, string])[] = [
  [/^v6-bidi-/, 'HTTP/2 streams: this SDK speaks request/response'],
  [/^v6-http11$/, 'an adapter for HTTP/1.1 servers is still to come'],
  [/^v6-rand$/, 'the sequence of ctx.rand is our own'],
  [/^v6-thirdparty-(attach|getOutput)/, 'steps that neither SDK offers to handlers'],
];

interface Exchange {
  readonly lambda_event: restate.LambdaEvent;
  readonly lambda_response: {
    readonly statusCode: number;
    readonly headers: Record<string, string>;
    readonly body: string;
  };
}

const scenarios = readdirSync(directory)
  .filter(file => /^v[56]-/.test(file))
  .map(file => file.replace('.json', ''));
const replayed = scenarios.filter(scenario => !EXCLUDED.some(([pattern]) => pattern.test(scenario)));

test.each(replayed)('%s', async scenario => {
  nondetPasses = 0;
  const { lambda_exchanges } = JSON.parse(readFileSync(new URL(`${scenario}.json`, directory), 'utf8')) as {
    lambda_exchanges: Exchange[];
  };
  expect(lambda_exchanges.length).toBeGreaterThan(0);
  for (const { lambda_event, lambda_response } of lambda_exchanges) {
    const response = await handler(lambda_event, { awsRequestId: 'r' });
    expect(response.statusCode).toBe(lambda_response.statusCode);
    expect(response.headers['content-type']).toBe(lambda_event.headers?.['content-type']);
    expect(comparable(response)).toEqual(comparable(lambda_response));
  }
});

test('the exclusions are what is left out', () => {
  for (const [pattern] of EXCLUDED) expect(scenarios.some(scenario => pattern.test(scenario))).toBe(true);
  expect(replayed.length).toBe(39);
});
