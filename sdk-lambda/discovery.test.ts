/** The manifest against the official SDK's for the same definitions, and the protocol's status codes. */
import * as official from '@restatedev/restate-sdk/lambda';
import { expect, test } from 'vitest';
import * as ours from './index.ts';

const accept = (upTo: number) =>
  Array.from({ length: upTo }, (_, i) => `application/vnd.restate.endpointmanifest.v${i + 1}+json`).join(
    ', ',
  );
const discover = (upTo: number): ours.LambdaEvent => ({
  path: '/stage/discover',
  headers: { accept: accept(upTo) },
  body: '',
  isBase64Encoded: true,
});
const decode = (response: { body: string }) => JSON.parse(Buffer.from(response.body, 'base64').toString());

/** The two SDKs have the same names, so one program defines the services of both. */
function define(sdk: typeof ours) {
  const everything = sdk.service({
    name: 'Everything',
    description: 'a service',
    metadata: { team: 'a' },
    options: {
      idempotencyRetention: { days: 1, hours: 1 },
      journalRetention: { days: 0.3, milliseconds: 0.5 },
      inactivityTimeout: { minutes: 1 },
      abortTimeout: { seconds: 7, milliseconds: 1 },
      ingressPrivate: true,
      retryPolicy: {
        maxAttempts: 3,
        onMaxAttempts: 'kill',
        initialInterval: { milliseconds: 10 },
        maxInterval: 1000.5,
        exponentiationFactor: 1.5,
      },
    },
    handlers: {
      plain: async (_ctx: ours.Context) => {},
      options: sdk.handlers.handler(
        {
          accept: 'text/*',
          input: sdk.serde.binary,
          output: sdk.serde.binary,
          setOutputContentTypeIfEmpty: true,
          description: 'a handler',
          metadata: { c: 'd' },
          ingressPrivate: false,
          retryPolicy: { onMaxAttempts: 'pause' },
          journalRetention: 1,
          idempotencyRetention: 2,
          inactivityTimeout: 3,
          abortTimeout: 4,
        },
        async (_ctx: ours.Context, bytes: Uint8Array) => bytes,
      ),
      nothing: sdk.handlers.handler({ input: sdk.serde.empty, output: sdk.serde.empty }, async () => {}),
      schema: sdk.handlers.handler(
        {
          input: new sdk.serde.JsonSerde<object>({ type: 'object' }),
          output: new sdk.serde.JsonSerde<string>({ type: 'string' }),
        },
        async () => '',
      ),
    },
  });
  const bytes = sdk.service({
    name: 'Bytes',
    options: { serde: sdk.serde.binary },
    handlers: { one: async (_ctx: ours.Context) => new Uint8Array() },
  });
  const { object, workflow } = sdk.handlers;
  const counter = sdk.object({
    name: 'Counter',
    description: 'an object',
    options: { enableLazyState: true, journalRetention: { hours: 1 } },
    handlers: {
      add: async (_ctx: ours.ObjectContext, n: number) => n,
      set: object.exclusive({ enableLazyState: false }, async (_ctx: ours.ObjectContext, n: number) => n),
      get: object.shared(async (_ctx: ours.ObjectSharedContext) => 1),
      peek: sdk.createObjectSharedHandler({ ingressPrivate: true }, async () => 1),
      plain: sdk.handlers.handler({ description: 'of services' }, async () => {}),
    },
  });
  const signup = sdk.workflow({
    name: 'Signup',
    metadata: { team: 'b' },
    options: { workflowRetention: { days: 2 }, idempotencyRetention: 7, enableLazyState: true },
    handlers: {
      run: workflow.workflow({ journalRetention: 3 }, async (_ctx: ours.WorkflowContext, n: number) => n),
      status: async (_ctx: ours.WorkflowSharedContext) => 'ok',
      poke: workflow.shared({ idempotencyRetention: 4 }, async (_ctx: ours.WorkflowSharedContext) => {}),
    },
  });
  const kept = sdk.workflow({ name: 'Kept', handlers: { run: async (_ctx: ours.WorkflowContext) => {} } });
  return [everything, bytes, counter, signup, kept];
}

/** What the services have not said themselves. */
const DEFAULTS: ours.DefaultServiceOptions = {
  abortTimeout: { seconds: 3 },
  workflowRetention: 99,
  retryPolicy: { maxAttempts: 9, initialInterval: 8 },
};

