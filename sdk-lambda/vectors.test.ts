/**
 * The recorded exchanges between the real server and the official SDK, replayed against ours: the same Lambda
 * event must give the same frames. Compared decoded, without absolute times, stack traces and wording.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { type DecodedFrame, decodeFrame, decodeFrames } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import * as restate from './index.ts';
import { RestatePromise, rpc, TerminalError } from './index.ts';

const objectStub = { name: 'Obj' } as restate.VirtualObjectDefinition<
  'Obj',
  { add: (ctx: never, n: number) => Promise<number> }
>;
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
    callObj: async (ctx: restate.Context, key: string) => ctx.objectClient(objectStub, key).add(5),
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

const handler = restate.createEndpointHandler({ services: [Svc] });
const directory = new URL('../protocol/vectors/', import.meta.url);
const SCENARIOS =
  'echo nothing sleep run runTwo runParallel runFail runTerm call callObj callIdem send generic awakeable awakeableReject awakeableResolveFromHandler awakeableRejectFromHandler cancel cancelSleep cancelFromHandler race all any orTimeout failTerm fail nondet'.split(
    ' ',
  );

interface Exchange {
  readonly lambda_event: restate.LambdaEvent;
  readonly lambda_response: {
    readonly statusCode: number;
    readonly headers: Record<string, string>;
    readonly body: string;
  };
}

const files = readdirSync(directory).filter(file =>
  SCENARIOS.some(scenario => file === `v5-${scenario}.json` || file === `v6-${scenario}.json`),
);

test.each(files)('%s', async file => {
  nondetPasses = 0;
  const { lambda_exchanges } = JSON.parse(readFileSync(new URL(file, directory), 'utf8')) as {
    lambda_exchanges: Exchange[];
  };
  for (const { lambda_event, lambda_response } of lambda_exchanges) {
    if (!lambda_event.path?.startsWith('/invoke/Svc/')) continue;
    const response = await handler(lambda_event, { awsRequestId: 'r' });
    expect(response.statusCode).toBe(lambda_response.statusCode);
    expect(response.headers['content-type']).toBe(lambda_response.headers['content-type']);
    expect(comparable(response.body)).toEqual(comparable(lambda_response.body));
  }
});

test('every scenario of this slice was compared', () => {
  expect(files.length).toBe(SCENARIOS.length + ['call', 'race', 'run', 'runFail', 'sleep'].length);
});

function comparable(body: string) {
  return decodeFrames(Buffer.from(body, 'base64')).map(frame => withoutTimes(decodeFrame(frame)));
}

function withoutTimes({ name, message }: DecodedFrame): object {
  const byNumber = (ids: readonly number[]) => [...ids].sort((a, b) => a - b);
  switch (name) {
    case 'SleepCommand':
      return { frame: name, ...message, wakeUpTime: 'then' };
    case 'OneWayCallCommand':
      return { frame: name, ...message, invokeTime: message.invokeTime === 0 ? 'now' : 'then' };
    case 'Error':
      return {
        frame: name,
        ...message,
        stacktrace: '',
        message: message.code === 570 ? '' : message.message,
      };
    case 'Suspension':
      // The lists are sets.
      return {
        frame: name,
        ...message,
        waitingCompletions: byNumber(message.waitingCompletions),
        waitingSignals: byNumber(message.waitingSignals),
      };
    default:
      return { frame: name, ...message };
  }
}
