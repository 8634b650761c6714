/**
 * The recorded exchanges between the real server and the official SDK, replayed against ours: the same Lambda
 * event must give the same bytes, and the same stream from the server the same frames, but for what `comparable`
 * leaves out.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { type DecodedFrame, decodeFrame, decodeFrames, type Frame } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { Attempt } from './attempt.ts';
import { comparable, comparableFrames } from './comparable.testkit.ts';
import * as restate from './index.ts';
import { PauseError, RestatePromise, RetryableError, rpc, TerminalError } from './index.ts';
import { drainMicrotasks, startHandler } from './invocation.ts';
import { Machine } from './machine/machine.ts';

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
let passes = 0;
const departs = async (ctx: restate.Context) => {
  if (passes++ === 0) await ctx.sleep(10);
  else await ctx.run('other', () => 1);
};

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
    nondet: departs,
    nondetPause: restate.handlers.handler({ onJournalMismatchErrors: 'pause' }, departs),
    nondetFail: restate.handlers.handler({ onJournalMismatchErrors: 'fail' }, departs),
    allSettled: async (ctx: restate.Context) => {
      const settled = await RestatePromise.allSettled([
        ctx.sleep(100).map(() => 1),
        ctx.sleep(300).map(() => 2),
      ]);
      return settled.length;
    },
    nested: async (ctx: restate.Context) => {
      const soon = ctx.sleep(400).map(() => 'b');
      const later = ctx.sleep(60_000).map(() => 'c');
      return RestatePromise.race([
        RestatePromise.all([ctx.awakeable().promise, later]),
        RestatePromise.any([soon, later]),
        ctx.signal('s1'),
      ]);
    },
    pauseErr: async (ctx: restate.Context) =>
      ctx.run('p', () => {
        throw new PauseError('please pause');
      }),
    retryAfter: async (ctx: restate.Context) =>
      ctx.run('ra', () => {
        if (passes++ === 0) throw new RetryableError('again', { retryAfter: 250 });
        return passes;
      }),
    scopeCall: async (ctx: restate.Context) =>
      ctx
        .scope('tenant-1')
        .serviceClient<EchoApi>({ name: 'Svc' })
        .whoami({}, rpc.opts({ limitKey: 'lk1', idempotencyKey: 'scoped-idem' })),
    scopeSend: async (ctx: restate.Context) =>
      ctx
        .scope('tenant-1')
        .serviceSendClient<EchoApi>({ name: 'Svc' })
        .whoami({}, rpc.sendOpts({ limitKey: 'lk1/lk2' })).invocationId,
    whoami: async (ctx: restate.Context) => {
      const { scope = null, limitKey = null, idempotencyKey = null } = ctx.request();
      return { scope, limitKey, idem: idempotencyKey };
    },
    cancelOneWay: async (ctx: restate.Context) => {
      const id = await ctx.serviceSendClient<EchoApi>({ name: 'Svc' }).longsleep().invocationId;
      ctx.cancel(id);
      return id;
    },
    kwf: async (ctx: restate.Context, key: string) => ctx.workflowClient(Wf, key).run({ z: 1 }),
  },
});
interface EchoApi {
  echo: (ctx: restate.Context, input: unknown) => Promise<unknown>;
  longsleep: (ctx: restate.Context) => Promise<void>;
  whoami: (ctx: restate.Context, input: unknown) => Promise<unknown>;
}

const definitions = [Svc, Obj, Lazy, Wf, P];
const handler = restate.createEndpointHandler({ services: definitions });
const directory = new URL('../protocol/vectors/', import.meta.url);

const EXCLUDED: readonly (readonly [RegExp, string])[] = [
  [/^v6-http11$/, 'the adapter for HTTP/1.1 servers has its own test'],
  [/^v\d-rand$/, 'the sequence of ctx.rand is our own'],
  [/^v6-thirdparty-(attach|getOutput)/, 'steps that neither SDK offers to handlers'],
];

/** What the official SDK answers, and what ours does. */
const DEVIATIONS: Readonly<Record<string, readonly [string, string]>> = {
  // That mappers run early is worth an attempt: they may take steps that the others wait for.
  'v7-allSettled': [
    '00010000000000152213120101220c22030a010122030a010228022801',
    '00010000000000172215120101220e220c22030a010122030a010228042801',
  ],
};

