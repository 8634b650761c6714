/**
 * One listener for HTTP/1.1 and for HTTP/2 with prior knowledge (h2c) on the same port. A connection's first bytes
 * decide: the HTTP/2 preface goes to `node:http2`, anything else to `node:http` untouched, so HTTP/1.1 runs at
 * full speed.
 *
 * Invariants: no connection, header section or body can occupy memory or wait without a bound; a request is
 * handed on whole or refused; the strict parser refuses a request with both Content-Length and
 * Transfer-Encoding, so an intermediary cannot be made to see other requests than we do. After `close` resolves
 * no connection is left.
 */
import { createServer, type Server } from 'node:http';
import {
  createServer as createHttp2Server,
  type Http2Server,
  type Http2Session,
  type ServerOptions,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { descriptorsMax } from './descriptors.ts';
import { CodedError } from './error.ts';
import { type Exchange, type Exchanges, Intake } from './http-exchange.ts';
import type { HttpHandler } from './http-handler.ts';
import { Http1Exchange, liveExchanges, markSurplus } from './http1-exchange.ts';
import { Http2Exchange } from './http2-exchange.ts';
import { TurnBudget } from './turn-budget.ts';

export interface HttpLimits {
  /** @default 10_000 connections; on as many more HTTP/1.1 requests get 429, further ones are closed at once. */
  readonly maxConnections?: number;
  /** @default 20_000 requests that are being received or wait for an answer; more get 429. */
  readonly maxRequests?: number;
  /** @default 16 KiB of request line and headers. */
  readonly headerBytesMax?: number;
  /** @default 128 */
  readonly maxHeaders?: number;
  /** @default 10 s from the first byte of a request, or from the connection, to its last header. */
  readonly headersTimeoutMs?: number;
  /** @default 60 s to the last byte of the body; as long may a client take nothing of its answer. */
  readonly requestTimeoutMs?: number;
  /** @default 75 s without a request; longer than a load balancer's 60 s, so that it is never we who cut first. */
  readonly idleTimeoutMs?: number;
  /** @default 256 MiB of bodies being received or waiting for the handler, over all connections; more get 429. */
  readonly intakeBytesMax?: number;
  /** @default 256 HTTP/2 streams of one connection at a time. */
  readonly maxStreams?: number;
  /** @default 1 ms of handler time per event-loop turn, then connections get their turn. */
  readonly turnBudgetMs?: number;
}

export interface ListenOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly handler: HttpHandler;
  readonly limits?: HttpLimits;
}

export interface HttpServer {
  readonly host: string;
  readonly port: number;
  /**
   * Stops accepting and finishes what is in flight for at most `graceMs`, or until `idle`: when nothing can be
   * answered any more. What then still waits is told so with 503.
   */
  close(graceMs: number, idle?: Promise<void>): Promise<void>;
}

const TCP_KEEP_ALIVE_MS = 60_000;
/** Descriptors left for files and for connections of our own: without them nothing that was accepted gets done. */
const DESCRIPTORS_KEPT = 2_048;
/** Of connections that are not accepted yet; what the kernel cannot queue there it resets. Its own bound is this. */
const BACKLOG = 4_096;
/** For the last answers of a stop to leave. */
const FLUSH_MS = 500;

const DEFAULTS: Required<HttpLimits> = {
  maxConnections: 10_000,
  maxRequests: 20_000,
  headerBytesMax: 16 * 1024,
  maxHeaders: 128,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  idleTimeoutMs: 75_000,
  intakeBytesMax: 256 * 1024 * 1024,
  maxStreams: 256,
  turnBudgetMs: 1,
};

/** Rejects with `HF_LISTEN_FAILED` when the address cannot be had. */
export function listen(options: ListenOptions): Promise<HttpServer> {
  const limits = { ...DEFAULTS, ...options.limits };
  const shared: Exchanges = {
    handler: options.handler,
    turns: new TurnBudget(limits.turnBudgetMs),
    intake: new Intake(limits.intakeBytesMax),
    maxHeaders: limits.maxHeaders,
    maxRequests: limits.maxRequests,
    stalledMs: limits.requestTimeoutMs,
    open: 0,
    connections: new Set(),
    closing: false,
  };
  const http1 = createHttp1(shared, limits);
  const http2 = createHttp2(shared, limits);
  const sniffing = shareConnections(http1, http2.server, limits);
  const { host, port } = options;
  return new Promise((resolve, reject) => {
    http1.once('error', cause => {
      const text = `cannot listen on ${host}:${port}: ${cause.message}. ${adviceOn(cause)}`;
      http2.stop();
      reject(new CodedError('HF_LISTEN_FAILED', text, { cause }));
    });
    http1.listen({ host, port, backlog: BACKLOG }, () => {
      const actual = http1.address() as AddressInfo;
      const close: HttpServer['close'] = (graceMs, idle) =>
        stop(shared, http1, http2, sniffing, graceMs, idle);
      resolve({ host: actual.address, port: actual.port, close });
    });
  });
}

