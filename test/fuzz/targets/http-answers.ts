/** What a server of handlers may send back, over HTTP/1.1 and HTTP/2: one result, in time, and bounded. */

import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';
import { contentTypeOf } from '@holdfast/protocol';
import { createHttpTransport } from '../../../runtime/invoker/http-transport.ts';
import type { ExchangeResult, HandlerRequest, Transport } from '../../../runtime/invoker/transport.ts';
import { createAddressGuard } from '../../../runtime/platform/address-guard.ts';
import { systemClock } from '../../../runtime/platform/clock.ts';
import { systemTimers } from '../../../runtime/platform/timers.ts';
import type { SimRandom } from '../../sim/random.ts';
import { END_HEADERS, END_STREAM, FRAME, h2Frame, headerBlock, mutateHttp2 } from '../http2-bytes.ts';
import { concat, mutateBytes } from '../mutate-bytes.ts';
import { demand, type Target, type Verdict } from '../target.ts';

const RESPONSE_BYTES_MAX = 64 * 1024;
const TIMEOUT_MS = 1_000;
const RESULT_MS_MAX = 8_000;
/** From the beginning of a connection to the request on it. */
const QUESTION_MS = 4;
const NOTHING = new Uint8Array();
const SETTINGS = h2Frame(FRAME.settings, 0, 0, NOTHING);
const TYPE = contentTypeOf(6);
const REQUEST: HandlerRequest = {
  method: 'POST',
  path: '/invoke/Svc/echo',
  headers: { 'content-type': TYPE, accept: TYPE },
  body: Uint8Array.of(0, 3, 0, 0, 0, 0, 0, 0),
};

const HTTP1 = [
  `HTTP/1.1 200 OK\r\ncontent-type: ${TYPE}\r\ncontent-length: 8\r\n\r\n\0\x03\0\0\0\0\0\0`,
  `HTTP/1.1 200 OK\r\ncontent-type: ${TYPE}\r\ntransfer-encoding: chunked\r\n\r\n8\r\n\0\x03\0\0\0\0\0\0\r\n0\r\n\r\n`,
  'HTTP/1.1 429 Too Many Requests\r\nretry-after: 2\r\ncontent-length: 0\r\nconnection: close\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 301 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n',
];

function http2Seeds(): Uint8Array[] {
  const begin = concat(SETTINGS, h2Frame(FRAME.settings, 1, 0, NOTHING));
  const head = (status: string, end: number): Uint8Array =>
    h2Frame(
      FRAME.headers,
      END_HEADERS | end,
      1,
      headerBlock([
        [':status', status],
        ['content-type', TYPE],
      ]),
    );
  return [
    concat(begin, head('200', 0), h2Frame(FRAME.data, END_STREAM, 1, Uint8Array.of(0, 3, 0, 0, 0, 0, 0, 0))),
    concat(begin, head('503', END_STREAM)),
    concat(begin, head('200', 0), h2Frame(FRAME.reset, 0, 1, Uint8Array.of(0, 0, 0, 7))),
    concat(begin, h2Frame(FRAME.goAway, 0, 0, new Uint8Array(8))),
  ];
}

/** One result, whichever way the transport has of asking. */
function ask(transport: Transport, isLive: boolean): Promise<ExchangeResult | { readonly kind: 'ended' }> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no result')), RESULT_MS_MAX);
    let results = 0;
    const done = (result: ExchangeResult | { readonly kind: 'ended' }): void => {
      results += 1;
      if (results > 1) reject(new Error('two results'));
      clearTimeout(timer);
      // A second one would come at once.
      setImmediate(() => resolve(result));
    };
    if (!isLive || transport.stream === undefined) {
      transport.exchange(REQUEST, { responseBytesMax: RESPONSE_BYTES_MAX, timeoutMs: TIMEOUT_MS }, done);
      return;
    }
    let heads = 0;
    const stream = transport.stream(REQUEST, {
      onHead: () => {
        heads += 1;
        if (heads > 1) reject(new Error('two heads'));
      },
      onData: () => {
        if (heads !== 1) reject(new Error('data before the head'));
      },
      onEnd: done,
      onDrain: () => undefined,
    });
    stream.end();
  });
}

const isHttp1 = (input: Uint8Array): boolean => Buffer.from(input.subarray(0, 4)).toString() === 'HTTP';

function mutate(random: SimRandom, input: Uint8Array, other: Uint8Array): Uint8Array {
  return (isHttp1(input) ? mutateBytes : mutateHttp2)(random, input, other);
}

/** One that answers whatever it is sent with `answer`. */
async function serve(answer: Uint8Array) {
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    // The other side may be gone before it has read everything.
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    // A client may ask nothing before it has been given the settings.
    if (!isHttp1(answer)) socket.write(SETTINGS);
    socket.once('data', () => {
      if (isHttp1(answer)) socket.end(answer);
      // An answer before its question would be refused as that and never be read.
      else setTimeout(() => socket.end(answer), QUESTION_MS);
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { uri: `http://127.0.0.1:${port}`, close };
}

async function pass(input: Uint8Array): Promise<Verdict> {
  const server = await serve(input);
  const transports = createHttpTransport({
    clock: systemClock,
    timers: systemTimers(systemClock),
    guard: createAddressGuard([{ kind: 'local' }]),
    tickMs: 50,
  });
  const isLive = !isHttp1(input) && input.length % 2 === 0;
  const http = isHttp1(input) ? 1 : 2;
  try {
    const transport = transports.of({ kind: 'http', uri: server.uri, http, bidirectional: isLive });
    return verdictOn(await ask(transport, isLive));
  } finally {
    await transports.close();
    server.close();
  }
}

function verdictOn(result: Awaited<ReturnType<typeof ask>>): Verdict {
  if (result.kind === 'failed') {
    demand(/^(RT\d{4}|HF_[A-Z_0-9]+)$/.test(result.code), `a failure without a code: ${result.code}`);
    return 'refused';
  }
  if (result.kind !== 'response') return 'accepted';
  demand(result.body.length <= RESPONSE_BYTES_MAX, 'more of an answer than is allowed');
  demand(Number.isInteger(result.status), 'a status that is no number');
  return 'accepted';
}

export const createTarget = (): Target => ({
  seeds: [...HTTP1.map(text => Buffer.from(text, 'latin1')), ...http2Seeds()],
  mutate,
  pass,
  parallel: 24,
  coverageInputs: 480,
});
