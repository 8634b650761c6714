/**
 * The Node adapter on real servers, with frames by hand: what a server of the protocol sees over HTTP/1.1 and HTTP/2,
 * whatever the version of the protocol.
 */
import * as http from 'node:http';
import * as http2 from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { contentTypeOf, type DecodedFrame, decodeFrame, decodeFrames, encodeFrame } from '@holdfast/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { MAX_PROTOCOL, MIN_PROTOCOL } from './discovery.ts';
import { messageOf, Peer, step } from './http2-peer.testkit.ts';
import { json, requestBody, text } from './journal.testkit.ts';
import { type Context, createEndpointHandler, endpoint, serde, service } from './node.ts';

const VERSIONS = Array.from({ length: MAX_PROTOCOL - MIN_PROTOCOL + 1 }, (_, i) => MIN_PROTOCOL + i);

const aborted: string[] = [];
let sent = 0;
const demo = service({
  name: 'Demo',
  handlers: {
    echo: async (_ctx: Context, input: unknown) => input,
    two: async (ctx: Context) => (await ctx.run('a', () => 'A')) + (await ctx.run('b', () => 'B')),
    sleep: async (ctx: Context) => ctx.sleep(1000),
    /** Waits for something that the server knows nothing of, until the attempt is over. */
    hang: async (ctx: Context) => {
      await ctx.run('hang', async () => {
        const { attemptCompletedSignal: signal } = ctx.request();
        await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()));
        aborted.push(ctx.request().id);
      });
    },
    /** Answers each of many signals with as much. */
    flood: async (ctx: Context, times: number) => {
      for (let i = 0; i < times; i++) {
        const parameter = await ctx.signal<string>('more');
        ctx.genericSend({ service: 'X', method: 'x', parameter, inputSerde: serde.json });
        sent++;
      }
    },
  },
});

const servers: (http.Server | http2.Http2Server)[] = [];
async function portOf(server: http.Server | http2.Http2Server): Promise<number> {
  servers.push(server);
  server.on('session', (each: http2.ServerHttp2Session) => sessions.add(each));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

let http1Port = 0;
let http2Port = 0;
let session: http2.ClientHttp2Session;
const sessions = new Set<http2.ServerHttp2Session>();
beforeAll(async () => {
  const handler = createEndpointHandler({ services: [demo] });
  http1Port = await portOf(http.createServer(handler));
  const h2 = http2.createServer(handler);
  http2Port = await portOf(h2);
  session = http2.connect(`http://127.0.0.1:${http2Port}`);
});
afterAll(async () => {
  session.destroy();
  for (const each of sessions) each.destroy();
  for (const server of servers) await new Promise(resolve => server.close(resolve));
});

function post(
  path: string,
  version: number,
  body: Uint8Array | readonly Uint8Array[],
  headers = {},
): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        port: http1Port,
        path,
        method: 'POST',
        agent: false,
        headers: { 'content-type': contentTypeOf(version), ...headers },
      },
      response => {
        const chunks: Uint8Array[] = [];
        response.on('data', chunk => chunks.push(chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          }),
        );
      },
    );
    request.on('error', reject);
    for (const chunk of body instanceof Uint8Array ? [body] : body) request.write(chunk);
    request.end();
  });
}

const framesOf = (body: Uint8Array): DecodedFrame[] => decodeFrames(body).map(decodeFrame);
const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 2));
};

