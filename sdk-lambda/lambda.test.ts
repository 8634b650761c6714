/** Bodies on Lambda: compressed, in parts, too large for one payload. The object store is a real server. */
import { createHash } from 'node:crypto';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import * as zlib from 'node:zlib';
import { contentTypeOf, decodeFrame, decodeFrames } from '@holdfast/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { readVector } from '../protocol/vectors.testkit.ts';
import { MAX_PROTOCOL } from './discovery.ts';
import { headersOf, RFC_IDENTITY, signed } from './identity.testkit.ts';
import {
  type Context,
  createEndpointHandler,
  type LambdaEvent,
  type LambdaResponse,
  service,
} from './index.ts';
import { json, requestBody, text } from './journal.testkit.ts';
import { REQUEST_BYTES_MAX } from './limits.ts';

const seen: string[] = [];
const bodies = service({
  name: 'S',
  handlers: {
    length: async (ctx: Context, input: unknown) => {
      seen.push(...ctx.request().attemptHeaders.keys());
      return JSON.stringify(input).length;
    },
    /** An answer that does not compress. */
    noise: async (_ctx: Context, bytes: number) => noise(bytes),
    repeated: async (_ctx: Context, bytes: number) => 'x'.repeat(bytes),
  },
});
const noises = new Map<number, string>();
/** Text of bytes that look random. */
function noise(bytes: number): string {
  const known = noises.get(bytes);
  if (known !== undefined) return known;
  const blocks = Array.from({ length: Math.ceil(bytes / 64) }, (_, i) =>
    createHash('sha512').update(String(i)).digest(),
  );
  const text = Buffer.concat(blocks).subarray(0, bytes).toString('latin1');
  noises.set(bytes, text);
  return text;
}

const handler = createEndpointHandler({ services: [bodies] });

// ---- the object store