const LISTEN_ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Free the port or configure another one.',
  EACCES: 'The process may not use this port: configure one above 1023.',
};

/** The other reasons are all about the address: it is not this machine's, or no address at all. */
const adviceOn = (cause: NodeJS.ErrnoException): string =>
  LISTEN_ADVICE[cause.code ?? ''] ?? 'Configure an address of this machine.';

function createHttp1(shared: Exchanges, limits: Required<HttpLimits>): Server {
  const server = createServer({
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: checkInterval(limits),
    keepAliveTimeout: limits.idleTimeoutMs,
    // A client that vanished without a word must not wait for a result for ever.
    keepAlive: true,
    keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
    insecureHTTPParser: false,
  });
  // One more than allowed is kept, because the parser drops the excess in silence and we refuse it.
  server.maxHeadersCount = limits.maxHeaders + 1;
  server.maxConnections = connectionsInAll(limits.maxConnections);
  server.on('request', (message, response) => new Http1Exchange(shared, message, response).begin(false));
  server.on('checkContinue', (message, response) => new Http1Exchange(shared, message, response).begin(true));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) =>
    refuseConnection(shared.handler, error, socket as Socket),
  );
  return server;
}

/** Those that are served, and those that are there only to be told to try again later, if there is room for them. */
function connectionsInAll(served: number): number {
  return Math.max(served, Math.min(2 * served, descriptorsMax() - DESCRIPTORS_KEPT));
}

const PARSE_STATUS: Readonly<Record<string, number>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
};

const PARSE_MESSAGE: Readonly<Record<number, string>> = {
  408: 'the request took too long to arrive',
  413: 'the chunk extensions are too long',
  431: 'the request has too many or too large headers',
};

/** The connection is no longer readable as HTTP, or too slow: say so if an answer can still be told apart. */
function refuseConnection(handler: HttpHandler, error: NodeJS.ErrnoException, socket: Socket): void {
  const status = PARSE_STATUS[error.code ?? ''] ?? 400;
  const message = PARSE_MESSAGE[status] ?? 'malformed HTTP request';
  const exchanges = liveExchanges(socket);
  const [first] = exchanges ?? [];
  if (first?.reading === true) {
    first.refuse(status, message);
    return;
  }
  // With an earlier request unanswered on this connection, anything written would be taken for its answer.
  if (first === undefined && socket.writable && error.code !== 'ECONNRESET') {
    const answer = handler.refuse(status, message);
    let head = `HTTP/1.1 ${answer.status} Refused\r\nconnection: close\r\n`;
    for (let i = 0; i < answer.headers.length; i += 2) {
      head += `${answer.headers[i]}: ${answer.headers[i + 1]}\r\n`;
    }
    socket.write(`${head}content-length: ${Buffer.byteLength(answer.body)}\r\n\r\n${answer.body}`);
  }
  socket.destroySoon();
}

interface Http2Half {
  readonly server: Http2Server;
  readonly sessions: ReadonlySet<Http2Session>;
  stop(): void;
}

function http2Options(limits: Required<HttpLimits>): ServerOptions {
  return {
    settings: {
      maxConcurrentStreams: limits.maxStreams,
      maxHeaderListSize: limits.headerBytesMax,
      enablePush: false,
    },
    maxHeaderListPairs: limits.maxHeaders + 8,
    // Floods: empty or malformed frames, refused streams, pings, and opening streams only to reset them.
    maxSessionInvalidFrames: 100,
    maxSessionRejectedStreams: 100,
    maxOutstandingPings: 10,
    streamResetBurst: 1000,
    streamResetRate: 100,
    unknownProtocolTimeout: limits.headersTimeoutMs,
  };
}

