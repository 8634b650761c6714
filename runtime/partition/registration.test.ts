/** Registering, end to end in this process: discovery, the plan, the record, and where new invocations go. */
import { expect, test } from 'vitest';
import type { Deployment, Endpoint } from '../core/model.ts';
import { CodedError } from '../platform/error.ts';
import type { Address, Registered, RegisterRequest } from './engine.ts';
import type { LocalEngine } from './local-engine.ts';
import type { Partition } from './partition.ts';
import { addressOf } from './registration.ts';
import { settled, World } from './testing/world.ts';

const CONTENT_TYPE = 'application/vnd.restate.endpointmanifest.v4+json';
const arnOf = (version: string) => `arn:aws:lambda:us-east-1:123456789012:function:f:${version}`;
const at = (version: string): Address => ({ kind: 'lambda', arn: arnOf(version) });

type Offer = Readonly<Record<string, readonly string[]>>;

/** What the function answers: services with their handlers; `Obj` is a virtual object, `Wf` a workflow. */
function manifest(offer: Offer): object {
  const services = Object.entries(offer).map(([name, handlers]) => ({
    name,
    ty: name === 'Obj' ? 'VIRTUAL_OBJECT' : name === 'Wf' ? 'WORKFLOW' : 'SERVICE',
    handlers: handlers.map(handler => ({ name: handler })),
  }));
  return { protocolMode: 'REQUEST_RESPONSE', minProtocolVersion: 5, maxProtocolVersion: 7, services };
}

interface Fixture {
  readonly world: World;
  readonly partition: Partition;
  readonly engine: LocalEngine;
}

async function setUp(): Promise<Fixture> {
  const world = new World();
  const partition = await world.open();
  return { world, partition, engine: world.engine(partition) };
}

/** The kind of registration, or the code of its refusal. */
async function register(
  { world, engine }: Fixture,
  version: string,
  offer: Offer,
  options: Partial<RegisterRequest> = {},
): Promise<Registered['kind'] | string> {
  const asked = world.calls.length;
  const registering = engine.register({ address: at(version), ...options }).then(
    ({ kind }) => kind,
    (error: { readonly code: string }) => error.code,
  );
  await settled();
  discovered(world, asked, offer);
  return registering;
}

function discovered(world: World, call: number, offer: Offer): void {
  const headers = { 'content-type': CONTENT_TYPE };
  const response = { statusCode: 200, headers, body: JSON.stringify(manifest(offer)) };
  world.calls[call]?.done({ kind: 'response', payload: Buffer.from(JSON.stringify(response)) });
}

/** Where new invocations go: `service@version revision`, with the handlers that they find. */
function routes({ engine }: Fixture): readonly string[] {
  return engine.services().map(service => {
    const deployment = engine.deployment(engine.deploymentOf(service.name) as never);
    const version = deployment && addressOf(deployment.endpoint).split(':').at(-1);
    return `${service.name}@${version} r${service.revision} ${service.handlers.map(({ name }) => name).join(',')}`;
  });
}

type Step = readonly [version: string, Offer, options: Partial<RegisterRequest>, kind: string];