const objects = new Map<string, Uint8Array>();
/** Statuses that come before the answer, and how many requests there were, by path. */
const troubles = new Map<string, number[]>();
const requests = new Map<string, number>();
let atOnce = 0;
let atOnceMax = 0;
const store = http.createServer(async (request, response) => {
  const path = request.url?.split('?')[0] ?? '';
  requests.set(path, (requests.get(path) ?? 0) + 1);
  atOnceMax = Math.max(atOnceMax, ++atOnce);
  const body = Buffer.concat(await request.toArray());
  await new Promise(resolve => setTimeout(resolve, 5));
  atOnce--;
  const trouble = troubles.get(path)?.shift();
  if (trouble === 0) {
    request.socket.destroy();
    return;
  }
  if (trouble !== undefined) response.writeHead(trouble, { location: '/elsewhere' }).end();
  else if (request.method === 'PUT') {
    objects.set(path, body);
    response.end();
  } else response.end(objects.get(path));
});
let base = '';
beforeAll(async () => {
  await new Promise<void>(resolve => store.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(store.address() as AddressInfo).port}`;
});
beforeEach(() => {
  for (const map of [objects, troubles, requests]) map.clear();
  seen.length = 0;
  atOnceMax = 0;
});
afterAll(() => {
  store.closeAllConnections();
  store.close();
});

// ---- the calls

const VERSION = MAX_PROTOCOL;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const eventOf = (method: string, body: Uint8Array, headers = {}): LambdaEvent => ({
  path: `/invoke/S/${method}`,
  headers: { 'content-type': contentTypeOf(VERSION), ...headers },
  body: Buffer.from(body).toString('base64'),
  isBase64Encoded: true,
});
const bytesOf = ({ body }: LambdaResponse) => new Uint8Array(Buffer.from(body, 'base64'));
function resultOf(body: Uint8Array): string {
  const [first] = decodeFrames(body).map(decodeFrame);
  if (first?.name === 'OutputCommand') return text(first.message.value);
  if (first?.name === 'Error') return `Error ${first.message.code}: ${first.message.message}`;
  throw new Error(`assertion: an output or an error, not ${first?.name}`);
}
const call = async (method: string, body: Uint8Array, headers = {}) =>
  handler(eventOf(method, body, headers), {});

function stored(name: string, bytes: Uint8Array, announced = {}) {
  objects.set(`/${name}`, bytes);
  return {
    url: `${base}/${name}?X-Amz-Signature=secret`,
    sha256: sha256(bytes),
    bytes: bytes.length,
    ...announced,
  };
}
const inline = (bytes: Uint8Array) => ({ inline: Buffer.from(bytes).toString('base64') });
const inParts = (...parts: object[]) => json({ parts });
const PARTS = { 'x-holdfast-body': 'parts' };

test('a discovery tells of compression, and of parts in a header', async () => {
  const accept = 'application/vnd.restate.endpointmanifest.v3+json';
  for (const [more, compression] of [
    ['', undefined],
    [', application/vnd.restate.endpointmanifest.v4+json', 'zstd'],
  ]) {
    const response = await handler({ path: '/discover', headers: { accept: accept + more } }, {});
    expect(response.headers['x-holdfast-offload']).toBe('1');
    expect(JSON.parse(text(bytesOf(response))).lambdaCompression).toBe(compression);
  }
});

test('a recorded compressed request is understood', async () => {
  const { lambda_event } = readVector('lambda-zstd-request.json') as { lambda_event: LambdaEvent };
  const path = '/invoke/S/length';
  const { statusCode, body } = await handler({ ...lambda_event, path }, {});
  expect(statusCode).toBe(200);
  expect(Number(resultOf(Buffer.from(body, 'base64')))).toBeGreaterThan(5000);
});

const BOMB = zlib.zstdCompressSync(new Uint8Array(REQUEST_BYTES_MAX + 1));
test.each<[string, Uint8Array, string, RegExp]>([
  ['is no Zstandard', json('no'), 'zstd', /Error 500: .*not moved/],
  ['grows beyond the limit', BOMB, 'zstd', /Error 500: .*not moved/],
  ['is in another encoding', json('no'), 'br', /Error 500: .*cannot decode br/],
])('a body that %s fails the attempt', async (_what, body, encoding, expected) => {
  expect(resultOf(bytesOf(await call('length', body, { 'content-encoding': encoding })))).toMatch(expected);
});

const MIB = 1024 * 1024;
const ZSTD = { 'accept-encoding': 'zstd' };
test.each([
  ['small', 'repeated', MIB, ZSTD, false],
  ['large', 'repeated', 4 * MIB, ZSTD, true],
  ['large, and the server takes no compression', 'repeated', 4 * MIB, {}, false],
  ['beyond a payload and compresses', 'repeated', 20 * MIB, ZSTD, true],
] as const)('an answer that is %s', async (_what, method, size, headers, compressed) => {
  const response = await call(method, requestBody({ input: json(size) }), headers);
  expect(response.headers['content-encoding']).toBe(compressed ? 'zstd' : undefined);
  const body = compressed ? zlib.zstdDecompressSync(bytesOf(response)) : bytesOf(response);
  expect(resultOf(body)).toBe(JSON.stringify('x'.repeat(size)));
});

test.each([ZSTD, {}])('an answer beyond a payload is put into the object store: %j', async headers => {
  troubles.set('/answer', [503, 0]);
  const response = await call('noise', requestBody({ input: json(5 * MIB) }), {
    ...headers,
    'x-holdfast-upload': `${base}/answer?X-Amz-Signature=secret`,
  });
  const answer = objects.get('/answer') ?? new Uint8Array();
  expect(response).toMatchObject({
    statusCode: 200,
    body: '',
    headers: {
      'content-type': contentTypeOf(VERSION),
      'x-holdfast-body-sha256': sha256(answer),
      'x-holdfast-body-bytes': String(answer.length),
    },
  });
  expect(response.headers['content-encoding']).toBeUndefined();
  expect(resultOf(answer)).toBe(JSON.stringify(noise(5 * MIB)));
  expect(requests.get('/answer')).toBe(3);
});

test('an answer that fits is not put there, and without a place a larger one fails the attempt', async () => {
  const upload = { 'x-holdfast-upload': `${base}/answer` };
  expect(resultOf(bytesOf(await call('noise', requestBody({ input: json(MIB) }), upload)))).toMatch(/^"/);
  expect(requests.size).toBe(0);
  const response = await call('noise', requestBody({ input: json(5 * MIB) }));
  expect(response.statusCode).toBe(200);
  expect(resultOf(bytesOf(response))).toMatch(/^Error 413: .* has \d+ bytes.*6 MB.*HF_SDK_TOO_LARGE/);
});

test('a request comes together from its parts, wherever they were cut', async () => {
  const input = 'y'.repeat(300_000);
  const body = requestBody({ input: json(input) });
  const cuts = [0, 5, 5, 100, 1000, 50_000, 100_000, 100_001, 200_000, 250_000, body.length];
  const parts = cuts.slice(1).map((end, i) => {
    const bytes = body.subarray(cuts[i], end);
    return i % 4 === 1 ? inline(bytes) : stored(String(i), bytes);
  });
  troubles.set('/2', [500, 0, 503]);
  const headers = { ...PARTS, 'x-restate-jwt-v1': 'a.b.c', 'x-restate-signature-scheme': 'v1' };
  expect(resultOf(bytesOf(await call('length', inParts(...parts), headers)))).toBe(
    String(json(input).length),
  );
  expect(requests.get('/2')).toBe(4);
  expect(atOnceMax).toBeLessThanOrEqual(4);
  expect(atOnceMax).toBeGreaterThan(1);
  // Where the parts are, and a token that is still valid, are not for user code.
  expect(seen).toContain('content-type');
  expect(seen.filter(name => name.startsWith('x-'))).toEqual([]);
});

test('the list of the parts may be compressed', async () => {
  const list = zlib.zstdCompressSync(inParts(inline(requestBody({ input: json('abc') }))));
  expect(resultOf(bytesOf(await call('length', list, { ...PARTS, 'content-encoding': 'zstd' })))).toBe('5');
});

const small = requestBody({ input: json('abc') });
test.each<[string, () => object, RegExp]>([
  [
    'is longer than announced',
    () => stored('a', small, { bytes: small.length - 1 }),
    /not what was announced/,
  ],
  [
    'is shorter than announced',
    () => stored('a', small, { bytes: small.length + 1 }),
    /not what was announced/,
  ],
  ['has another digest', () => stored('a', small, { sha256: sha256(json(1)) }), /not what was announced/],
  ['is missing', () => stored('missing', small), /status 404/],
  ['is not to be had', () => stored('down', small), /status 503/],
  ['is elsewhere by now', () => stored('moved', small), /moved/],
  ['is at neither https nor here', () => stored('a', small, { url: 'http://10.0.0.1/a' }), /neither https/],
  ['is a file', () => stored('a', small, { url: 'file:///etc/passwd' }), /neither https/],
  ['is nowhere', () => stored('a', small, { url: 'nowhere' }), /neither https/],
  ['is beyond all limits', () => stored('a', small, { bytes: 2 ** 40 }), /more than 67108864 in/],
  ['has a negative length', () => stored('a', small, { bytes: -1 }), /not what was announced/],
])('a part that %s fails the attempt', async (_what, part, expected) => {
  troubles.set('/missing', [404]);
  troubles.set('/down', [503, 503, 503, 503]);
  troubles.set('/moved', [302, 302, 302, 302]);
  const result = resultOf(bytesOf(await call('length', inParts(part()), PARTS)));
  expect(result).toMatch(/^Error 500: /);
  expect(result).toMatch(expected);
  expect(result).not.toMatch(/secret/);
});

test('one list causes a bounded number of requests', async () => {
  const parts = new Array(101).fill(stored('a', small, { bytes: 0 }));
  expect(resultOf(bytesOf(await call('length', inParts(...parts), PARTS)))).toMatch(
    /0 bytes in 101 parts are more/,
  );
  expect(requests.size).toBe(0);
});

test('on Lambda this machine is not asked: its API listens there', async () => {
  vi.stubEnv('AWS_LAMBDA_RUNTIME_API', '127.0.0.1:9001');
  const response = await call('length', inParts(stored('a', small)), PARTS);
  vi.unstubAllEnvs();
  expect(resultOf(bytesOf(response))).toMatch(/neither https/);
  expect(requests.size).toBe(0);
});

test('no list of parts makes the function fail', async () => {
  const arbitrary = fc.oneof(
    fc.string().map(json),
    fc.json().map(value => Buffer.from(value)),
    fc.uint8Array(),
  );
  const asParts = fc.array(fc.jsonValue()).map(parts => json({ parts }));
  await fc.assert(
    fc.asyncProperty(fc.oneof(arbitrary, asParts), async list => {
      const { statusCode, body } = await call('length', list, PARTS);
      expect(statusCode).toBe(200);
      expect(resultOf(Buffer.from(body, 'base64'))).toMatch(/^Error (500|571): /);
    }),
    { numRuns: 200 },
  );
});

test('nothing is fetched for a request of unknown identity', async () => {
  const guarded = createEndpointHandler({ services: [bodies], identityKeys: [RFC_IDENTITY] });
  const event = eventOf('length', inParts(stored('a', small)), PARTS);
  expect((await guarded(event, {})).statusCode).toBe(401);
  expect(requests.size).toBe(0);
  const headers = { ...event.headers, ...headersOf(signed('/invoke/S/length', Date.now())) };
  expect(resultOf(bytesOf(await guarded({ ...event, headers }, {})))).toBe('5');
});

test('an upload that fails, fails the attempt', async () => {
  troubles.set('/answer', [403]);
  const headers = { 'x-holdfast-upload': `${base}/answer?X-Amz-Signature=secret` };
  const response = await call('noise', requestBody({ input: json(5 * MIB) }), headers);
  expect(resultOf(bytesOf(response))).toMatch(/^Error 500: .*status 403/);
});
