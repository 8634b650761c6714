import { constants } from 'node:http2';
import { afterEach, expect, test } from 'vitest';
import {
  client,
  echo,
  FRAME,
  frame,
  h2c,
  http1,
  SETTINGS,
  SETTINGS_ACK,
  STATUS_200,
  send,
  stopPeers,
  tcp,
} from './testing/http2-peers.ts';

afterEach(stopPeers);

test('a hundred streams that are open at once share a connection, and each gets what is its own', async () => {
  const { origin, sessions } = await h2c(echo);
  const http2 = client(origin);
  const calls = Array.from({ length: 100 }, (_, i) =>
    send(http2, { body: `${i}.`, whole: false, path: `/${i}` }),
  );
  await expect.poll(() => calls.every(({ told }) => told.text.endsWith('.'))).toBe(true);
  expect(http2.stats).toEqual({ connections: 1, active: 100, waiting: 0 });
  for (const [i, { stream }] of calls.entries()) {
    stream.write(Buffer.from(`and ${i}`));
    stream.end();
  }
  await Promise.all(calls.map(({ told }) => told.ended));
  expect(calls.map(({ told }) => told.text)).toEqual(calls.map((_, i) => `${i}.and ${i}`));
  expect(calls.map(({ told }) => told.headers['x-path'])).toEqual(calls.map((_, i) => `/${i}`));
  expect(calls.map(({ told }) => told.log.join())).toEqual(Array(100).fill('head 200,ended'));
  expect(sessions).toHaveLength(1);
  await expect.poll(() => http2.stats.active).toBe(0);
});

test('no more streams than the peer takes; then further connections; then FIFO', async () => {
  const order: string[] = [];
  let open = 0;
  let most = 0;
  const { origin } = await h2c(
    (stream, headers) => {
      order.push(String(headers[':path']));
      most = Math.max(most, ++open);
      setTimeout(() => {
        open--;
        stream.respond({ ':status': 200 }, { endStream: true });
      }, 5);
    },
    { maxConcurrentStreams: 3 },
  );
  const http2 = client(origin, { maxConnections: 2 });
  const calls = Array.from({ length: 30 }, (_, i) => send(http2, { path: `/${i}` }));
  await Promise.all(calls.map(({ told }) => told.ended));
  expect(calls.map(({ told }) => told.log.join())).toEqual(Array(30).fill('head 200,ended'));
  expect(most).toBe(6);
  // Two connections may be read in either order, so neighbours can change places; nobody is overtaken by many.
  for (const [place, path] of order.entries()) {
    expect(Math.abs(Number(path.slice(1)) - place)).toBeLessThanOrEqual(6);
  }
});

test('calls given up while they wait are not sent and hold up nobody', async () => {
  const seen: string[] = [];
  const { origin } = await h2c(
    (stream, headers) => {
      seen.push(String(headers[':path']));
      setTimeout(() => stream.respond({ ':status': 200 }, { endStream: true }), 20);
    },
    { maxConcurrentStreams: 1 },
  );
  const http2 = client(origin, { maxConnections: 1 });
  const calls = Array.from({ length: 6 }, (_, i) => send(http2, { path: `/${i}` }));
  for (const i of [1, 2, 4]) calls[i]?.stream.abort();
  await Promise.all([0, 3, 5].map(i => calls[i]?.told.ended));
  expect(seen).toEqual(['/0', '/3', '/5']);
  expect([1, 2, 4].map(i => calls[i]?.told.log)).toEqual([[], [], []]);
});

test('no room within the time: it was not sent', async () => {
  const { origin } = await h2c(() => undefined, { maxConcurrentStreams: 1 });
  const http2 = client(origin, { maxConnections: 1 });
  send(http2);
  const { told } = send(http2, { silenceMs: 60 });
  expect(await told.ended).toEqual({ kind: 'noRoom' });
});

test('GOAWAY: what is under way is finished there, what comes goes elsewhere', async () => {
  const { origin, sessions } = await h2c(echo);
  const http2 = client(origin);
  const first = send(http2, { body: 'a', whole: false });
  await expect.poll(() => first.told.text).toBe('a');
  sessions[0]?.goaway(constants.NGHTTP2_NO_ERROR);
  await new Promise(resolve => setTimeout(resolve, 20));
  const second = send(http2, { body: 'b' });
  expect(await second.told.ended).toEqual({ kind: 'ended' });
  first.stream.write(Buffer.from('c'));
  first.stream.end();
  expect(await first.told.ended).toEqual({ kind: 'ended' });
  expect([first.told.text, second.told.text, sessions.length]).toEqual(['ac', 'b', 2]);
  await expect.poll(() => http2.stats.connections).toBe(1);
});

