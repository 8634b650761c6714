import { connect as connectHttp2 } from 'node:http2';
import { connect, Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { HttpReply, HttpRequest } from './http-handler.ts';
import { echo, h2, raw, sockets, start, stopAll } from './testing/http-sockets.ts';

afterEach(stopAll);

test('bodies that are being received together stay within their bound', async () => {
  const server = await start(echo, { intakeBytesMax: 2500 });
  const half = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n${'a'.repeat(900)}`;
  const first = raw(server, [half, 300, `${'a'.repeat(99)}b`], 'b');
  expect(await raw(server, [100, half, 20, 'a'.repeat(100)])).toMatch(/^HTTP\/1.1 429 /);
  expect(await first).toMatch(/^HTTP\/1.1 200 /);
  expect(await raw(server, [`${half}${'a'.repeat(99)}z`], 'z')).toMatch(/^HTTP\/1.1 200 /);
});

test.each(['http1', 'http2'])(
  '%s: an answer that nobody reads is dropped, one that is read is not',
  async version => {
    const bytes = 32 * 1024 * 1024;
    const server = await start((_request, reply) => reply.send(200, [], new Uint8Array(bytes)), {
      headersTimeoutMs: 300,
      requestTimeoutMs: 300,
    });
    /** Bytes of the answer that arrive, after a pause without reading. */
    const read = (pauseMs: number): Promise<number> =>
      new Promise(resolve => {
        let count = 0;
        const session =
          version === 'http2' ? connectHttp2(`http://${server.host}:${server.port}`) : undefined;
        const stream = session?.request({ ':path': '/' }) ?? connect(server.port, server.host);
        if (stream instanceof Socket) {
          sockets.push(stream);
          stream.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
        }
        stream.on('error', () => {});
        stream.on('close', () => {
          session?.destroy();
          resolve(count);
        });
        setTimeout(() => {
          stream.on('data', (chunk: Buffer) => {
            count += chunk.byteLength;
          });
        }, pauseMs);
      });
    expect(await read(2_000)).toBeLessThan(bytes);
    expect(await read(0)).toBeGreaterThanOrEqual(bytes);
  },
);

test('connections beyond the limit are told so, and closed at once beyond twice that', async () => {
  const server = await start(() => {}, { maxConnections: 1 });
  const get = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
  const first = raw(server, [get]);
  await new Promise(resolve => setTimeout(resolve, 30));
  const second = raw(server, [60, get]);
  await new Promise(resolve => setTimeout(resolve, 30));
  expect(await raw(server, [get])).toBe('');
  expect(await second).toMatch(/^HTTP\/1.1 429 (.|\r\n)*connection: close/);
  expect(await raw(server, [get])).toMatch(/^HTTP\/1.1 429 /);
  await server.close(0);
  expect(await first).toMatch(/^HTTP\/1.1 503 /);
});

test.each(['http1', 'http2'])(
  '%s: requests beyond the limit are refused until one has ended',
  async version => {
    const replies: HttpReply[] = [];
    const server = await start((_request, reply) => void replies.push(reply), { maxRequests: 2 });
    const waiting = [1, 2].map(() => h2(server, { ':path': '/' }));
    while (replies.length < 2) await new Promise(resolve => setTimeout(resolve, 5));
    const ask = async (): Promise<string> => {
      if (version === 'http2') return String((await h2(server, { ':path': '/' })).status);
      return (await raw(server, ['GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'])).slice(9, 12);
    };
    expect(await ask()).toBe('429');
    replies[0]?.send(200, []);
    expect((await waiting[0])?.status).toBe(200);
    const next = ask();
    while (replies.length < 3) await new Promise(resolve => setTimeout(resolve, 5));
    replies[2]?.send(200, []);
    expect(await next).toBe('200');
  },
);

test('a connection that has ended makes room for another', async () => {
  const server = await start(echo, { maxConnections: 1 });
  for (let i = 0; i < 3; i++) {
    const text = await raw(server, ['GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n']);
    expect(text).toMatch(/^HTTP\/1.1 200 /);
  }
});

test('a body in tiny chunks counts for what it takes, and no longer when the handler has taken it', async () => {
  let take = false;
  const held: HttpRequest[] = [];
  const server = await start(
    request => {
      held.push(request);
      if (take) request.takeBody();
    },
    { intakeBytesMax: 3000 },
  );
  const head = 'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n';
  const tiny = `${head}${'1\r\na\r\n'.repeat(6)}`;
  expect(await raw(server, [tiny])).toMatch(/^HTTP\/1.1 429 /);
  const post = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n${'a'.repeat(900)}`;
  const whole = async (count: number): Promise<void> => {
    void raw(server, [post]);
    while (held.length < count) await new Promise(resolve => setTimeout(resolve, 5));
  };
  await whole(1);
  await whole(2);
  expect(await raw(server, [post])).toMatch(/^HTTP\/1.1 429 /);
  for (const request of held) expect(request.takeBody().byteLength).toBe(900);
  take = true;
  for (let count = 3; count < 8; count++) await whole(count);
});
