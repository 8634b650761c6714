import { createSecureServer } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createAddressGuard, type HostRule } from '../platform/address-guard.ts';
import { systemClock } from '../platform/clock.ts';
import { TEST_CERTIFICATE, TEST_KEY } from '../platform/testing/certificate.ts';
import { h2c, http1, stopPeers, tcp } from '../platform/testing/http2-peers.ts';
import { systemTimers } from '../platform/timers.ts';
import type { HeaderMap } from './envelope.ts';
import {
  createHttpTransport,
  type HttpEndpoint,
  type HttpTransport,
  type HttpTransportOptions,
} from './http-transport.ts';
import type {
  ExchangeLimits,
  ExchangeResult,
  HandlerRequest,
  Stream,
  TransportFailure,
} from './transport.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
  await stopPeers();
});

const LOCAL: HostRule[] = [{ kind: 'local' }];

function transport(options: Partial<HttpTransportOptions> = {}): HttpTransport {
  const timers = systemTimers(systemClock);
  const guard = createAddressGuard(LOCAL);
  const created = createHttpTransport({ clock: systemClock, timers, guard, tickMs: 10, ...options });
  open.push(() => created.close());
  return created;
}

const MODES: [string, Pick<HttpEndpoint, 'http' | 'bidirectional'>][] = [
  ['HTTP/1.1', { http: 1, bidirectional: false }],
  ['HTTP/2', { http: 2, bidirectional: false }],
  ['HTTP/2, bidirectional', { http: 2, bidirectional: true }],
];

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: HeaderMap;
  readonly body: string;
}
type Answer = [status: number, headers: Record<string, string | string[]>, body: string];

/** A server of either version. */
async function serve(http: 1 | 2, answer: (asked: Asked) => Answer): Promise<number> {
  if (http === 1) {
    return http1((request, response) => {
      let body = '';
      request.on('data', chunk => (body += chunk));
      request.on('end', () => {
        const { method = '', url: path = '', headers } = request;
        const [status, head, text] = answer({ method, path, headers: headers as HeaderMap, body });
        response.writeHead(status, head).end(text);
      });
    });
  }
  const { port } = await h2c((stream, headers) => {
    let body = '';
    stream.on('data', chunk => (body += chunk));
    stream.on('end', () => {
      const method = String(headers[':method']);
      const asked = { method, path: String(headers[':path']), headers: headers as HeaderMap, body };
      const [status, head, text] = answer(asked);
      stream.respond({ ':status': status, ...head });
      stream.end(text);
    });
  });
  return port;
}

const INVOKE: HandlerRequest = {
  method: 'POST',
  path: '/invoke/greeter/greet',
  headers: { 'content-type': 'application/vnd.restate.invocation.v6', 'x-token': 'one' },
  body: Buffer.from('journal'),
};
const LIMITS: ExchangeLimits = { responseBytesMax: 1000, timeoutMs: 2000 };

function exchange(
  transports: HttpTransport,
  uri: string,
  mode: Pick<HttpEndpoint, 'http' | 'bidirectional'>,
  request: HandlerRequest = INVOKE,
  limits: ExchangeLimits = LIMITS,
): Promise<ExchangeResult> {
  return new Promise(resolve => {
    let returned = false;
    transports.of({ kind: 'http', uri, ...mode }).exchange(request, limits, result => {
      expect(returned).toBe(true);
      resolve(result);
    });
    returned = true;
  });
}

function failure(result: ExchangeResult): TransportFailure {
  if (result.kind !== 'failed') throw new Error(`it did not fail: ${JSON.stringify(result)}`);
  return result;
}

