import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { readVector } from '../../protocol/vectors.testkit.ts';
import { encodeEvent, type HeaderMap } from './envelope.ts';
import { type LambdaRequest, type LambdaResult, PAYLOAD_BYTES_MAX } from './lambda-client.ts';
import {
  createLambdaTransport,
  type LambdaAddress,
  type LambdaTransportOptions,
} from './lambda-transport.ts';
import type { ExchangeResult, HandlerRequest } from './transport.ts';

const ARN = 'arn:aws:lambda:eu-west-1:123456789012:function:checkout:7';
const PLAIN: LambdaAddress = { kind: 'lambda', arn: ARN };
const ZSTD: LambdaAddress = { ...PLAIN, compression: 'zstd' };
const V6 = 'application/vnd.restate.invocation.v6';
const LIMITS = { responseBytesMax: 1_000_000, timeoutMs: 5000 };
const POST: HandlerRequest = {
  method: 'POST',
  path: '/invoke/Svc/echo',
  headers: {
    'content-type': V6,
    accept: V6,
    'x-restate-invocation-id': 'inv_1',
    'x-restate-jwt-v1': 'e.y.J',
  },
  body: Uint8Array.from([0, 3, 0, 0, 255]),
};

interface Seen {
  readonly request: LambdaRequest;
  readonly event: { headers: HeaderMap; body: string };
}

/** A function that answers with `result`, and what it has been sent. */
function transport(result: LambdaResult, options: Partial<LambdaTransportOptions> = {}) {
  const seen: Seen[] = [];
  const transports = createLambdaTransport({
    client: {
      invoke(request, done) {
        seen.push({ request, event: JSON.parse(Buffer.from(request.payload).toString()) });
        let over = false;
        setImmediate(() => over || done(result));
        return {
          abort() {
            over = true;
          },
        };
      },
    },
    timers: { soon: callback => void setImmediate(callback) },
    ...options,
  });
  const exchange = (endpoint: LambdaAddress, request = POST, limits = LIMITS) =>
    new Promise<ExchangeResult>(resolve => transports.of(endpoint).exchange(request, limits, resolve));
  return { seen, transports, exchange };
}

const answer = (body: Uint8Array, headers: object = {}, statusCode = 200): LambdaResult => ({
  kind: 'response',
  payload: Buffer.from(
    JSON.stringify({
      headers: { 'Content-Type': V6, ...headers },
      statusCode,
      isBase64Encoded: true,
      body: Buffer.from(body).toString('base64'),
    }),
  ),
});
const END = Uint8Array.from([0, 3, 0, 0, 0, 0, 0, 0]);
const OK = { kind: 'response', status: 200, headers: { 'content-type': V6 }, body: Buffer.from(END) };

test('the headers of a request become those of the event, in their order', async () => {
  const { seen, exchange } = transport(answer(END));
  expect(await exchange(PLAIN)).toEqual(OK);
  const [first] = seen;
  expect(first?.request).toMatchObject({ arn: ARN, timeoutMs: 5000 });
  expect(Buffer.from(first?.request.payload ?? '').toString()).toBe(
    `{"path":"/invoke/Svc/echo","httpMethod":"POST","headers":{"content-type":"${V6}","accept":"${V6}",` +
      '"x-restate-invocation-id":"inv_1","x-restate-jwt-v1":"e.y.J"},"body":"AAMAAP8=","isBase64Encoded":true}',
  );
});

test.each<[string, LambdaResult, object]>([
  ['an answer', answer(END), OK],
  ['a status', answer(END, {}, 415), { ...OK, status: 415 }],
  [
    'a compressed answer, though it was not asked for',
    answer(zstdCompressSync(END), { 'Content-Encoding': 'zstd' }),
    OK,
  ],
  [
    'an encoding that the reader of the head has to refuse',
    answer(END, { 'content-encoding': 'gzip' }),
    { ...OK, headers: { 'content-type': V6, 'content-encoding': 'gzip' } },
  ],
  [
    'a bomb',
    answer(zstdCompressSync(Buffer.alloc(1_000_001)), { 'content-encoding': 'zstd' }),
    { kind: 'failed', code: 'RT0019', deterministic: true },
  ],
  [
    'a large answer',
    answer(Buffer.alloc(1_000_001)),
    { kind: 'failed', code: 'RT0019', deterministic: true },
  ],
  ['no zstd', answer(END, { 'content-encoding': 'zstd' }), { kind: 'failed', code: 'RT0012' }],
  ['no envelope', { kind: 'response', payload: Buffer.from('null') }, { kind: 'failed', code: 'RT0012' }],
  [
    'a crash',
    {
      kind: 'response',
      functionError: 'Unhandled',
      payload: Buffer.from('{"errorType":"Runtime.ExitError"}'),
    },
    { kind: 'failed', code: 'RT0010', message: expect.stringContaining('Runtime.ExitError') },
  ],
  [
    "an answer beyond Lambda's limit",
    {
      kind: 'response',
      functionError: 'Unhandled',
      payload: Buffer.from('{"errorType":"Function.ResponseSizeTooLarge"}'),
    },
    { kind: 'failed', code: 'RT0019', deterministic: true },
  ],
  [
    'a throttle',
    { kind: 'throttled', message: 'later', retryAfterMs: 3000 },
    { kind: 'throttled', retryAfterMs: 3000 },
  ],
  [
    'a failure',
    { kind: 'failed', code: 'RT0001', message: 'no answer' },
    { kind: 'failed', code: 'RT0001', message: 'no answer' },
  ],
])('reads %s', async (_name, result, expected) => {
  const found = await transport(result).exchange(PLAIN);
  expect(found).toMatchObject(expected);
  if (expected === OK) expect(found).toEqual(OK);
});

