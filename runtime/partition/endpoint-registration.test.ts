/** What is registered as an endpoint: address, transport and protocol version, at first and after a change. */
import { expect, test } from 'vitest';
import type { Deployment, Endpoint } from '../core/model.ts';
import { CodedError } from '../platform/error.ts';
import type { Address } from './engine.ts';
import { arnOf, at, CONTENT_TYPE, type Fixture, manifest, setUp } from './testing/registering.ts';
import { settled, World } from './testing/world.ts';

const HTTP_MANIFEST = manifest({ Svc: ['a'] });

/** Registers this address with what it answers, and says what became of it. */
async function registerAt(
  { world, engine }: Fixture,
  address: Address,
  change: object = {},
  headers: Readonly<Record<string, string>> = {},
) {
  const asked = [world.calls.length, world.httpCalls.length] as const;
  const registering = engine.register({ address }).then(
    ({ deployment }) => deployment,
    (error: { readonly code: string }) => error.code,
  );
  await settled();
  const body = JSON.stringify({ ...HTTP_MANIFEST, ...change });
  const head = { 'content-type': CONTENT_TYPE, ...headers };
  const response = JSON.stringify({ statusCode: 200, headers: head, body });
  world.calls[asked[0]]?.done({ kind: 'response', payload: Buffer.from(response) });
  world.httpCalls[asked[1]]?.done({ kind: 'response', status: 200, headers: head, body: Buffer.from(body) });
  return registering;
}

const bidi = { protocolMode: 'BIDI_STREAM' };
const zstd = { lambdaCompression: 'zstd' };
const role = { arn: 'arn:aws:iam::123456789012:role/r', externalId: 'x1' };
const h = (http: 1 | 2, uri = 'http://h'): Address => ({ kind: 'http', uri, http });
test.each<
  readonly [string, Address, manifest: object, headers: Record<string, string>, became: Endpoint | string]
>([
  ['HTTP/2 that streams', h(2), bidi, {}, { kind: 'http', uri: 'http://h', http: 2, bidirectional: true }],
  ['HTTP/2 that does not', h(2), {}, {}, { kind: 'http', uri: 'http://h', http: 2, bidirectional: false }],
  ['HTTP/1.1 never does', h(1), bidi, {}, { kind: 'http', uri: 'http://h', http: 1, bidirectional: false }],
  [
    'what concerns Lambda alone',
    h(2),
    { ...bidi, ...zstd },
    { 'x-holdfast-offload': '1' },
    { kind: 'http', uri: 'http://h', http: 2, bidirectional: true },
  ],
  [
    'one spelling of an address',
    h(2, 'HTTP://H:80/a//'),
    {},
    {},
    { kind: 'http', uri: 'http://h/a', http: 2, bidirectional: false },
  ],
  ['an address that is none', h(2, 'ftp://h'), {}, {}, 'HF_ENDPOINT_URI'],
  ['a plain function', at('1'), {}, {}, { kind: 'lambda', arn: arnOf('1') }],
  ['a function that streams', at('1'), bidi, {}, 'META0015'],
  ['a function without a version', { kind: 'lambda', arn: arnOf('1').slice(0, -2) }, {}, {}, 'HF_LAMBDA_ARN'],
  [
    'all that a function may say',
    { kind: 'lambda', arn: arnOf('1'), assumeRole: role },
    zstd,
    { 'x-holdfast-offload': '1' },
    { kind: 'lambda', arn: arnOf('1'), assumeRole: role, compression: 'zstd', offload: true },
  ],
])(
  'an endpoint is what was asked for and what its SDK says: %s',
  async (_name, address, change, headers, became) => {
    const fixture = await setUp();
    const registered = await registerAt(fixture, address, change, headers);
    expect(typeof registered === 'string' ? registered : registered.endpoint).toEqual(became);
    if (typeof registered === 'string') expect(fixture.engine.deployments()).toEqual([]);
  },
);

test('an HTTP address is asked of who allows it, before anything is sent', async () => {
  const world = new World();
  const asked: string[] = [];
  const engine = world.engine(await world.open(), {
    httpAddress: uri => {
      asked.push(uri);
      throw new CodedError('HF_ENDPOINT_NOT_ALLOWED', 'not on the list');
    },
  });
  await expect(engine.register({ address: h(2) })).rejects.toMatchObject({ code: 'HF_ENDPOINT_NOT_ALLOWED' });
  expect([asked, world.httpCalls]).toEqual([['http://h'], []]);
});