test.each(MODES)('%s: a request and its answer', async (_, mode) => {
  const asked: Asked[] = [];
  const port = await serve(mode.http, request => {
    asked.push(request);
    return [200, { 'Content-Type': 'a/b', 'x-many': ['1', '2'], constructor: 'own' }, `got ${request.body}`];
  });
  const transports = transport();
  const result = await exchange(transports, `http://localhost:${port}/prod/v1`, mode);
  if (result.kind !== 'response') throw new Error(JSON.stringify(result));
  expect(result.status).toBe(200);
  expect(Buffer.from(result.body).toString()).toBe('got journal');
  expect(result.headers).toMatchObject({ 'content-type': 'a/b', 'x-many': '1, 2', constructor: 'own' });
  expect(Object.getPrototypeOf(result.headers)).toBeNull();
  const discovery = { ...INVOKE, method: 'GET', path: '/discover', body: new Uint8Array(0) } as const;
  expect(await exchange(transports, `http://127.0.0.1:${port}`, mode, discovery)).toMatchObject({
    status: 200,
  });
  expect(asked).toMatchObject([
    { method: 'POST', path: '/prod/v1/invoke/greeter/greet', headers: { 'x-token': 'one' }, body: 'journal' },
    { method: 'GET', path: '/discover', body: '' },
  ]);
});

test.each(MODES)('%s: any status is an answer, redirects too, which are not followed', async (_, mode) => {
  const paths: string[] = [];
  const port = await serve(mode.http, ({ path }) => {
    paths.push(path);
    return [Number(path.split('/')[1]), { location: '/200', 'retry-after': '7' }, 'text'];
  });
  const transports = transport();
  for (const status of [301, 302, 307, 308, 404, 429, 503]) {
    const result = await exchange(transports, `http://127.0.0.1:${port}/${status}`, mode);
    expect(result).toMatchObject({ kind: 'response', status, headers: { 'retry-after': '7' } });
  }
  expect(paths).toHaveLength(7);
});

test.each(MODES)('%s: what is too large is not read, what is silent is given up', async (_, mode) => {
  const port = await serve(mode.http, ({ path }) => [200, {}, 'x'.repeat(Number(path.split('/')[1]))]);
  const transports = transport();
  const ask = (bytes: number) => exchange(transports, `http://127.0.0.1:${port}/${bytes}`, mode);
  expect(await ask(1000)).toMatchObject({ kind: 'response' });
  for (const bytes of [1001, 10_000_000]) {
    expect(await ask(bytes)).toMatchObject({ kind: 'failed', code: 'RT0019', deterministic: true });
  }
  expect(await ask(5)).toMatchObject({ kind: 'response' });

  const silent = await tcp(() => undefined);
  const limits = { ...LIMITS, timeoutMs: 100 };
  const result = await exchange(transports, `http://127.0.0.1:${silent}`, mode, INVOKE, limits);
  expect(result).toMatchObject({ code: 'RT0001', message: expect.stringContaining('100 ms') });
});

test('HTTP/1.1: the timeout is that of silence', async () => {
  const port = await http1((request, response) => {
    response.write('a');
    let left = request.url === '/drip/invoke/greeter/greet' ? 10 : 2;
    const drip = setInterval(() => {
      response.write('.');
      if (--left > 0) return;
      clearInterval(drip);
      if (request.url?.startsWith('/drip')) response.end();
    }, 30);
  });
  const transports = transport();
  const limits = { ...LIMITS, timeoutMs: 150 };
  const ask = (path: string) =>
    exchange(
      transports,
      `http://127.0.0.1:${port}/${path}`,
      { http: 1, bidirectional: false },
      INVOKE,
      limits,
    );
  expect(await ask('drip')).toMatchObject({ kind: 'response', body: Buffer.from('a..........') });
  expect(await ask('stops')).toMatchObject({ code: 'RT0001', message: expect.stringContaining('150 ms') });
});

test.each<[string, (socket: Socket) => void, RegExp]>([
  ['reset', socket => socket.resetAndDestroy(), /ECONNRESET|UND_ERR_SOCKET/],
  ['closed', socket => socket.end(), /UND_ERR_SOCKET/],
  [
    'cut short',
    socket => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf'),
    /UND_ERR|HPE|Parser/,
  ],
  ['noise', socket => socket.end('220 mail.example ESMTP\r\n'), /HTTPParserError|HPE/],
  [
    'header flood',
    socket => socket.write(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(100_000)}`),
    /HEADERS_OVERFLOW/,
  ],
  [
    'endless header',
    socket => socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(1_000_000)}`),
    /HEADERS_OVERFLOW/,
  ],
])('HTTP/1.1, %s: no answer', async (_, misbehave, reason) => {
  const port = await tcp(socket => void socket.once('data', () => misbehave(socket)));
  const result = failure(
    await exchange(transport(), `http://127.0.0.1:${port}`, { http: 1, bidirectional: false }),
  );
  expect(result.code).toBe('RT0010');
  expect(result.message).toMatch(reason);
});