test('compression is offered with every invoke and no discovery, and used from its threshold on', async () => {
  const { seen, exchange } = transport(answer(END), { compressFromBytes: 1000 });
  const small = { ...POST, body: new Uint8Array(999).fill(7) };
  const large = { ...POST, body: new Uint8Array(1000).fill(7) };
  const discovery: HandlerRequest = { method: 'GET', path: '/discover', headers: {}, body: new Uint8Array() };
  for (const request of [small, large, discovery]) expect(await exchange(ZSTD, request)).toEqual(OK);
  expect(await exchange(PLAIN, large)).toEqual(OK);
  const used = seen.map(({ event: { headers } }) => [
    headers['accept-encoding'],
    headers['content-encoding'],
  ]);
  expect(used).toEqual([
    ['zstd', undefined],
    ['zstd', 'zstd'],
    [undefined, undefined],
    [undefined, undefined],
  ]);
  const packed = Buffer.from(seen[1]?.event.body ?? '', 'base64');
  expect(zstdDecompressSync(packed)).toEqual(Buffer.from(large.body));
});

test('a compressed request looks like the one that was captured', async () => {
  const vector = readVector('lambda-zstd-request.json');
  const captured = vector['lambda_event'] as { path: string; headers: HeaderMap; body: string };
  const { 'accept-encoding': _accept, 'content-encoding': _content, ...headers } = captured.headers;
  const body = zstdDecompressSync(Buffer.from(captured.body, 'base64'));
  const { seen, exchange } = transport(answer(END), { compressFromBytes: 1024 });
  await exchange(ZSTD, { method: 'POST', path: captured.path, headers, body });
  const event = seen[0]?.event;
  expect(JSON.stringify({ ...event, body: '' })).toBe(JSON.stringify({ ...captured, body: '' }));
  expect(zstdDecompressSync(Buffer.from(event?.body ?? '', 'base64'))).toEqual(body);
});

test('what cannot fit is not sent: the largest that does, one more byte, and one that fits when compressed', async () => {
  const { seen, exchange } = transport(answer(END));
  const envelope = encodeEvent({ ...POST, body: new Uint8Array() }).length;
  const most = Math.floor((PAYLOAD_BYTES_MAX - envelope) / 4) * 3;
  expect(await exchange(PLAIN, { ...POST, body: new Uint8Array(most) })).toEqual(OK);
  const beyond = { ...POST, body: new Uint8Array(most + 1) };
  expect(await exchange(PLAIN, beyond)).toMatchObject({
    kind: 'failed',
    code: 'HF_JOURNAL_TOO_LARGE',
    deterministic: true,
    message: expect.stringMatching(new RegExp(`${most + 1} bytes .*${PAYLOAD_BYTES_MAX}`)),
  });
  expect(await exchange(ZSTD, beyond)).toEqual(OK);
  expect(seen.length).toBe(2);
});

test('nothing is heard of an exchange that was aborted, wherever it is', async () => {
  const calls: string[] = [];
  const packed = answer(zstdCompressSync(Buffer.alloc(900_000)), { 'content-encoding': 'zstd' });
  const { seen, transports } = transport(packed, { compressFromBytes: 1000 });
  const start = (name: string, endpoint: LambdaAddress, body: Uint8Array) =>
    transports.of(endpoint).exchange({ ...POST, body }, LIMITS, () => calls.push(name));
  start('called', PLAIN, END).abort();
  start('compressing', ZSTD, new Uint8Array(1_000_000)).abort();
  start('refused', PLAIN, new Uint8Array(6_000_000)).abort();
  const decompressing = start('decompressing', PLAIN, END);
  await new Promise(resolve => setImmediate(resolve));
  decompressing.abort();
  await new Promise(resolve => setTimeout(resolve, 60));
  expect({ calls, sent: seen.length }).toEqual({ calls: [], sent: 2 });
});