test('two spellings are one deployment, whatever the version of HTTP', async () => {
  const fixture = await setUp();
  const first = await registerAt(fixture, h(2, 'http://h/a'));
  if (typeof first === 'string') throw new Error(first);
  const again = await fixture.engine.register({ address: h(1, 'http://H/a/') });
  expect([again.kind, again.deployment.id]).toEqual(['unchanged', first.id]);
});

test.each<readonly [max: number | undefined, sdk: readonly [number, number], agreed: number | string]>([
  [undefined, [5, 7], 7],
  [7, [5, 6], 6],
  [6, [5, 7], 6],
  [5, [5, 7], 5],
  [5, [6, 7], 'META0012'],
  [7, [5, 99], 7],
])('with at most V%s and an SDK of %j it is V%s', async (protocolVersionMax, [min, max], agreed) => {
  const world = new World();
  const partition = await world.open();
  const fixture = { world, partition, engine: world.engine(partition, { protocolVersionMax }) };
  const change = { minProtocolVersion: min, maxProtocolVersion: max };
  const registered = await registerAt(fixture, h(2), change);
  expect(typeof registered === 'string' ? registered : registered.protocolVersion).toBe(agreed);
});

test('a deployment moves between Lambda and HTTP, and is discovered there', async () => {
  const fixture = await setUp();
  const { world, engine } = fixture;
  const first = await registerAt(fixture, at('1'));
  if (typeof first === 'string') throw new Error(first);
  const moving = engine.updateDeployment(first.id, { address: h(2) });
  await settled();
  const head = { 'content-type': CONTENT_TYPE };
  const body = Buffer.from(JSON.stringify({ ...HTTP_MANIFEST, ...bidi }));
  world.httpCalls[0]?.done({ kind: 'response', status: 200, headers: head, body });
  expect((await moving)?.endpoint).toEqual({ kind: 'http', uri: 'http://h', http: 2, bidirectional: true });
});

/** A registered deployment is changed in place, and discovered to be this now. */
async function changed(
  fixture: Fixture,
  first: Awaited<ReturnType<typeof registerAt>>,
  manifestChange: object,
  overwrite = false,
): Promise<Deployment | string | undefined> {
  if (typeof first === 'string') throw new Error(first);
  const { world, engine } = fixture;
  const asked = world.calls.length;
  const updating = engine
    .updateDeployment(first.id, { additionalHeaders: { 'x-new': '1' }, overwrite })
    .catch((error: { readonly code: string }) => error.code);
  await settled();
  const body = JSON.stringify({ ...HTTP_MANIFEST, ...manifestChange });
  const response = { statusCode: 200, headers: { 'content-type': CONTENT_TYPE }, body };
  world.calls[asked]?.done({ kind: 'response', payload: Buffer.from(JSON.stringify(response)) });
  return updating;
}

test('what a function could do before it was discovered again is forgotten', async () => {
  const fixture = await setUp();
  const address: Address = { kind: 'lambda', arn: arnOf('1'), assumeRole: role };
  const first = await registerAt(fixture, address, zstd, { 'x-holdfast-offload': '1' });
  expect(await changed(fixture, first, {})).toMatchObject({ endpoint: address });
  expect(fixture.engine.deployments().map(({ endpoint }) => endpoint)).toEqual([address]);
});

test('what invocations were begun with has to be spoken after a change, unless it is meant', async () => {
  const fixture = await setUp();
  const first = await registerAt(fixture, at('1'));
  const older = { minProtocolVersion: 5, maxProtocolVersion: 6 };
  expect(await changed(fixture, first, older)).toBe('META0016');
  expect(await changed(fixture, first, older, true)).toMatchObject({ protocolVersion: 6 });
});

test('a discovery is signed', async () => {
  const world = new World();
  const identity = { headersFor: (path: string) => ({ 'x-restate-jwt-v1': `for ${path}` }) };
  const engine = world.engine(await world.open(), { identity });
  void engine.register({ address: h(1) });
  await settled();
  expect(world.httpCalls[0]?.request.headers).toMatchObject({ 'x-restate-jwt-v1': 'for /discover' });
});