const ONE: Step = ['1', { Svc: ['a', 'b'] }, {}, 'created'];
test.for<readonly [string, { readonly steps: readonly Step[]; readonly routes: readonly string[] }]>([
  ['a first one', { steps: [ONE], routes: ['Svc@1 r1 a,b'] }],
  [
    'a known address is not asked again',
    { steps: [ONE, ['1', { Svc: ['z'] }, {}, 'unchanged']], routes: ['Svc@1 r1 a,b'] },
  ],
  [
    'other headers are another address',
    {
      steps: [ONE, ['1', { Svc: ['a', 'b', 'c'] }, { additionalHeaders: { 'X-A': '1' } }, 'created']],
      routes: ['Svc@1 r2 a,b,c'],
    },
  ],
  [
    'a new address is a new revision',
    { steps: [ONE, ['2', { Svc: ['b', 'a'] }, {}, 'created']], routes: ['Svc@2 r2 b,a'] },
  ],
  [
    'a removed handler breaks its callers',
    { steps: [ONE, ['2', { Svc: ['a'] }, {}, 'META0006']], routes: ['Svc@1 r1 a,b'] },
  ],
  [
    'unless that is meant',
    { steps: [ONE, ['2', { Svc: ['a'] }, { breaking: true }, 'created']], routes: ['Svc@2 r2 a'] },
  ],
  [
    'force means it too',
    { steps: [ONE, ['2', { Svc: ['a'] }, { force: true }, 'created']], routes: ['Svc@2 r2 a'] },
  ],
  [
    'overwriting keeps the revision',
    { steps: [ONE, ['1', { Svc: ['z'] }, { force: true }, 'overwritten']], routes: ['Svc@1 r1 z'] },
  ],
  [
    'overwriting with fewer services falls back to who has them',
    {
      steps: [
        ONE,
        ['2', { Svc: ['a', 'b'], Other: ['o'] }, {}, 'created'],
        ['2', { New: ['n'] }, { force: true }, 'overwritten'],
      ],
      routes: ['New@2 r1 n', 'Svc@1 r1 a,b'],
    },
  ],
  [
    'overwriting an older one leaves new invocations with the newest',
    {
      steps: [
        ONE,
        ['2', { Svc: ['a', 'b', 'c'] }, {}, 'created'],
        ['1', { Svc: ['z'], New: ['n'] }, { force: true }, 'overwritten'],
      ],
      routes: ['New@1 r1 n', 'Svc@2 r2 a,b,c'],
    },
  ],
  ['a dry run keeps nothing', { steps: [['1', { Svc: ['a'] }, { dryRun: true }, 'dryRun']], routes: [] }],
  [
    'a dry run of an overwrite keeps nothing either',
    {
      steps: [ONE, ['1', { Svc: ['z'] }, { dryRun: true, force: true }, 'dryRun']],
      routes: ['Svc@1 r1 a,b'],
    },
  ],
  [
    'every type of service',
    {
      steps: [['1', { Svc: ['a'], Obj: ['o'], Wf: ['run'] }, {}, 'created']],
      routes: ['Obj@1 r1 o', 'Svc@1 r1 a', 'Wf@1 r1 run'],
    },
  ],
])('%s', async ([, story]) => {
  const fixture = await setUp();
  for (const [version, offer, options, kind] of story.steps) {
    expect(await register(fixture, version, offer, options)).toBe(kind);
  }
  expect(routes(fixture)).toEqual(story.routes);
});

test('an overwritten deployment keeps its id and when it was created; a removed one does not come back', async () => {
  const fixture = await setUp();
  const { world, engine } = fixture;
  await register(fixture, '1', { Svc: ['a'] });
  const [first] = engine.deployments();
  world.now += 1000;
  await register(fixture, '1', { Svc: ['b'] }, { force: true });
  expect(engine.deployments()).toMatchObject([{ id: first?.id, createdAt: first?.createdAt }]);
  expect(await engine.removeDeployment(first?.id as never, true)).toBe('applied');
  expect(routes(fixture)).toEqual([]);
  expect(await register(fixture, '1', { Svc: ['c'] })).toBe('created');
  expect(engine.deployments()).toHaveLength(1);
  expect(engine.deployments()[0]?.id).not.toBe(first?.id);
});

test('two registrations at once never share a revision', async () => {
  const fixture = await setUp();
  const { world, engine } = fixture;
  const both = [engine.register({ address: at('1') }), engine.register({ address: at('2') })];
  for (const call of [0, 1]) {
    await settled();
    discovered(world, call, { Svc: ['a'] });
  }
  expect((await Promise.all(both)).map(({ kind }) => kind)).toEqual(['created', 'created']);
  expect(routes(fixture)).toEqual(['Svc@2 r2 a']);
});

test('unused is decided after the removal before it, which may have made it used', async () => {
  const fixture = await setUp();
  const { engine } = fixture;
  await register(fixture, '1', { Svc: ['a'] });
  await register(fixture, '2', { Svc: ['a'] });
  const [one, two] = [...engine.deployments()].sort(byAddress);
  const outcomes = [
    engine.removeDeployment(two?.id as never, true),
    engine.removeDeployment(one?.id as never, false),
  ];
  expect(await Promise.all(outcomes)).toEqual(['applied', 'inUse']);
  expect(routes(fixture)).toEqual(['Svc@1 r1 a']);
});

const byAddress = (a: Deployment, b: Deployment): number =>
  addressOf(a.endpoint) < addressOf(b.endpoint) ? -1 : 1;

