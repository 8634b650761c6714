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
      journalRetention: 5,
      inactivityTimeout: { minutes: 1 },
      abortTimeout: { seconds: 7, milliseconds: 1 },
      ingressPrivate: true,
      retryPolicy: {
        maxAttempts: 3,
        onMaxAttempts: 'kill',
        initialInterval: { milliseconds: 10 },
        maxInterval: 1000,
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
  return [everything, bytes];
}

const officialSdk = official as unknown as typeof ours;
const handlerOf = (sdk: typeof ours) => sdk.createEndpointHandler({ services: define(sdk) });

test('the manifest is that of the official SDK, but for versions and compression', async () => {
  const [mine, theirs] = await Promise.all([
    handlerOf(ours)(discover(4), {}),
    handlerOf(officialSdk)(discover(4), {}),
  ]);
  expect(mine.headers['content-type']).toBe(theirs.headers['content-type']);
  const { lambdaCompression, ...manifest } = decode(theirs);
  expect(lambdaCompression).toBe('zstd');
  expect(decode(mine)).toEqual({ ...manifest, maxProtocolVersion: 6 });
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
    { path: '/invoke/Bytes/one', headers: { 'content-type': invocationType(7) } },
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
      ours.createEndpointHandler({ services: [], identityKeys: ['publickeyv1_x'] } as ours.EndpointOptions),
  ],
  ['something that is no definition', () => ours.createEndpointHandler({ services: [{ name: 'S' }] })],
])('%s is a mistake of the deployment', (_name, build) => {
  expect(build).toThrow(expect.objectContaining({ code: 'HF_SDK_DEFINITION' }));
});