describe.each(VERSIONS)('protocol version %i', version => {
  test('a stream goes from step to step without ending', async () => {
    const peer = new Peer('/any/prefix/invoke/Demo/two', version, session);
    // The head comes before the journal has.
    expect(await peer.head).toMatchObject({ ':status': 200, 'content-type': contentTypeOf(version) });
    const journal = requestBody({});
    peer.send(journal.subarray(0, 11));
    peer.send(journal.subarray(11));
    for (const [id, value] of [
      [1, 'A'],
      [2, 'B'],
    ] as const) {
      expect(messageOf(await step(peer), 'RunCommand').resultCompletionId).toBe(id);
      expect(text(messageOf(await step(peer), 'ProposeRunCompletion').value)).toBe(JSON.stringify(value));
      peer.send(encodeFrame('RunCompletion', { completionId: id, value: json(value) }));
    }
    expect(text(messageOf(await step(peer), 'OutputCommand').value)).toBe('"AB"');
    messageOf(await peer.next(), 'End');
    await peer.ended;
    peer.stream.end();
  });

  test('a stream whose input ends suspends', async () => {
    const peer = new Peer('/invoke/Demo/sleep', version, session);
    peer.send(requestBody({}));
    messageOf(await step(peer), 'SleepCommand');
    peer.stream.end();
    messageOf(await step(peer), 'Suspension');
    await peer.ended;
  });

  test('HTTP/1.1 is request and response, in chunks cut anywhere', async () => {
    const journal = requestBody({ input: json('hi') });
    const chunks = [journal.subarray(0, 3), journal.subarray(3, 50), journal.subarray(50)];
    const echo = await post('/invoke/Demo/echo', version, chunks);
    expect(echo).toMatchObject({ status: 200, headers: { 'content-type': contentTypeOf(version) } });
    expect(echo.headers['content-length']).toBe(String(echo.body.length));
    expect(framesOf(echo.body).map(({ name }) => name)).toEqual(['OutputCommand', 'End']);
    const two = await post('/invoke/Demo/two', version, requestBody({}));
    expect(framesOf(two.body).map(({ name }) => name)).toEqual([
      'RunCommand',
      'ProposeRunCompletion',
      'Suspension',
    ]);
  });

  test.each<[string, Uint8Array, RegExp]>([
    ['is cut off', requestBody({}).subarray(0, 30), /Protocol violation: |does not decode: /],
    ['is no journal', new Uint8Array(40).fill(0xff), /does not decode: /],
    ['is empty', new Uint8Array(), /Protocol violation/],
    ['announces a frame of 4 GB', Uint8Array.of(0, 0, 0, 0, 255, 255, 255, 255), /does not decode: /],
  ])('a body that %s fails the attempt', async (_what, body, expected) => {
    const peer = new Peer('/invoke/Demo/echo', version, session);
    peer.stream.end(body);
    const overHttp1 = framesOf((await post('/invoke/Demo/echo', version, body)).body);
    for (const frame of [await peer.next(), ...overHttp1]) {
      const { code, message } = messageOf(frame, 'Error');
      expect({ code, message }).toEqual({ code: 571, message: expect.stringMatching(expected) });
    }
    await peer.ended;
  });
});

const VERSION = MAX_PROTOCOL;

test('what is written within a turn is one chunk, so that a short run costs the server one write', async () => {
  const peer = new Peer('/invoke/Demo/two', VERSION, session);
  let chunks = 0;
  peer.stream.on('data', () => chunks++);
  peer.send(requestBody({}));
  messageOf(await step(peer), 'RunCommand');
  messageOf(await step(peer), 'ProposeRunCompletion');
  expect(chunks).toBe(1);
  peer.stream.close(http2.constants.NGHTTP2_CANCEL);
});

test.each(['a reset', 'the end of the connection'])('%s ends the attempt', async how => {
  const before = aborted.length;
  const own = http2.connect(`http://127.0.0.1:${http2Port}`);
  own.on('error', () => {});
  const peer = new Peer('/invoke/Demo/hang', VERSION, own);
  peer.send(requestBody({}));
  messageOf(await step(peer), 'RunCommand');
  if (how === 'a reset') peer.stream.close(http2.constants.NGHTTP2_CANCEL);
  else own.destroy();
  await until(() => aborted.length > before);
  own.destroy();
});