async function versions(fixture: Fixture, ...offers: readonly (readonly string[])[]) {
  for (const [index, handlers] of offers.entries()) {
    await register(fixture, String(index + 1), { Svc: handlers }, { breaking: true });
  }
  return [...fixture.engine.deployments()].sort(byAddress).map(({ id }) => id);
}

test('a rollback is one call; the next registration is measured by what callers have then', async () => {
  const fixture = await setUp();
  const { engine } = fixture;
  const [one] = await versions(fixture, ['a', 'b'], ['a', 'c']);
  await expect(engine.promoteDeployment(one as never, false)).rejects.toMatchObject({ code: 'META0006' });
  expect(routes(fixture)).toEqual(['Svc@2 r2 a,c']);
  expect(await engine.promoteDeployment(one as never, true)).toMatchObject({ id: one });
  expect(routes(fixture)).toEqual(['Svc@1 r1 a,b']);
  expect(await register(fixture, '3', { Svc: ['a', 'c'] })).toBe('META0006');
  expect(await register(fixture, '3', { Svc: ['a', 'b'] })).toBe('created');
  expect(routes(fixture)).toEqual(['Svc@3 r3 a,b']);
  expect(await engine.promoteDeployment('dp_none' as never, true)).toBeUndefined();
});

test('an operator changes settings, of a service or of one handler, until the next revision', async () => {
  const fixture = await setUp();
  const { engine } = fixture;
  await versions(fixture, ['a', 'b']);
  await engine.updateService('Svc', {
    public: false,
    journalRetentionMs: 7,
    retryPolicy: { maxAttempts: 2 },
  });
  await engine.updateService('Svc', { handler: 'b', public: true, retryPolicy: { maxAttempts: 9 } });
  expect(engine.service('Svc')).toMatchObject({
    public: false,
    journalRetentionMs: 7,
    retryPolicy: { maxAttempts: 2, initialIntervalMs: 10 },
    handlers: [
      { name: 'a', public: false },
      { name: 'b', public: true, retryPolicy: { maxAttempts: 9 } },
    ],
  });
  expect(await engine.updateService('Svc', { handler: 'none' })).toBeUndefined();
  expect(await engine.updateService('None', {})).toBeUndefined();
  await register(fixture, '2', { Svc: ['a', 'b'] });
  expect(engine.service('Svc')).toMatchObject({ public: true, journalRetentionMs: 0 });
});

test('a deployment moves to another address when that offers the same', async () => {
  const fixture = await setUp();
  const { world, engine } = fixture;
  const [one] = await versions(fixture, ['a', 'b']);
  const moved = async (
    version: string,
    offer: Offer,
    options: { overwrite?: boolean; dryRun?: boolean } = {},
  ) => {
    const asked = world.calls.length;
    const updating = engine.updateDeployment(one as never, { address: at(version), ...options }).then(
      deployment => deployment && addressOf(deployment.endpoint),
      (error: { readonly code: string }) => error.code,
    );
    await settled();
    discovered(world, asked, offer);
    return updating;
  };
  expect(await moved('7', { Svc: ['a'] })).toBe('META0016');
  expect(await moved('7', { Svc: ['b', 'a'] }, { dryRun: true })).toBe(arnOf('7'));
  expect(routes(fixture)).toEqual(['Svc@1 r1 a,b']);
  expect(await moved('7', { Svc: ['b', 'a'] })).toBe(arnOf('7'));
  expect(await moved('8', { Svc: ['z'] }, { overwrite: true })).toBe(arnOf('8'));
  expect(routes(fixture)).toEqual(['Svc@8 r1 z']);
  expect(engine.deployments()).toHaveLength(1);
  await register(fixture, '9', { Svc: ['z'] });
  expect(await moved('9', { Svc: ['z'] })).toBe('META0004');
});

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

test('a discovery is signed', async () => {
  const world = new World();
  const identity = { headersFor: (path: string) => ({ 'x-restate-jwt-v1': `for ${path}` }) };
  const engine = world.engine(await world.open(), { identity });
  void engine.register({ address: h(1) });
  await settled();
  expect(world.httpCalls[0]?.request.headers).toMatchObject({ 'x-restate-jwt-v1': 'for /discover' });
});
