import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { CodedError } from './error.ts';
import type { HttpHandler } from './http-handler.ts';
import { listen } from './http-server.ts';
import { echo, h2, raw, sockets, start, stopAll } from './testing/http-sockets.ts';

afterEach(stopAll);

const ANSWER = (body: string): RegExp => new RegExp(`^HTTP/1.1 200 OK\\r\\n(.|\\r\\n)*\\r\\n\\r\\n${body}$`);

test.each<[name: string, pieces: (string | number)[], answer: RegExp]>([
  [
    'without a body',
    ['GET /a%2Fb?c=d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    ANSWER('GET /a%2Fb \\?c=d '),
  ],
  [
    'absolute form',
    ['GET http://x/p?q HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    ANSWER('GET /p \\?q '),
  ],
  [
    'with a length',
    ['POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nab', 20, 'c'],
    ANSWER('POST / \\? abc'),
  ],
  [
    'chunked',
    [
      'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n',
      20,
      '1\r\nc\r\n0\r\n\r\n',
    ],
    ANSWER('POST / \\? abc'),
  ],
  [
    'byte by byte',
    ['P', 5, 'R', 5, 'O', 5, 'PFIND / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    ANSWER('PROPFIND / \\? '),
  ],
  [
    'first bytes split',
    ['P', 10, 'OST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nz'],
    ANSWER('POST / \\? z'),
  ],
  [
    'expects to continue',
    [
      'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n',
      50,
      'z',
    ],
    /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK(.|\r\n)*POST \/ \? z$/,
  ],
  [
    'header names in lower case',
    ['GET / HTTP/1.1\r\nX-MiXed: V\r\nHost: x\r\nConnection: close\r\n\r\n'],
    /x-first: x-mixed=V\r\n/,
  ],
  [
    'both lengths',
    ['POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    /^HTTP\/1.1 400 Refused\r\n(.|\r\n)*x-refused: yes(.|\r\n)*malformed HTTP request$/,
  ],
  [
    'two lengths',
    ['POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd'],
    /^HTTP\/1.1 400 /,
  ],
  [
    'a coding of the body that is not known here',
    ['POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n'],
    /^HTTP\/1.1 501 (.|\r\n)*transfer-encoding other than chunked/,
  ],
  [
    'chunked in HTTP/1.0',
    ['POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n'],
    /^HTTP\/1.1 400 (.|\r\n)*HTTP\/1.0/,
  ],
  [
    'two hosts',
    ['GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n'],
    /^HTTP\/1.1 400 (.|\r\n)*x-refused: yes(.|\r\n)*more than one host$/,
  ],
  [
    'long chunk extensions',
    [`POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;${'a'.repeat(20_000)}\r\n`],
    /^HTTP\/1.1 413 (.|\r\n)*chunk extensions are too long$/,
  ],
  ['obsolete folding', ['GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\nBad Name: x\r\n\r\n'], /^HTTP\/1.1 400 /],
  ['not HTTP', ['\x16\x03\x01\x02\x00\x01'], /^HTTP\/1.1 400 /],
  ['a large header', [`GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`], /^HTTP\/1.1 431 /],
  [
    'many headers',
    [`GET / HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(200)}\r\n`],
    /^HTTP\/1.1 431 (.|\r\n)*too many or too large headers$/,
  ],
  [
    'announced too large',
    ['POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n', 10, 'a'.repeat(1001)],
    /^HTTP\/1.1 413 (.|\r\n)*larger than 1000 bytes$/,
  ],
  [
    'announced too large, waiting',
    ['POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n'],
    /^HTTP\/1.1 413 /,
  ],
  [
    'streamed too large',
    [
      `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${`c8\r\n${'a'.repeat(200)}\r\n`.repeat(6)}`,
    ],
    /^HTTP\/1.1 413 (.|\r\n)*larger than 1000 bytes$/,
  ],
  [
    'broken in the middle of the body',
    ['POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n', 20, 'zz\r\n'],
    /^HTTP\/1.1 400 (.|\r\n)*malformed HTTP request$/,
  ],
])('HTTP/1.1: %s', async (_name, pieces, answer) => {
  expect(await raw(await start(), pieces)).toMatch(answer);
});

test.each<[name: string, pieces: (string | number)[]]>([
  ['silence', [10]],
  ['half a preface', ['PRI * HTT']],
  ['headers that trickle', ['GET / HTTP/1.1\r\n', 100, 'A: b\r\n', 100, 'A: b\r\n', 100, 'A: b\r\n']],
  ['a body that stops', ['POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na']],
])('a slow client is cut: %s', async (_name, pieces) => {
  const server = await start(echo, { headersTimeoutMs: 150, requestTimeoutMs: 200 });
  const startMs = performance.now();
  expect(await raw(server, pieces)).toMatch(/^(HTTP\/1.1 408 (.|\r\n)*)?$/);
  expect(performance.now() - startMs).toBeLessThan(2500);
});

test('pipelined requests are answered in order, also when the first one waits', async () => {
  const server = await start((request, reply) => {
    if (request.path === '/slow') setTimeout(() => reply.send(200, [], 'first'), 50);
    else reply.send(200, [], 'second');
  });
  const text = await raw(server, [
    'GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  ]);
  expect(text.match(/first|second/g)).toEqual(['first', 'second']);
});

test('garbage behind an unanswered request is not taken for its answer', async () => {
  const text = await raw(await start(() => {}), [
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    30,
    '\x00garbage\r\n\r\n',
  ]);
  expect(text).toBe('');
});

test('HTTP/2 prior knowledge', async () => {
  const server = await start();
  const answer = await h2(server, { ':method': 'POST', ':path': '/a?b=c', 'x-y': 'z' }, ['one ', 'two']);
  expect(answer).toMatchObject({
    status: 200,
    body: 'POST /a ?b=c one two',
    headers: { 'content-length': '20' },
  });
  expect(answer.headers['x-first']).toBe(`host=127.0.0.1:${server.port}`);
  expect(await h2(server, { ':path': '/' })).toMatchObject({ status: 200, body: 'GET / ? ' });
});

test.each<[name: string, headers: Record<string, string>, body: string[] | undefined, status: number]>([
  ['announced', { ':method': 'POST', ':path': '/', 'content-length': '1001' }, ['a'.repeat(1001)], 413],
  ['streamed', { ':method': 'POST', ':path': '/' }, Array(6).fill('a'.repeat(200)), 413],
  [
    'headers',
    Object.fromEntries([[':path', '/'], ...Array.from({ length: 130 }, (_, i) => [`h${i}`, ''])]),
    undefined,
    431,
  ],
])('HTTP/2 refuses too much: %s', async (_name, headers, body, status) => {
  const answer = await h2(await start(), headers, body);
  expect(answer).toMatchObject({ status, headers: { 'x-refused': 'yes' } });
});

test('HTTP/2: a host beside another authority is refused', async () => {
  const server = await start();
  expect(await h2(server, { ':path': '/', ':authority': 'x', host: 'y' })).toMatchObject({ status: 400 });
});

test('HTTP/2: a body that stops is answered with 408', async () => {
  const server = await start(echo, { headersTimeoutMs: 100, requestTimeoutMs: 100 });
  const session = connectHttp2(`http://${server.host}:${server.port}`);
  const stream = session.request({ ':method': 'POST', ':path': '/' });
  stream.write('a');
  const status = await new Promise(resolve => stream.on('response', head => resolve(head[':status'])));
  expect(status).toBe(408);
  session.destroy();
});

test('HTTP/2: a flood of resets ends the session', async () => {
  const server = await start();
  const session = connectHttp2(`http://${server.host}:${server.port}`);
  const ended = new Promise(resolve => session.on('close', () => resolve('ended')));
  session.on('error', () => {});
  const flood = (): void => {
    for (let i = 0; i < 100 && !session.destroyed && !session.closed; i++) {
      const stream = session.request({ ':path': '/' });
      stream.on('error', () => {});
      stream.close(8);
    }
    if (!session.destroyed && !session.closed) setImmediate(flood);
  };
  session.on('connect', flood);
  expect(await ended).toBe('ended');
  expect(await h2(server, { ':path': '/' })).toMatchObject({ status: 200 });
});

test.each(['http1', 'http2'])(
  '%s: the handler is told when the client goes away, and its answer is dropped',
  async version => {
    let tell: (value: string) => void = () => {};
    const told = new Promise<string>(resolve => {
      tell = resolve;
    });
    let waiting: (value: undefined) => void = () => {};
    const arrived = new Promise<undefined>(resolve => {
      waiting = resolve;
    });
    const server = await start((request, reply) => {
      request.onClose(() => {
        reply.send(200, [], 'too late');
        tell('gone');
      });
      waiting(undefined);
    });
    if (version === 'http1') {
      const socket = connect(server.port, server.host);
      sockets.push(socket);
      socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na');
      await arrived;
      socket.end();
    } else {
      const session = connectHttp2(`http://${server.host}:${server.port}`);
      session.request({ ':path': '/' }).on('error', () => {});
      await arrived;
      session.destroy();
    }
    expect(await told).toBe('gone');
  },
);

test('a graceful stop refuses new connections, finishes what is in flight, closes kept-alive ones', async () => {
  let release: () => void = () => {};
  const server = await start((_request, reply) => {
    release = () => reply.send(200, [], 'finished');
  });
  const inFlight = raw(server, ['GET / HTTP/1.1\r\nHost: x\r\n\r\n']);
  const overHttp2 = h2(await start(echo), { ':path': '/' });
  await overHttp2;
  while (release.toString() === '() => {}') await new Promise(resolve => setTimeout(resolve, 5));
  const stopped = server.close(5_000);
  expect(await raw(server, ['GET / HTTP/1.1\r\nHost: x\r\n\r\n'])).toBe('');
  release();
  expect(await inFlight).toMatch(/connection: close\r\n(.|\r\n)*finished$/i);
  await stopped;
});

test.each<[string, number, Promise<void> | undefined]>([
  ['the grace', 100, undefined],
  ['the work that could answer it', 60_000, Promise.resolve()],
])('what outlasts %s is told so and closed, on both versions', async (_name, graceMs, idle) => {
  const server = await start(() => {});
  const waiting = raw(server, ['GET / HTTP/1.1\r\nHost: x\r\n\r\n']);
  const reading = raw(server, ['POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\na']);
  const http2 = h2(server, { ':path': '/' });
  await new Promise(resolve => setTimeout(resolve, 50));
  const startMs = performance.now();
  await server.close(graceMs, idle);
  expect(performance.now() - startMs).toBeLessThan(2_000);
  expect(await waiting).toMatch(
    /^HTTP\/1.1 503 (.|\r\n)*connection: close(.|\r\n)*what was accepted goes on/,
  );
  expect(await reading).toMatch(/^HTTP\/1.1 503 (.|\r\n)*nothing of it was accepted/);
  expect(await http2).toMatchObject({ status: 503 });
});

test('work beyond the budget of a turn waits for the next one, in order', async () => {
  const seen: string[] = [];
  const server = await start(
    (request, reply) => {
      seen.push(request.path);
      const endMs = performance.now() + 2;
      while (performance.now() < endMs);
      setImmediate(() => seen.push('turn'));
      reply.send(200, []);
    },
    { turnBudgetMs: 1 },
  );
  const all = [1, 2, 3].map(
    n => `GET /${n} HTTP/1.1\r\nHost: x\r\n${n === 3 ? 'Connection: close\r\n' : ''}\r\n`,
  );
  await raw(server, [all.join('')]);
  expect(seen.slice(0, 5)).toEqual(['/1', '/2', 'turn', '/3', 'turn']);
});

test('a port that is taken is a coded error', async () => {
  const first = await start();
  const handler: HttpHandler = {
    bodyBytesMax: 1,
    handle: () => {},
    refuse: status => ({ status, headers: [], body: '' }),
  };
  const second = listen({ host: '127.0.0.1', port: first.port, handler });
  await expect(second).rejects.toMatchObject({ code: 'HF_LISTEN_FAILED' });
  await expect(second).rejects.toBeInstanceOf(CodedError);
});

test('random bytes are refused or dropped, and the server goes on', async () => {
  const server = await start(echo, { headersTimeoutMs: 100, requestTimeoutMs: 200 });
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
  const opening = fc.constantFrom(
    '',
    preface,
    'GET / HTTP/1.1\r\nHost: x\r\n',
    'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: x\r\n\r\n',
  );
  const noise = fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes).toString('latin1'));
  // A header of an HTTP/2 frame with a length that fits, so that some of the noise gets past the framing.
  const frame = fc
    .tuple(fc.integer({ min: 0, max: 10 }), fc.integer({ min: 0, max: 255 }), noise)
    .map(
      ([type, flags, payload]) =>
        String.fromCharCode(0, 0, payload.length, type, flags, 0, 0, 0, 1) + payload,
    );
  const rest = fc.array(fc.oneof(noise, frame), { maxLength: 4 }).map(parts => parts.join(''));
  const inputs = fc.sample(fc.tuple(opening, rest), { numRuns: 300, seed: 7 });
  const clients = inputs.map(([start, more]) => raw(server, [start, more, 400, '\0'.repeat(9)], 'never'));
  await Promise.race([Promise.all(clients), new Promise(resolve => setTimeout(resolve, 1_500))]);
  expect(await h2(server, { ':path': '/' })).toMatchObject({ status: 200 });
  expect(await raw(server, ['GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'])).toMatch(
    /^HTTP\/1.1 200 /,
  );
});