test('a body that never ends is cut off where the limit is', async () => {
  let sent = 0;
  const endless = (write: (chunk: Buffer) => boolean): void => {
    while (sent < 50_000_000) {
      sent += 65_536;
      if (!write(Buffer.alloc(65_536))) return;
    }
  };
  const port = await http1((_, response) => {
    const more = (): void => endless(chunk => response.write(chunk));
    response.on('drain', more);
    more();
  });
  const { port: port2 } = await h2c(stream => {
    stream.respond({ ':status': 200 });
    const more = (): void => endless(chunk => stream.write(chunk));
    stream.on('drain', more);
    more();
  });
  const transports = transport();
  for (const [http, at] of [
    [1, port],
    [2, port2],
  ] as const) {
    sent = 0;
    const result = await exchange(transports, `http://127.0.0.1:${at}`, { http, bidirectional: false });
    expect(result).toMatchObject({ code: 'RT0019' });
    expect(sent).toBeLessThan(10_000_000);
  }
});

test.each(MODES)('%s: a host that is not allowed, or a name that must not lead there', async (_, mode) => {
  const port = await serve(mode.http, () => [200, {}, 'secret']);
  const rules: HostRule[] = [{ kind: 'name', name: 'handlers.internal' }];
  // The name server changes its mind; it is asked for each connection and each answer is judged.
  const resolve = ((_name: string, _options: object, done: (error: null, found: object[]) => void) =>
    setImmediate(() => done(null, [{ address: '127.0.0.1', family: 4 }]))) as never;
  const transports = transport({ guard: createAddressGuard(rules, resolve) });
  for (const [host, reason] of [
    ['127.0.0.1', "add 'localhost'"],
    ['other.internal', "add 'other.internal'"],
    ['169.254.169.254', 'such addresses are never called'],
    ['handlers.internal', 'an address of this machine'],
  ]) {
    const result = await exchange(transports, `http://${host}:${port}`, mode);
    expect(failure(result)).toMatchObject({ code: 'HF_ENDPOINT_NOT_ALLOWED' });
    expect(failure(result).message).toContain(reason);
  }
});