interface Exchange {
  readonly lambda_event: restate.LambdaEvent;
  readonly lambda_response: {
    readonly statusCode: number;
    readonly headers: Record<string, string>;
    readonly body: string;
  };
}

const scenarios = readdirSync(directory)
  .filter(file => /^v[567]-/.test(file))
  .map(file => file.replace('.json', ''));
const replayed = scenarios.filter(scenario => !EXCLUDED.some(([pattern]) => pattern.test(scenario)));
const overLambda = replayed.filter(scenario => !scenario.includes('-bidi-'));
const overStreams = replayed.filter(scenario => scenario.includes('-bidi-'));
const read = (scenario: string) => JSON.parse(readFileSync(new URL(`${scenario}.json`, directory), 'utf8'));

test.each(overLambda)('%s', async scenario => {
  passes = 0;
  const { lambda_exchanges } = read(scenario) as { lambda_exchanges: Exchange[] };
  expect(lambda_exchanges.length).toBeGreaterThan(0);
  for (const { lambda_event, lambda_response } of lambda_exchanges) {
    const response = await handler(lambda_event, { awsRequestId: 'r' });
    expect(response.statusCode).toBe(lambda_response.statusCode);
    expect(response.headers['content-type']).toBe(lambda_event.headers?.['content-type']);
    const [theirs, instead] = DEVIATIONS[scenario] ?? [];
    expect(comparable(response)).toEqual(
      comparable(lambda_response).map(frame => (frame === theirs ? instead : frame)),
    );
  }
});

interface Stream {
  readonly request_headers: Record<string, string>;
  readonly events: readonly {
    readonly dir: 'server->sdk' | 'sdk->server';
    readonly frame_hex?: string;
    readonly end_stream?: boolean;
  }[];
}

/** The official SDK says more than once in a row what it waits for. */
const withoutRepeats = (frames: readonly Frame[]): readonly Frame[] => {
  const isRepeat = (frame: Frame, before: Frame | undefined) =>
    before !== undefined &&
    decodeFrame(frame).name === 'AwaitingOn' &&
    Buffer.from(frame.bytes).equals(before.bytes);
  return frames.filter((frame, i) => !isRepeat(frame, frames[i - 1]));
};

/** Frames of the server are fed where they came in the recording: once what was before them is done. */
async function replayStream(stream: Stream): Promise<void> {
  const [, service, name] = /invoke\/(.+)\/(.+)/.exec(stream.request_headers[':path'] ?? '') ?? [];
  const definition = restate.createEndpoint(definitions).service(service ?? '');
  const definedHandler = definition?.handler(name ?? '');
  if (definition === undefined || definedHandler === undefined) throw new Error(`no handler ${name}`);
  const machine = new Machine(Number(stream.request_headers['content-type']?.at(-1)));
  const attempt = new Attempt(machine, { now: () => 0, defer: drainMicrotasks, options: {} });
  const expected: Frame[] = [];
  let started = false;
  for (const { dir, frame_hex, end_stream } of stream.events) {
    const frames = frame_hex === undefined ? [] : decodeFrames(new Uint8Array(Buffer.from(frame_hex, 'hex')));
    if (dir === 'sdk->server') {
      expected.push(...frames);
      continue;
    }
    if (frames.length > 0) attempt.notify(frames);
    if (end_stream === true) attempt.inputClosed();
    if (machine.ready && !started) {
      started = true;
      startHandler(attempt, definition, definedHandler, {});
    }
    for (let i = 0; i < 40; i++) await new Promise<void>(drainMicrotasks);
  }
  await attempt.done;
  const written = decodeFrames(machine.takeOutput());
  expect(comparableFrames(written)).toEqual(comparableFrames(withoutRepeats(expected)));
  const kinds = new Set<DecodedFrame['name']>(written.map(frame => decodeFrame(frame).name));
  if (kinds.has('AwaitingOn')) expect(written).toEqual(withoutRepeats(written));
}

test.each(overStreams)('%s', async scenario => {
  passes = 0;
  const { streams } = read(scenario) as { streams: Stream[] };
  expect(streams.length).toBeGreaterThan(0);
  for (const stream of streams) await replayStream(stream);
});

test('the exclusions are what is left out', () => {
  for (const [pattern] of EXCLUDED) expect(scenarios.some(scenario => pattern.test(scenario))).toBe(true);
  expect([overLambda.length, overStreams.length]).toEqual([83, 24]);
});