test('a client of HTTP/1.1 that goes away ends the attempt', async () => {
  const before = aborted.length;
  const socket = connect(http1Port, '127.0.0.1');
  const body = requestBody({});
  socket.write(
    `POST /invoke/Demo/hang HTTP/1.1\r\nhost: a\r\ncontent-type: ${contentTypeOf(VERSION)}\r\ncontent-length: ${body.length}\r\n\r\n`,
  );
  socket.write(body);
  await new Promise(resolve => setTimeout(resolve, 50));
  expect(aborted.length).toBe(before);
  socket.destroy();
  await until(() => aborted.length > before);
});

test('a peer that does not read is not read from: user code waits with it', async () => {
  const own = http2.connect(`http://127.0.0.1:${http2Port}`);
  const peer = new Peer('/invoke/Demo/flood', VERSION, own);
  const times = 100;
  peer.stream.pause();
  peer.send(requestBody({ input: json(times) }));
  const value = json('x'.repeat(64 * 1024));
  for (let i = 0; i < times; i++) peer.send(encodeFrame('SignalNotification', { signalName: 'more', value }));
  await new Promise(resolve => setTimeout(resolve, 200));
  // The windows of both sides and the buffers between hold some.
  expect(sent).toBeLessThan(times / 4);
  peer.stream.resume();
  await until(() => sent === times);
  let frame = await step(peer);
  while (frame.name !== 'End') frame = await step(peer);
  own.destroy();
});

test('more than an attempt takes ends it, and the connection goes on', async () => {
  const flood = encodeFrame('SignalNotification', { signalName: 'a', value: new Uint8Array(1024 * 1024) });
  const peer = new Peer('/invoke/Demo/sleep', VERSION, session);
  peer.send(requestBody({}));
  for (let i = 0; i < 70 && !peer.stream.destroyed; i++) {
    if (!peer.stream.write(flood)) await new Promise(resolve => peer.stream.once('drain', resolve));
  }
  messageOf(await step(peer), 'SleepCommand');
  expect(messageOf(await step(peer), 'Error')).toMatchObject({
    code: 413,
    message: expect.stringMatching(/HF_SDK_TOO_LARGE/),
  });
  peer.stream.close();
  const next = new Peer('/invoke/Demo/echo', VERSION, session);
  next.send(requestBody({ input: json(1) }));
  messageOf(await step(next), 'OutputCommand');
  next.stream.end();
});

describe('with the clock in hand', () => {
  // Node's own timeouts use another.
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterEach(() => void vi.useRealTimers());
  const turn = () => new Promise(resolve => setImmediate(resolve));
  const turns = async () => {
    for (let i = 0; i < 20; i++) await turn();
  };

  test('a journal that stays incomplete is waited for a minute from its last byte', async () => {
    const peer = new Peer('/invoke/Demo/echo', VERSION, session);
    await peer.head;
    const journal = requestBody({});
    for (const byte of journal.subarray(0, 2)) {
      peer.send(Uint8Array.of(byte));
      await turns();
      vi.advanceTimersByTime(59_000);
      await turns();
      expect(peer.stream.closed).toBe(false);
    }
    vi.advanceTimersByTime(1000);
    await turns();
    expect(peer.stream.closed).toBe(true);
  });

  test('a handler that waits for long is not cut off, and who never ends a request that is answered is', async () => {
    const peer = new Peer('/invoke/Demo/sleep', VERSION, session);
    peer.send(requestBody({}));
    messageOf(await step(peer), 'SleepCommand');
    vi.advanceTimersByTime(3_600_000);
    await turns();
    expect(peer.stream.closed).toBe(false);
    peer.send(encodeFrame('SleepCompletion', { completionId: 1, void: true }));
    messageOf(await step(peer), 'OutputCommand');
    await peer.ended;
    vi.advanceTimersByTime(9000);
    await turns();
    expect(peer.stream.closed).toBe(false);
    vi.advanceTimersByTime(1000);
    await turns();
    expect(peer.stream.closed).toBe(true);
  });
});

