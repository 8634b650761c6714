import { constants } from 'node:http2';
import type { Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import {
  client,
  echo,
  FRAME,
  frame,
  h2c,
  SETTINGS,
  SETTINGS_ACK,
  STATUS_200,
  send,
  stopPeers,
  tcp,
} from './testing/http2-peers.ts';

afterEach(stopPeers);

test('what is written before there is a connection goes out in order, and asks for patience', async () => {
  const { origin } = await h2c(echo);
  const { told, stream } = send(client(origin), { body: 'a', whole: false });
  expect([stream.write(Buffer.from('b')), stream.write(Buffer.from('c'))]).toEqual([false, false]);
  await expect.poll(() => told.drains).toBe(1);
  expect(stream.write(Buffer.from('d'))).toBe(true);
  stream.end();
  await told.ended;
  expect(told.text).toBe('abcd');
});

test('half-closed: the answer goes on after the end of the request', async () => {
  const { origin } = await h2c(stream => {
    stream.respond({ ':status': 200 });
    stream.resume();
    stream.on('end', () => {
      stream.write('still ');
      setTimeout(() => stream.end('here'), 10);
    });
  });
  const { told, stream } = send(client(origin), { whole: false });
  await expect.poll(() => told.status).toBe(200);
  stream.end();
  await told.ended;
  expect([told.text, told.log.join()]).toEqual(['still here', 'head 200,ended']);
});

test('the peer may end first: the request is ended, and what is not read of it is taken back', async () => {
  const closed: number[] = [];
  const { origin } = await h2c((stream, headers) => {
    stream.on('close', () => closed.push(stream.rstCode ?? -1));
    stream.respond({ ':status': 415 });
    stream.end('no');
    if (headers[':path'] === '/small') stream.resume();
  });
  const http2 = client(origin);
  const small = send(http2, { path: '/small', whole: false });
  const large = send(http2, { path: '/large', body: new Uint8Array(4_000_000) });
  expect(await Promise.all([small.told.ended, large.told.ended])).toEqual(Array(2).fill({ kind: 'ended' }));
  expect([small.told.status, large.told.status, large.told.text]).toEqual([415, 415, 'no']);
  await expect.poll(() => closed).toHaveLength(2);
  expect(small.stream.write(Buffer.from('late'))).toBe(true);
});

test('a request that the peer refused is sent again, but not with what followed, and not for ever', async () => {
  const bodies: string[] = [];
  let refusals = 2;
  const { origin } = await h2c(stream => {
    if (refusals-- > 0) return stream.close(constants.NGHTTP2_REFUSED_STREAM);
    let body = '';
    stream.on('data', chunk => (body += chunk));
    stream.on('end', () => {
      bodies.push(body);
      stream.respond({ ':status': 200 }, { endStream: true });
    });
  });
  const http2 = client(origin);
  const again = send(http2, { body: 'once' });
  expect(await again.told.ended).toEqual({ kind: 'ended' });
  expect(bodies).toEqual(['once']);

  refusals = 1;
  const continued = send(http2, { body: 'begin', whole: false });
  continued.stream.write(Buffer.from('more'));
  expect(await continued.told.ended).toMatchObject({ kind: 'broken', reason: 'HTTP2_REFUSED_STREAM' });

  refusals = 100;
  expect(await send(http2).told.ended).toMatchObject({ kind: 'broken', reason: 'HTTP2_REFUSED_STREAM' });
  expect(refusals).toBe(96);
});

test.each<[string, (socket: Socket) => void, RegExp]>([
  ['reset in the middle', socket => socket.resetAndDestroy(), /ECONNRESET|ERR_HTTP2/],
  ['closed in the middle', socket => socket.end(), /ECONNRESET|ERR_HTTP2/],
  ['stream reset', socket => socket.write(frame(FRAME.reset, 0, 1, [0, 0, 0, 8])), /ECONNRESET/],
  ['stream failed', socket => socket.write(frame(FRAME.reset, 0, 1, [0, 0, 0, 2])), /ERR_HTTP2_STREAM_ERROR/],
  ['a frame that is none', socket => socket.write(frame(FRAME.data, 0xff, 1, [200, 1])), /ERR_HTTP2/],
  ['4,000 headers', socket => socket.write(headerFlood()), /ERR_HTTP2/],
])('an answer that does not arrive whole: %s', async (_, misbehave, reason) => {
  const port = await tcp(socket => {
    socket.write(Buffer.concat([SETTINGS, SETTINGS_ACK]));
    socket.once('data', () => {
      const flood = misbehave.toString().includes('headerFlood');
      if (!flood) socket.write(frame(FRAME.headers, 4, 1, STATUS_200));
      if (!flood) socket.write(frame(FRAME.data, 0, 1, Buffer.from('half')));
      setTimeout(() => misbehave(socket), 20);
    });
  });
  const { told } = send(client(`http://127.0.0.1:${port}`), { body: 'x' });
  expect(await told.ended).toMatchObject({ kind: 'broken', reason: expect.stringMatching(reason) });
  expect(told.log.at(-1)).toBe('broken');
});

test('a peer that sends past the window of a stream that is not read is cut off', async () => {
  const port = await tcp(socket => {
    socket.write(Buffer.concat([SETTINGS, SETTINGS_ACK]));
    socket.once('data', () => {
      socket.write(frame(FRAME.headers, 4, 1, STATUS_200));
      const chunk = frame(FRAME.data, 0, 1, Buffer.alloc(16_384));
      for (let i = 0; i < 100; i++) socket.write(chunk);
    });
  });
  const { told, stream } = send(client(`http://127.0.0.1:${port}`), { body: 'x', silenceMs: 300 });
  stream.pause();
  expect((await told.ended).kind).toBe('broken');
  expect(told.bytes).toBeLessThanOrEqual(256 * 1024);
});

function headerFlood(): Buffer {
  // Literal without indexing: 0x00, name "x", value "y".
  const block = Buffer.concat([
    Buffer.from(STATUS_200),
    ...Array(4000).fill(Buffer.from([0, 1, 120, 1, 121])),
  ]);
  return Buffer.concat([
    frame(FRAME.headers, 0, 1, block.subarray(0, 16_000)),
    frame(FRAME.continuation, 4, 1, block.subarray(16_000)),
  ]);
}

test('silence is noticed at every stage; a byte now and then is not silence', async () => {
  const { origin } = await h2c((stream, headers) => {
    if (headers[':path'] === '/none') return;
    stream.respond({ ':status': 200 });
    if (headers[':path'] === '/head') return;
    let left = 10;
    const drip = setInterval(() => {
      stream.write('.');
      if (--left > 0) return;
      clearInterval(drip);
      if (headers[':path'] === '/drip') stream.end();
    }, 30);
  });
  const http2 = client(origin);
  const paths = ['/none', '/head', '/stops', '/drip'];
  const ends = await Promise.all(paths.map(path => send(http2, { path, silenceMs: 150 }).told.ended));
  expect(ends.map(end => end.kind)).toEqual(['timedOut', 'timedOut', 'timedOut', 'ended']);
});

test('a header that HTTP does not allow fails its request only, and in a later turn', async () => {
  const { origin } = await h2c(echo);
  const http2 = client(origin);
  await send(http2).told.ended;
  const { told } = send(http2, { headers: { connection: 'upgrade' } });
  expect(told.end).toBeNull();
  expect(await told.ended).toMatchObject({ kind: 'broken', reason: 'ERR_HTTP2_INVALID_CONNECTION_HEADERS' });
  expect(await send(http2).told.ended).toEqual({ kind: 'ended' });
});

test('who does not read slows the peer down, and only on its own stream', async () => {
  let sent = 0;
  const total = 8 * 1024 * 1024;
  const { origin } = await h2c((stream, headers) => {
    stream.respond({ ':status': 200 });
    if (headers[':path'] === '/other') {
      stream.end('done');
      return;
    }
    const chunk = Buffer.alloc(64 * 1024);
    const more = (): void => {
      while (sent < total) {
        sent += chunk.length;
        if (!stream.write(chunk)) return void stream.once('drain', more);
      }
      stream.end();
    };
    more();
  });
  const http2 = client(origin);
  const { told, stream } = send(http2, { path: '/slow' });
  stream.pause();
  await expect.poll(() => told.status).toBe(200);
  await new Promise(resolve => setTimeout(resolve, 100));
  expect(told.bytes).toBe(0);
  // The window, and what the peer's own stream holds before it says "wait".
  expect(sent).toBeLessThan(1024 * 1024);
  expect(await send(http2, { path: '/other' }).told.ended).toEqual({ kind: 'ended' });
  stream.resume();
  expect(await told.ended).toEqual({ kind: 'ended' });
  expect(told.bytes).toBe(total);
});

test('a peer that does not read makes `write` say so, until it does', async () => {
  let release = (): void => undefined;
  let received = 0;
  const { origin } = await h2c(stream => {
    stream.respond({ ':status': 200 });
    release = () => {
      stream.on('data', chunk => (received += chunk.length));
      stream.on('end', () => stream.end());
    };
  });
  const { told, stream } = send(client(origin), { whole: false });
  await expect.poll(() => told.status).toBe(200);
  const chunk = new Uint8Array(16 * 1024);
  let written = 0;
  do written += chunk.length;
  while (stream.write(chunk) && written < 10_000_000);
  expect(written).toBeLessThan(500_000);
  await new Promise(resolve => setTimeout(resolve, 50));
  while (written < 1_000_000) {
    if (told.drains > 0) break;
    written += chunk.length;
    if (!stream.write(chunk)) break;
  }
  expect(told.drains).toBe(0);
  release();
  await expect.poll(() => told.drains).toBe(1);
  stream.end();
  expect(await told.ended).toEqual({ kind: 'ended' });
  expect(received).toBe(written);
});

test('abort resets the stream; what the peer still sends harms nobody', async () => {
  const codes: (number | undefined)[] = [];
  const { origin, sessions } = await h2c(
    (stream, headers) => {
      stream.on('close', () => codes.push(stream.rstCode));
      stream.respond({ ':status': 200 });
      if (headers[':path'] === '/other') {
        stream.end('x'.repeat(100_000));
        return;
      }
      // As much as the window takes, each time; several times the connection's window in sum.
      stream.write(Buffer.alloc(256 * 1024));
      stream.write(Buffer.alloc(256 * 1024));
      // The next one waits until this one is gone on both sides.
    },
    { maxConcurrentStreams: 1 },
  );
  const http2 = client(origin, { maxConnections: 1 });
  for (let i = 0; i < 10; i++) {
    const { told, stream } = send(http2, { whole: false });
    if (i % 2 === 0) stream.pause();
    await expect.poll(() => told.status).toBe(200);
    stream.abort();
    stream.abort();
    const { length } = told.log;
    const { bytes } = told;
    await new Promise(resolve => setTimeout(resolve, 2));
    expect([told.log.length, told.bytes]).toEqual([length, bytes]);
  }
  await expect.poll(() => codes).toEqual(Array(10).fill(constants.NGHTTP2_CANCEL));
  const other = send(http2, { path: '/other' });
  expect(await other.told.ended).toEqual({ kind: 'ended' });
  expect([other.told.bytes, sessions.length]).toEqual([100_000, 1]);
});
