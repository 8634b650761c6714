/** Test support: HTTP/2 servers that behave as a test says, down to single frames. */
import { createServer as createHttp1Server, type RequestListener } from 'node:http';
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { systemClock } from '../clock.ts';
import type { Http2End, Http2Events, Http2Headers, Http2Request, Http2Stream } from '../http2-call.ts';
import { createHttp2Client, type Http2Client, type Http2ClientOptions } from '../http2-client.ts';
import { systemTimers } from '../timers.ts';

const cleanups: (() => unknown)[] = [];
/** Ends all that a test has started; clients first. */
export async function stopPeers(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}

async function listen(server: Server | Http2Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

export interface Peer {
  readonly port: number;
  readonly origin: string;
  readonly sessions: ServerHttp2Session[];
  readonly sockets: Socket[];
}

export type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

export async function h2c(onStream: OnStream, settings: Settings = {}): Promise<Peer> {
  const server = createServer({ settings });
  const sessions: ServerHttp2Session[] = [];
  const sockets: Socket[] = [];
  server.on('connection', socket => sockets.push(socket));
  server.on('session', session => {
    sessions.push(session);
    session.on('error', () => undefined);
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    onStream(stream, headers);
  });
  const port = await listen(server);
  cleanups.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { port, origin: `http://127.0.0.1:${port}`, sessions, sockets };
}

export async function http1(listener: RequestListener): Promise<number> {
  const server = createHttp1Server(listener);
  const port = await listen(server);
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return port;
}

/** Connections are the test's to speak on. */
export async function tcp(onSocket: (socket: Socket) => void): Promise<number> {
  const sockets: Socket[] = [];
  const server = createTcpServer(socket => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  const port = await listen(server);
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return port;
}

export const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, continuation: 9 };

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array | number[]): Buffer {
  const bytes = Buffer.alloc(9 + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(streamId, 5);
  bytes.set(payload, 9);
  return bytes;
}

export const SETTINGS = frame(FRAME.settings, 0, 0, []);
export const SETTINGS_ACK = frame(FRAME.settings, 1, 0, []);
/** The head `:status: 200`, a single byte of HPACK. */
export const STATUS_200 = [0x88];

export const echo: OnStream = (stream, headers) => {
  stream.respond({ ':status': 200, 'x-path': String(headers[':path']) });
  stream.pipe(stream);
};

export function client(origin: string, options: Partial<Http2ClientOptions> = {}): Http2Client {
  const timers = systemTimers(systemClock);
  const created = createHttp2Client({ origin, clock: systemClock, timers, tickMs: 10, ...options });
  cleanups.push(() => created.close());
  return created;
}

/** What a call was told, as it was told. */
export class Told implements Http2Events {
  readonly log: string[] = [];
  status = 0;
  headers: Http2Headers = {};
  bytes = 0;
  text = '';
  drains = 0;
  end: Http2End | null = null;
  readonly #resolve: (end: Http2End) => void;
  readonly ended: Promise<Http2End>;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<Http2End>();
    this.ended = promise;
    this.#resolve = resolve;
  }
  onHead(status: number, headers: Http2Headers): void {
    this.log.push(`head ${status}`);
    this.status = status;
    this.headers = headers;
  }
  onData(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    if (this.text.length < 1000) this.text += Buffer.from(chunk).toString('latin1');
  }
  onEnd(end: Http2End): void {
    this.log.push(end.kind);
    this.end = end;
    this.#resolve(end);
  }
  onDrain(): void {
    this.drains++;
  }
}

export function send(
  http2: Http2Client,
  request: Partial<Omit<Http2Request, 'body'>> & { readonly body?: string | Uint8Array } = {},
): { readonly told: Told; readonly stream: Http2Stream } {
  const { body = '', ...rest } = request;
  const told = new Told();
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const stream = http2.request(
    { method: 'POST', path: '/', headers: {}, whole: true, silenceMs: 5000, ...rest, body: bytes },
    told,
  );
  return { told, stream };
}
