/** What this client does that is not about being like the official one; parity.test.ts is about that. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { COUNTER, connected, type Fetched, GREETER, ok, SIGNUP, sent } from './connected.testkit.ts';
import { type ConnectionOpts, connect, type Ingress, rpc } from './index.ts';

test.for([
  ['http://ingress:8080', 'http://ingress:8080/Greeter/tick'],
  ['http://ingress:8080/', 'http://ingress:8080/Greeter/tick'],
  ['https://ingress/prefix//', 'https://ingress/prefix/Greeter/tick'],
])('at %s', async ([url, expected]) => {
  const { ingress, requests } = connected([ok], { url: url ?? '' });
  await ingress.serviceClient(GREETER).tick();
  expect(requests[0]?.url).toBe(expected);
});

test('in a browser, relative to the page', async () => {
  vi.stubGlobal('location', { href: 'https://shop.example/cart/' });
  onTestFinished(() => void vi.unstubAllGlobals());
  const { ingress, requests } = connected([ok], { url: '/ingress' });
  await ingress.serviceClient(GREETER).tick();
  expect(requests[0]?.url).toBe('https://shop.example/ingress/Greeter/tick');
});

test('fetch is that of the moment, and no method', async () => {
  const ingress = connect({ url: 'http://ingress' });
  let self: unknown = 'not called';
  vi.stubGlobal('fetch', async function (this: unknown) {
    self = this;
    return Response.json('r');
  });
  onTestFinished(() => void vi.unstubAllGlobals());
  await ingress.serviceClient(GREETER).tick();
  expect(self).toBeUndefined();
});

const headersOf = async (options: Partial<ConnectionOpts>, headers: Record<string, string>) => {
  const { ingress, requests } = connected([ok], options);
  await ingress.serviceClient(GREETER).greet('x', rpc.opts({ headers }));
  return Object.fromEntries(requests[0]?.headers ?? []);
};

test('a header is sent once: that of the request, of the connection, ours', async () => {
  const connection = { 'Content-Type': 'of/connection', Authorization: 'secret' };
  expect(await headersOf({ headers: connection }, { 'content-TYPE': 'of/request' })).toEqual({
    'content-type': 'of/request',
    authorization: 'secret',
    'x-restateclient-retry-attempt': '1',
  });
  expect(await headersOf({ headers: connection }, {})).toMatchObject({ 'content-type': 'of/connection' });
  expect(await headersOf({}, {})).toMatchObject({ 'content-type': 'application/json' });
});

test('bytes need no serde', async () => {
  const echo: Fetched = async request =>
    new Response(await request.bytes(), { headers: { 'content-type': 'application/octet-stream' } });
  const { ingress, requests } = connected([echo]);
  const bytes = new Uint8Array([0, 255]);
  expect(await ingress.serviceClient(GREETER).bytes(bytes)).toEqual(bytes);
  expect(await ingress.call({ service: 'Greeter', handler: 'bytes', parameter: bytes })).toEqual(bytes);
  expect(requests.map(({ headers }) => headers.get('content-type'))).toEqual(
    Array(2).fill('application/octet-stream'),
  );
});

test.for<[string, (ingress: Ingress) => Promise<unknown>]>([
  ['/restate/invocation/inv%2F1/attach', i => i.result({ ...sent, invocationId: 'inv/1' })],
  ['/restate/a/a%2F1/resolve', i => i.resolveAwakeable('a/1')],
  ['/restate/a/a%2F1/reject', i => i.rejectAwakeable('a/1', 'why')],
  ['/Greeter/tick/send', i => i.serviceSendClient(GREETER).tick(rpc.sendOpts({ delay: -5 }))],
  ['/Signup/k/toString', i => i.workflowClient<Odd>({ name: 'Signup' }, 'k').toString()],
])('the path %s', async ([path, play]) => {
  const { ingress, requests } = connected([ok]);
  await play(ingress);
  expect(requests[0]?.url).toBe(`http://ingress:8080${path}`);
});
/** A handler with a name that every object has. */
interface Odd {
  run(ctx: unknown): Promise<void>;
  toString(ctx: unknown): Promise<string>;
}

