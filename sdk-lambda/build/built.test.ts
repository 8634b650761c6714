/** The built package does what the sources do: nothing that anyone looks at by its name has lost it. */
import { join } from 'node:path';
import { contentTypeOf, decodeFrame, decodeFrames, encodeFrame, isCommand } from '@holdfast/protocol';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import * as aesGcm from '../aes-gcm.ts';
import { comparableFrames } from '../comparable.testkit.ts';
import * as fetched from '../fetch.ts';
import * as index from '../index.ts';
import { json, requestBody } from '../journal.testkit.ts';
import { type Context, OTHERS, STEPS } from '../verbs.testkit.ts';
import { type BuiltProject, builtProject } from './measured.ts';
import { packageSource } from './package-source.ts';

interface Sdk {
  readonly index: typeof index;
  readonly fetched: typeof fetched;
  readonly aesGcm: typeof aesGcm;
}

let project: BuiltProject;
beforeAll(async () => {
  project = await builtProject();
  vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
});
afterAll(() => {
  vi.useRealTimers();
  project?.remove();
});

async function built(ending: string): Promise<Sdk> {
  const load = (name: string) =>
    import(
      /* @vite-ignore */ join(project.folder, 'node_modules', packageSource().name, `${name}.${ending}`)
    );
  return { index: await load('index'), fetched: await load('fetch'), aesGcm: await load('aes-gcm') };
}

/** All that may be said of services and handlers, and what hooks are told. */
function servicesOf(sdk: typeof index, seen: unknown[]): index.EndpointOptions['services'] {
  const { handlers, internal, serde, RestatePromise } = sdk;
  const hooks: index.HooksProvider[] = [
    ({ request, recordedSteps }) => {
      const { attemptHeaders, attemptCompletedSignal, extraArgs, target, ...rest } = request;
      seen.push([recordedSteps, rest, { ...target, toString: `${target}` }, [...attemptHeaders.keys()]]);
      seen.push(attemptCompletedSignal.aborted, extraArgs.length);
      return {
        interceptor: {
          async handler(next) {
            await next().catch(error => {
              seen.push([internal.isSuspendedError(error), `${error}`, error.code]);
              throw error;
            });
          },
          async run(name, next) {
            seen.push(name);
            await next();
          },
        },
      };
    },
  ];
  const retryPolicy = {
    initialInterval: 1,
    maxInterval: 2,
    maxAttempts: 3,
    exponentiationFactor: 4,
    onMaxAttempts: 'kill',
  } as const;
  const options = { ingressPrivate: true, journalRetention: { days: 1 }, inactivityTimeout: 1, retryPolicy };
  return [
    sdk.service({
      name: 'Described',
      description: 'one',
      metadata: { a: 'b' },
      options: { ...options, abortTimeout: 2, idempotencyRetention: 3 },
      handlers: {
        typed: handlers.handler({ input: serde.binary, accept: 'a/b' }, async (_ctx, value) => value.length),
      },
    }),
    sdk.object({
      name: 'Steps',
      options: { hooks, enableLazyState: true },
      handlers: {
        run: async (ctx: index.ObjectContext, end: string) => {
          ctx.console.log('line', end);
          ctx.set('count', ((await ctx.get<number>('count')) ?? 0) + 1);
          const first = ctx.run('first', () => 'a', { batched: true, expectedDuration: 1 });
          const all = await RestatePromise.all([first, ctx.run('second', () => ctx.key), first.map(() => 1)]);
          ENDS[end]?.(ctx, sdk);
          return [...all, await RestatePromise.race([ctx.signal('a'), ctx.run('third', () => end)])];
        },
      },
    }),
    sdk.workflow({
      name: 'Verbs',
      options: { workflowRetention: 5 },
      handlers: {
        run: async (ctx: index.WorkflowContext) => {
          for (const verb of Object.values({ ...STEPS, ...OTHERS })) void verb(ctx as Context)();
          await ctx.sleep(1, 'last');
        },
      },
    }),
  ];
}