async function secure(alpn: string[], http: 1 | 2): Promise<number> {
  const keys = { key: TEST_KEY, cert: TEST_CERTIFICATE, ALPNProtocols: alpn };
  const server = http === 1 ? createHttpsServer(keys) : createSecureServer(keys);
  server.on('request', (request, response) => void response.end(`over ${request.httpVersion}`));
  server.on('sessionError', () => undefined);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  open.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

test.each(MODES)('%s over TLS, with a certificate that is checked', async (_, mode) => {
  const port = await secure([mode.http === 1 ? 'http/1.1' : 'h2'], mode.http);
  const trusting = transport({ ca: TEST_CERTIFICATE });
  for (const host of ['localhost', '127.0.0.1']) {
    const result = await exchange(trusting, `https://${host}:${port}`, mode);
    expect(result).toMatchObject({
      status: 200,
      body: Buffer.from(mode.http === 1 ? 'over 1.1' : 'over 2.0'),
    });
  }
  const stranger = failure(await exchange(transport(), `https://localhost:${port}`, mode));
  expect(stranger.code).toBe('RT0010');
  expect(stranger.message).toMatch(/SELF_SIGNED_CERT.*NODE_EXTRA_CA_CERTS/);
  const wrongName = failure(await exchange(trusting, `https://127.0.0.2:${port}`, mode));
  expect(wrongName.code).toBe('RT0010');
});

test.each(['h2c', 'TLS', 'TLS without ALPN'])(
  'a server of HTTP/1.1 where HTTP/2 is needed: %s',
  async kind => {
    const over = kind !== 'h2c';
    const port = over
      ? await secure(kind === 'TLS' ? ['http/1.1'] : [], 1)
      : await serve(1, () => [200, {}, '']);
    const transports = transport({ ca: TEST_CERTIFICATE });
    const uri = `${over ? 'https' : 'http'}://localhost:${port}`;
    const result = failure(await exchange(transports, uri, { http: 2, bidirectional: true }));
    expect(result.code).toBe('RT0010');
    expect(result.message).toMatch(/does not seem to speak HTTP\/2.*use_http_11/);
    if (over) expect(result.message).toContain('it did not choose h2');
  },
);

test('a server of another kind than registered: the message says which', async () => {
  const [one, two] = [await serve(1, () => [200, {}, '']), await serve(2, () => [200, {}, ''])];
  const tls = await secure(['h2'], 2);
  for (const [uri, http, hint] of [
    [`http://localhost:${one}`, 2, 'register it with use_http_11'],
    [`http://localhost:${two}`, 1, 'register it without use_http_11'],
    [`https://localhost:${two}`, 2, 'Then register it with http://'],
    [`http://localhost:${tls}`, 2, 'A server with TLS? Then with https://'],
  ] as const) {
    const result = failure(await exchange(transport(), uri, { http, bidirectional: false }));
    expect(result.message, uri).toContain(hint);
  }
});

test('bidirectional: steps in both directions, and nothing after abort', async () => {
  const { port } = await h2c(stream => {
    stream.respond({ ':status': 200, 'x-sdk': 'test' });
    stream.on('data', chunk => stream.write(`${chunk}!`));
    stream.on('end', () => stream.end('bye'));
  });
  const log: string[] = [];
  const endpoint: HttpEndpoint = {
    kind: 'http',
    uri: `http://127.0.0.1:${port}`,
    http: 2,
    bidirectional: true,
  };
  const transports = transport();
  const begin = (): Stream | undefined => {
    const stream = transports.of(endpoint).stream?.(INVOKE, {
      onHead: (status, headers) => log.push(`head ${status} ${headers['x-sdk']}`),
      onData: chunk => {
        const text = Buffer.from(chunk).toString();
        log.push(text);
        if (text === 'journal!') stream?.write(Buffer.from('step'));
        else stream?.end();
      },
      onEnd: end => log.push(end.kind === 'ended' ? 'ended' : end.code),
      onDrain: () => log.push('drain'),
    });
    return stream;
  };
  begin();
  await expect.poll(() => log.join()).toBe('head 200 test,journal!,step!,bye,ended');
  log.splice(0);
  begin()?.abort();
  await new Promise(resolve => setTimeout(resolve, 30));
  expect(log).toEqual([]);
  const refused = transport({ guard: createAddressGuard([]) })
    .of(endpoint)
    .stream?.(INVOKE, {
      onHead: () => log.push('head'),
      onData: () => log.push('data'),
      onEnd: end => log.push(end.kind === 'ended' ? 'ended' : end.code),
      onDrain: () => log.push('drain'),
    });
  refused?.write(Buffer.from('x'));
  await expect.poll(() => log).toEqual(['HF_ENDPOINT_NOT_ALLOWED']);
});

test('only transports of bidirectional deployments have streams, and one origin shares its connections', async () => {
  let connections = 0;
  const { port, sockets } = await h2c(stream => stream.respond({ ':status': 200 }, { endStream: true }));
  const transports = transport();
  for (const [, mode] of MODES.slice(1)) {
    const { stream } = transports.of({ kind: 'http', uri: `http://127.0.0.1:${port}`, ...mode });
    expect(stream !== undefined).toBe(mode.bidirectional);
    for (const path of ['', '/a', '/b']) {
      connections++;
      expect(await exchange(transports, `http://127.0.0.1:${port}${path}`, mode)).toMatchObject({
        status: 200,
      });
    }
  }
  expect([connections, sockets.length]).toEqual([6, 1]);
});