test('a workflow in a scope is asked by its scope', async () => {
  const { ingress, requests } = connected([ok]);
  const workflow = ingress.scope('acme').workflowClient(SIGNUP, 'k/1');
  expect([await workflow.workflowAttach(), await workflow.workflowOutput()]).toEqual([
    'r',
    { ready: true, result: 'r' },
  ]);
  expect(requests.map(({ url }) => new URL(url).pathname)).toEqual(['/restate/attach', '/restate/output']);
  expect(await requests[0]?.json()).toEqual({
    target: 'workflow',
    workflowName: 'Signup',
    workflowKey: 'k/1',
    scope: 'acme',
  });
});

test('a codec is told what it encodes and decodes', async () => {
  const places: unknown[] = [];
  const { ingress } = connected([() => Response.json('r', { headers: { 'x-restate-id': 'inv_7' } })], {
    journalValueCodec: {
      encode(value, place) {
        places.push(place);
        return value;
      },
      decode(value, place) {
        places.push(place);
        return value;
      },
    },
  });
  await ingress.serviceClient(GREETER).greet('x');
  await ingress.objectClient(COUNTER, 'k').add(1);
  await ingress.result(sent);
  await ingress.resolveAwakeable('sign_1', 1);
  expect(places).toEqual([
    ['input', 'Greeter', 'greet', ''],
    ['output', 'inv_7'],
    ['input', 'Counter', 'add', 'k'],
    ['output', 'inv_7'],
    ['output', 'inv_1'],
    ['awakeable', 'sign_1'],
  ]);
});

const described = {
  name: 'Described',
  _kind: 'object',
  _handlers: { up: { _inputSerde: upper(), _outputSerde: upper() } },
} as const;
function upper() {
  return {
    contentType: 'text/upper',
    serialize: (value: string) => new TextEncoder().encode(value.toUpperCase()),
    deserialize: (bytes: Uint8Array) => new TextDecoder().decode(bytes).toUpperCase(),
  };
}

test('a description without code brings its serdes', async () => {
  const { ingress, requests } = connected([() => new Response('abc')]);
  expect(await ingress.client(described, 'k').up('x')).toBe('ABC');
  expect(await requests[0]?.text()).toBe('X');
  expect(requests[0]?.headers.get('content-type')).toBe('text/upper');
});

test.for<[string, (ingress: Ingress) => unknown]>([
  ['the idempotency key is empty', i => i.serviceClient(GREETER).tick(rpc.opts({ idempotencyKey: '' }))],
  ['has no scope', i => i.serviceClient(GREETER).tick(rpc.opts({ limitKey: 'a' }))],
  ['delay', i => i.serviceSendClient(GREETER).tick(rpc.sendOpts({ delay: Number.NaN }))],
  ['timeout', i => i.serviceClient(GREETER).tick(rpc.opts({ timeout: 'long' as never }))],
  ['is empty', i => i.objectClient(COUNTER, '').get()],
  ['is empty', i => i.objectClient(COUNTER, undefined as never).get()],
  ['is empty', i => i.scope('').serviceClient(GREETER).tick()],
  ['is empty', i => i.resolveAwakeable('')],
  ['is empty', i => i.call({ service: '', handler: 'h', parameter: 1 })],
  ['is not kept', i => i.result({ ...sent, attachable: false })],
])('refused: %s', async ([why, play]) => {
  const { ingress, requests } = connected([ok]);
  const message = expect.stringMatching(new RegExp(`${why}.*HF_SDK_CLIENT\\.md`, 'i'));
  await expect((async () => play(ingress))()).rejects.toMatchObject({ code: 'HF_SDK_CLIENT', message });
  expect(requests).toEqual([]);
});

test.for(['', 'ingress', 'localhost:8080', 'ftp://ingress', 'http://ingress?a=1', 'http://u:secret@ingress'])(
  'refused: the url "%s"',
  url => {
    expect(() => connect({ url })).toThrow(/^The url must be like((?!secret).)*$/);
  },
);

test('a client may be awaited, and printed', async () => {
  const client = connect({ url: 'http://ingress' }).serviceClient(GREETER);
  expect(await client).toBe(client);
  expect(Object.prototype.toString.call(client)).toBe('[object Object]');
});