type End = (ctx: index.ObjectContext, sdk: typeof index) => unknown;
const ENDS: Readonly<Record<string, End>> = {
  returns: () => {},
  fails: (_ctx, { TerminalError }) => {
    throw new TerminalError('no', { errorCode: 409, metadata: { why: 'so' } });
  },
  retries: (_ctx, { RetryableError }) => {
    throw new RetryableError('later', { retryAfter: 5 });
  },
  // A step that is there in the first attempt only.
  departs: ctx => ctx.run(ctx.request().attemptHeaders.get('try') === '0' ? 'this' : 'that', () => 1),
  pauses: (ctx, { PauseError }) => ctx.run('fourth', () => Promise.reject(PauseError.from('broken'))),
};

/** Takes a request and answers it, over some transport. */
type Serve = (path: string, headers: Record<string, string>, body: Uint8Array) => Promise<Uint8Array>;

/** Every attempt at an invocation until one has nothing left to run. */
async function invoke(serve: Serve, service: string, input: string, version: number): Promise<unknown[]> {
  const answers: unknown[] = [];
  const entries: Uint8Array[] = [];
  for (let attempt = 0, isOver = false; !isOver; attempt++) {
    const start = { key: 'k', partialState: false, stateMap: [{ key: json('x'), value: json(1) }] };
    const body = requestBody({ input: json(input), entries, start });
    const headers = { 'content-type': contentTypeOf(version), try: `${attempt}` };
    const frames = decodeFrames(await serve(`/invoke/${service}/run`, headers, body));
    answers.push(comparableFrames(frames));
    entries.push(...frames.filter(({ type }) => isCommand(type)).map(({ bytes }) => bytes));
    isOver = true;
    for (const { name, message } of frames.map(decodeFrame)) {
      if (name !== 'ProposeRunCompletion') continue;
      const { resultCompletionId: completionId, value, failure } = message;
      entries.push(encodeFrame('RunCompletion', { completionId, value, failure }));
      isOver = false;
    }
  }
  return answers;
}

async function observed({ index, fetched, aesGcm }: Sdk): Promise<unknown> {
  const seen: unknown[] = [];
  const services = servicesOf(index, seen);
  const codec = aesGcm.aesGcmCodec({ keys: { a: new Uint8Array(32) }, current: 'a', acceptPlaintext: true });
  const lambda = index.createEndpointHandler({
    services,
    logger: ({ context, ...metadata }, ...line) => seen.push([metadata, { ...context, request: 0 }, line]),
    journalValueCodecProvider: async () => codec,
  });
  const host = fetched.createEndpointHandler({ services, logger: () => {}, bidirectional: true });
  const serves: Serve[] = [
    async (path, headers, body) => {
      const event = { path, headers, body: Buffer.from(body).toString('base64'), isBase64Encoded: true };
      return Buffer.from((await lambda(event, { getRemainingTimeInMillis: () => 60_000 })).body, 'base64');
    },
    async (path, headers, body) => {
      const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit;
      return (await host(new Request(`http://host${path}`, init))).bytes();
    },
  ];
  for (const serve of serves) {
    const accept = 'application/vnd.restate.endpointmanifest.v4+json';
    seen.push(JSON.parse(Buffer.from(await serve('/discover', { accept }, new Uint8Array())).toString()));
    for (const version of [5, 7]) {
      seen.push(await invoke(serve, 'Verbs', '', version));
      for (const end of Object.keys(ENDS)) seen.push(end, await invoke(serve, 'Steps', end, version));
    }
  }
  return seen;
}

test.each(['js', 'cjs'])('what is built as .%s does what the sources do', async ending => {
  const sdk = await built(ending);
  expect(sdk.index.TerminalError).not.toBe(index.TerminalError);
  const expected = await observed({ index, fetched, aesGcm });
  expect(JSON.stringify(expected).length).toBeGreaterThan(20_000);
  expect(await observed(sdk)).toEqual(expected);
});