test('GOAWAY that has not seen a stream: it is sent again on another connection', async () => {
  let connections = 0;
  const port = await tcp(socket => {
    socket.write(SETTINGS);
    const first = ++connections === 1;
    let answered = false;
    socket.on('data', bytes => {
      if (answered || !bytes.includes('/path-of-request')) return;
      answered = true;
      // Last stream 0: none was processed.
      if (first) socket.write(frame(FRAME.goaway, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0]));
      else socket.write(frame(FRAME.headers, 5, 1, STATUS_200));
    });
  });
  const { told } = send(client(`http://127.0.0.1:${port}`), {
    // Not in Huffman code, so that the peer above sees it.
    body: '/path-of-request',
  });
  expect(await told.ended).toEqual({ kind: 'ended' });
  expect([told.log.join(), connections]).toEqual(['head 200,ended', 2]);
});

test('a peer that answers no PING is given up with its streams', async () => {
  let connections = 0;
  const port = await tcp(socket => {
    connections++;
    socket.write(Buffer.concat([SETTINGS, SETTINGS_ACK]));
  });
  const http2 = client(`http://127.0.0.1:${port}`, { pingIntervalMs: 30, pingTimeoutMs: 30 });
  const calls = [send(http2, { silenceMs: Infinity }), send(http2, { silenceMs: Infinity })];
  for (const { told } of calls) {
    expect(await told.ended).toMatchObject({ kind: 'broken', reason: 'HTTP2_PEER_DEAD' });
  }
  await expect.poll(() => http2.stats.connections).toBe(0);
  expect(connections).toBe(1);
});

test('one that answers them is left alone, and is closed when it is idle', async () => {
  const { origin, sessions } = await h2c(echo);
  const http2 = client(origin, { pingIntervalMs: 10, pingTimeoutMs: 30, idleMs: 50 });
  let pings = 0;
  const { told, stream } = send(http2, { whole: false });
  await expect.poll(() => sessions.length).toBe(1);
  sessions[0]?.on('ping', () => pings++);
  await expect.poll(() => pings).toBeGreaterThan(3);
  stream.end();
  expect(await told.ended).toEqual({ kind: 'ended' });
  await expect.poll(() => http2.stats.connections).toBe(0);
  expect(await send(http2).told.ended).toEqual({ kind: 'ended' });
});

test.each<[string, () => Promise<number>, string]>([
  ['nobody listens', async () => 1, 'ECONNREFUSED'],
  ['HTTP/1.1', () => http1((_, response) => response.end()), 'HTTP2_NOT_SPOKEN'],
  ['silence', () => tcp(() => undefined), 'HTTP2_NOT_SPOKEN'],
  ['closes at once', () => tcp(socket => void socket.end()), 'HTTP2_NOT_SPOKEN'],
  ['noise', () => tcp(socket => void socket.write('220 mail.example ESMTP\r\n')), 'HTTP2_NOT_SPOKEN'],
])('no connection: %s', async (_, listen, reason) => {
  const http2 = client(`http://127.0.0.1:${await listen()}`, { connectTimeoutMs: 150 });
  const calls = Array.from({ length: 20 }, () => send(http2));
  const seen = calls.map(({ told }) => told.end);
  expect(seen).toEqual(Array(20).fill(null));
  const ends = await Promise.all(calls.map(({ told }) => told.ended));
  expect(ends).toEqual(Array(20).fill(expect.objectContaining({ kind: 'broken', reason })));
  await expect.poll(() => http2.stats).toEqual({ connections: 0, active: 0, waiting: 0 });
});

test('a connection that breaks fails its streams; the next request opens another', async () => {
  const { origin, sockets } = await h2c(echo);
  const http2 = client(origin);
  const calls = Array.from({ length: 5 }, () => send(http2, { body: 'a', whole: false }));
  await expect.poll(() => calls.every(({ told }) => told.text === 'a')).toBe(true);
  sockets[0]?.destroy();
  const ends = await Promise.all(calls.map(({ told }) => told.ended));
  expect(ends.map(end => end.kind)).toEqual(Array(5).fill('broken'));
  expect(await send(http2).told.ended).toEqual({ kind: 'ended' });
});

test('close ends everything and calls nobody', async () => {
  const { origin, sessions } = await h2c(echo);
  const http2 = client(origin);
  const open = send(http2, { body: 'a', whole: false });
  await expect.poll(() => open.told.text).toBe('a');
  const connecting = client(`http://127.0.0.1:${await tcp(() => undefined)}`);
  const waiting = send(connecting);
  await Promise.all([http2.close(), connecting.close()]);
  await expect.poll(() => sessions[0]?.destroyed).toBe(true);
  expect([open.told.log, waiting.told.log]).toEqual([['head 200'], []]);
  expect(http2.stats).toEqual({ connections: 0, active: 0, waiting: 0 });
});
