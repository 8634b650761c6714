/** Bytes from anybody on a connection, HTTP/1.1 and HTTP/2: each connection ends, and the next one is served. */
import { connect } from 'node:net';
import type { HttpHandler } from '../../../runtime/platform/http-handler.ts';
import { listen } from '../../../runtime/platform/http-server.ts';
import type { SimRandom } from '../../sim/random.ts';
import {
  END_HEADERS,
  END_STREAM,
  FRAME,
  h2Frame,
  h2Frames,
  headerBlock,
  mutateHttp2,
  PREFACE,
} from '../http2-bytes.ts';
import { concat } from '../mutate-bytes.ts';
import { httpRequests } from '../seeds.ts';
import { Finding, type Target, type Verdict } from '../target.ts';
import { mutateHttp } from './http-text.ts';

const CONNECTION_MS_MAX = 5_000;
const NOTHING = new Uint8Array();

const handler: HttpHandler = {
  bodyBytesMax: 64 * 1024,
  handle(request, reply) {
    reply.send(200, ['x-seen', String(request.headers.length)], request.takeBody());
  },
  refuse: (status, message) => ({ status, headers: [], body: message }),
};

function http2Seeds(): Uint8Array[] {
  const head = (method: string): Uint8Array =>
    headerBlock([
      [':method', method],
      [':scheme', 'http'],
      [':path', '/Svc/echo'],
      [':authority', 'localhost'],
      ['content-type', 'application/json'],
    ]);
  const begin = concat(
    PREFACE,
    h2Frame(FRAME.settings, 0, 0, NOTHING),
    h2Frame(FRAME.settings, 1, 0, NOTHING),
  );
  const get = h2Frame(FRAME.headers, END_HEADERS | END_STREAM, 1, head('GET'));
  const post = (stream: number): Uint8Array =>
    concat(
      h2Frame(FRAME.headers, END_HEADERS, stream, head('POST')),
      h2Frame(FRAME.data, END_STREAM, stream, Buffer.from('{"a":1}')),
    );
  const parts = concat(
    h2Frame(FRAME.headers, 0, 1, head('GET').subarray(0, 20)),
    h2Frame(FRAME.more, END_HEADERS, 1, head('GET').subarray(20)),
    h2Frame(FRAME.ping, 0, 0, new Uint8Array(8)),
    h2Frame(FRAME.window, 0, 0, Uint8Array.of(0, 0, 1, 0)),
    h2Frame(FRAME.reset, 0, 1, Uint8Array.of(0, 0, 0, 8)),
    h2Frame(FRAME.goAway, 0, 0, new Uint8Array(8)),
  );
  return [concat(begin, get), concat(begin, post(1), post(3)), concat(begin, parts)];
}

/** Everything that came back until the connection was closed. */
function exchange(port: number, input: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1');
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Finding('a connection is neither answered nor closed'));
    }, CONNECTION_MS_MAX);
    socket.on('data', chunk => chunks.push(chunk));
    // It may be reset for what was sent.
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks));
    });
    socket.end(input);
  });
}

/** `:status 200` as the static table has it. */
const STATUS_200 = 0x88;

function isAnsweredWell(answer: Uint8Array): boolean {
  return h2Frames(answer).some(({ type, payload }) => type === FRAME.headers && payload[0] === STATUS_200);
}

function mutate(random: SimRandom, input: Uint8Array, other: Uint8Array): Uint8Array {
  const isHttp2 = Buffer.from(input.subarray(0, 3)).toString() === 'PRI';
  return (isHttp2 ? mutateHttp2 : mutateHttp)(random, input, other);
}

export async function createTarget(): Promise<Target> {
  const server = await listen({ host: '127.0.0.1', port: 0, handler });
  const pass = async (input: Uint8Array): Promise<Verdict> => {
    const answer = await exchange(server.port, input);
    return /^HTTP\/1\.1 2/.test(answer.toString('latin1')) || isAnsweredWell(answer) ? 'accepted' : 'refused';
  };
  return {
    seeds: [...httpRequests('ingress/vectors/ingress.json'), ...http2Seeds()],
    mutate,
    pass,
    parallel: 32,
    coverageInputs: 512,
    close: () => server.close(0),
  };
}