function createHttp2(shared: Exchanges, limits: Required<HttpLimits>): Http2Half {
  const server = createHttp2Server(http2Options(limits));
  const sessions = new Set<Http2Session>();
  const live = new Set<Exchange>();
  shared.connections.add(live);
  /** Exchanges whose body is not whole, in the order of their deadlines. */
  const pending = new Set<Http2Exchange>();
  server.on('session', session => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    let streams = 0;
    session.on('stream', stream => {
      streams += 1;
      stream.once('close', () => {
        streams -= 1;
      });
    });
    // A waiting call is silence too: only a session without streams is idle.
    session.setTimeout(limits.idleTimeoutMs, () => {
      if (streams === 0) session.close();
    });
    // The session ends with it; its streams tell their exchanges.
    session.on('error', () => session.destroy());
  });
  server.on('stream', (stream, _headers, flags, rawHeaders) => {
    const deadline = performance.now() + limits.requestTimeoutMs;
    const raw = rawHeaders as unknown as string[];
    const exchange = new Http2Exchange(shared, stream, raw, deadline, pending, live);
    exchange.begin((flags & END_STREAM) !== 0);
  });
  const sweep = setInterval(() => {
    const now = performance.now();
    for (const exchange of pending) {
      if (exchange.deadline > now) break;
      exchange.refuse(408, 'the request took too long to arrive');
    }
  }, checkInterval(limits));
  sweep.unref();
  return { server, sessions, stop: () => clearInterval(sweep) };
}

/** `flags` of the frame that opened a stream: no body follows. */
const END_STREAM = 1;

/** Half the shortest timeout, so that none is late by more than half again. */
function checkInterval(limits: Required<HttpLimits>): number {
  return Math.max(50, Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs) / 2);
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/**
 * Puts the decision in front of the HTTP/1.1 server's own connection listener. Returns the connections that have
 * not decided yet.
 */
function shareConnections(http1: Server, http2: Http2Server, limits: Required<HttpLimits>): Set<Socket> {
  const [serveHttp1] = http1.listeners('connection') as ((socket: Socket) => void)[];
  if (serveHttp1 === undefined) throw new Error('node:http no longer serves connections by event');
  http1.removeAllListeners('connection');
  const sniffing = new Set<Socket>();
  let open = 0;
  http1.on('connection', (socket: Socket) => {
    open += 1;
    socket.once('close', () => {
      open -= 1;
    });
    if (open > limits.maxConnections) markSurplus(socket);
    sniffing.add(socket);
    let seen: Buffer | undefined;
    const cut = (): void => {
      socket.destroy();
    };
    const forget = (): void => {
      sniffing.delete(socket);
    };
    const sniff = (chunk: Buffer): void => {
      seen = seen === undefined ? chunk : Buffer.concat([seen, chunk]);
      const length = Math.min(seen.length, PREFACE.length);
      const isHttp2 = seen.compare(PREFACE, 0, length, 0, length) === 0;
      if (isHttp2 && length < PREFACE.length) return;
      socket.off('data', sniff).off('error', cut).off('timeout', cut).off('end', cut).off('close', forget);
      socket.setTimeout(0);
      forget();
      socket.pause();
      socket.unshift(seen);
      if (isHttp2) {
        // `node:http` keeps its sockets half open; `node:http2` relies on the client's end to close its own.
        socket.allowHalfOpen = false;
        http2.emit('connection', socket);
      } else {
        serveHttp1.call(http1, socket);
        socket.resume();
      }
    };
    socket.setTimeout(limits.headersTimeoutMs);
    socket.on('data', sniff).on('error', cut).on('timeout', cut).on('end', cut).on('close', forget);
  });
  return sniffing;
}

function stop(
  shared: Exchanges,
  http1: Server,
  http2: Http2Half,
  sniffing: ReadonlySet<Socket>,
  graceMs: number,
  idle: Promise<void> | undefined,
): Promise<void> {
  shared.closing = true;
  http2.stop();
  return new Promise(resolve => {
    const cut = (): void => {
      http1.closeAllConnections();
      for (const session of http2.sessions) session.destroy();
    };
    let timer: NodeJS.Timeout;
    let over = false;
    const tell = (): void => {
      if (over) return;
      clearTimeout(timer);
      for (const exchanges of shared.connections) for (const exchange of exchanges) exchange.stopped();
      timer = setTimeout(cut, FLUSH_MS);
    };
    timer = setTimeout(tell, graceMs);
    // Called when every connection of the port has ended, HTTP/2 ones included: they are its sockets.
    http1.close(() => {
      over = true;
      clearTimeout(timer);
      resolve();
    });
    idle?.then(tell);
    for (const socket of sniffing) socket.destroy();
    for (const session of http2.sessions) session.close();
  });
}