test('many attempts share a connection', async () => {
  const outputs = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      const peer = new Peer('/invoke/Demo/echo', VERSION, session);
      peer.send(requestBody({ input: json(i) }));
      peer.stream.end();
      return text(messageOf(await step(peer), 'OutputCommand').value);
    }),
  );
  expect(outputs).toEqual(outputs.map((_, i) => String(i)));
});

const ACCEPT = { accept: 'application/vnd.restate.endpointmanifest.v4+json' };
async function overHttp2(at: http2.ClientHttp2Session, path: string, headers = {}) {
  const stream = at.request({ ':path': path, ...headers });
  const [head, chunks] = await Promise.all([
    new Promise<http2.IncomingHttpHeaders & { ':status'?: number }>(resolve =>
      stream.once('response', resolve),
    ),
    stream.toArray(),
  ]);
  return { status: head[':status'], body: Buffer.concat(chunks).toString() };
}
async function overHttp1(port: number, path: string, headers = {}) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
  return { status: response.status, body: await response.text() };
}

test.each([
  ['as the request comes', undefined, 'BIDI_STREAM', 'REQUEST_RESPONSE'],
  ['always', true, 'BIDI_STREAM', 'BIDI_STREAM'],
  ['never', false, 'REQUEST_RESPONSE', 'REQUEST_RESPONSE'],
] as const)('streams in both directions %s', async (_when, bidirectional, two, one) => {
  const handler = createEndpointHandler({ services: [demo], bidirectional });
  const own = http2.connect(`http://127.0.0.1:${await portOf(http2.createServer(handler))}`);
  const manifest = async (answer: Promise<{ body: string }>) => JSON.parse((await answer).body);
  expect((await manifest(overHttp2(own, '/discover', ACCEPT))).protocolMode).toBe(two);
  const port = await portOf(http.createServer(handler));
  expect((await manifest(overHttp1(port, '/discover', ACCEPT))).protocolMode).toBe(one);
  own.destroy();
});

test('statuses are those of the protocol, over both', async () => {
  const type = { 'content-type': contentTypeOf(VERSION) };
  for (const [path, headers, status] of [
    ['/health', {}, 200],
    ['/discover', {}, 415],
    ['/nothing', {}, 404],
    ['/invoke/Demo/nothing', type, 404],
    ['/invoke/Nothing/echo', type, 404],
    ['/invoke/Demo/echo', {}, 415],
    ['/invoke/Demo/echo', { 'content-type': contentTypeOf(99) }, 415],
  ] as const) {
    const two = await overHttp2(session, path, headers);
    expect([path, two.status]).toEqual([path, status]);
    expect((await overHttp1(http1Port, path, headers)).status).toBe(status);
    if (status >= 400) expect(JSON.parse(two.body).message).toMatch(/./);
  }
});

test('over HTTP/1.1 a connection goes on, unless a body is answered before its end', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const headOf = (method: string, path: string) =>
    new Promise<http.IncomingMessage>(resolve => {
      const request = http.request({ port: http1Port, path, method, agent }, resolve);
      if (method === 'POST') request.write('more follows');
      else request.end();
    });
  const connectionOf = async (method: string, path: string) => {
    const { headers, statusCode, socket } = await headOf(method, path).then(head => head.resume());
    return [statusCode, headers.connection, socket.localPort];
  };
  const [, , port] = await connectionOf('GET', '/health');
  await new Promise(resolve => setTimeout(resolve, 10));
  expect(await connectionOf('GET', '/health')).toEqual([200, 'keep-alive', port]);
  expect((await connectionOf('POST', '/nothing')).slice(0, 2)).toEqual([404, 'close']);
  agent.destroy();
});

test('the builder serves the same, and listens', async () => {
  const built = endpoint().bind(demo);
  const one = await portOf(http.createServer(built.http1Handler()));
  expect(await overHttp1(one, '/health')).toMatchObject({ status: 200 });
  const two = http2.connect(`http://127.0.0.1:${await portOf(http2.createServer(built.http2Handler()))}`);
  expect(await overHttp2(two, '/health')).toMatchObject({ status: 200 });
  two.destroy();
});