const officialSdk = official as unknown as typeof ours;
const handlerOf = (sdk: typeof ours, defaultServiceOptions: ours.DefaultServiceOptions = {}) =>
  sdk.createEndpointHandler({ services: define(sdk), defaultServiceOptions });

test.each([
  ['without defaults', {}],
  ['with defaults', DEFAULTS],
])('the manifest is that of the official SDK: %s', async (_name, defaults) => {
  const [mine, theirs] = await Promise.all([
    handlerOf(ours, defaults)(discover(4), {}),
    handlerOf(officialSdk, defaults)(discover(4), {}),
  ]);
  expect(mine.headers['content-type']).toBe(theirs.headers['content-type']);
  expect(decode(mine)).toEqual(decode(theirs));
});

const invocationType = (version: number) => `application/vnd.restate.invocation.v${version}`;

test.each<[string, ours.LambdaEvent, number]>([
  ['health', { path: '/health' }, 200],
  ['an option that an old server does not know', discover(3), 500],
  ['a discovery version before ours', discover(1), 415],
  ['no accept', { path: '/discover' }, 415],
  ['an unknown path', { path: '/elsewhere' }, 404],
  ['an unknown service', { path: '/invoke/No/one', headers: { 'content-type': invocationType(6) } }, 404],
  ['an unknown handler', { path: '/invoke/Bytes/two', headers: { 'content-type': invocationType(6) } }, 404],
  ['no content type', { path: '/invoke/Bytes/one' }, 415],
  [
    'a version that is not advertised',
    { path: '/invoke/Bytes/one', headers: { 'content-type': invocationType(8) } },
    415,
  ],
  [
    'a version before ours',
    { path: '/invoke/Bytes/one', headers: { 'content-type': invocationType(4) } },
    415,
  ],
  [
    'a body that does not decode',
    { path: '/invoke/Bytes/one', headers: { 'content-type': invocationType(6) }, body: 'xyz' },
    500,
  ],
])('status of %s', async (_name, event, status) => {
  const response = await handlerOf(ours)(event, {});
  expect(response.statusCode).toBe(status);
  if (status !== 200) expect(decode(response).message).toEqual(expect.any(String));
});

test.each([
  ['a service name that the server refuses', () => ours.service({ name: '9', handlers: {} })],
  [
    'a handler name that the server refuses',
    () => ours.service({ name: 'S', handlers: { 'a-b': async () => {} } }),
  ],
  [
    'two services of one name',
    () =>
      ours
        .endpoint()
        .bind(define(ours)[0] as never)
        .bind(define(ours)[0] as never),
  ],
  [
    'an option that the endpoint lacks',
    () =>
      ours.createEndpointHandler({ services: [], identityKey: ['publickeyv1_x'] } as ours.EndpointOptions),
  ],
  ['a workflow without run', () => ours.workflow({ name: 'W', handlers: { s: async () => {} } } as never)],
  [
    'a workflow whose run is shared',
    () => ours.workflow({ name: 'W', handlers: { run: ours.handlers.workflow.shared(async () => {}) } }),
  ],
  [
    'a workflow with two that run',
    () =>
      ours.workflow({
        name: 'W',
        handlers: { run: async () => {}, two: ours.handlers.workflow.workflow(async () => {}) } as never,
      }),
  ],
  [
    'a workflow handler with a name of its clients',
    () =>
      ours.workflow({
        name: 'W',
        handlers: { run: async () => {}, workflowSubmit: async () => {} } as never,
      }),
  ],
  [
    'an idempotency retention of run',
    () =>
      ours.workflow({
        name: 'W',
        handlers: { run: ours.handlers.workflow.workflow({ idempotencyRetention: 1 }, async () => {}) },
      }),
  ],
  [
    "a workflow's handler in an object",
    () =>
      ours.object({ name: 'O', handlers: { h: ours.handlers.workflow.workflow(async () => {}) } as never }),
  ],
  ['something that is no definition', () => ours.createEndpointHandler({ services: [{ name: 'S' }] })],
])('%s is a mistake of the deployment', (_name, build) => {
  expect(build).toThrow(expect.objectContaining({ code: 'HF_SDK_DEFINITION' }));
});
