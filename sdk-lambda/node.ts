/**
 * Durable handlers on Node's own servers: HTTP/2 streams in both directions, HTTP/1.1 requests and responses.
 * One function serves both, and TLS with `allowHTTP1` as well. Clock, timers and sockets are the platform's.
 *
 * Invariants:
 * - A peer that reads slowly is not read from; one that sends no journal, or no end of it, is cut off.
 * - A request that goes away ends its attempt.
 * - In request/response mode no byte of the answer is sent before it is whole.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import {
  constants,
  createServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Readable, Writable } from 'node:stream';
import { SdkUsageError } from './coded-error.ts';
import {
  builderOf,
  type Endpoint,
  type EndpointBuilder,
  type EndpointOptions,
  endpointOf,
} from './endpoint.ts';
import { asError } from './errors.ts';
import { answerHeaders, type EndpointResponse, type Opened, openRequest, refuse } from './http.ts';
import { StreamedAttempt } from './streamed-attempt.ts';

export * from './api.ts';
export type { NodeEndpoint as RestateEndpoint };

/** What an endpoint serves, and how. */
export interface NodeEndpointOptions extends EndpointOptions {
  /** @default streams in both directions over HTTP/2, request/response over HTTP/1.1 */
  readonly bidirectional?: boolean | undefined;
}

/** What is served, and where. */
export interface ServeOptions extends EndpointOptions {
  /** @default the environment variable PORT, else 9080 */
  readonly port?: number | undefined;
}

type Http1Handler = (request: IncomingMessage, response: ServerResponse) => void;
type Http2Handler = (request: Http2ServerRequest, response: Http2ServerResponse) => void;
/** The listener for requests of `node:http` and `node:http2` servers. */
export type NodeHandler = Http1Handler & Http2Handler;

/** The listener for requests of `node:http` and `node:http2` servers. */
export function createEndpointHandler({ bidirectional, ...options }: NodeEndpointOptions): NodeHandler {
  return handlerOf(endpointOf(options), bidirectional);
}

/** Serves over HTTP/2 without TLS. Resolves to the port that it listens on. */
export async function serve({ port, ...options }: ServeOptions): Promise<number> {
  return listen(endpointOf(options), port);
}

interface Mode {
  readonly bidirectional?: boolean | undefined;
}

/** What `endpoint` returns. */
export interface NodeEndpoint extends EndpointBuilder<NodeEndpoint> {
  /** HTTP/2 without TLS. @default port: the environment variable PORT, else 9080 */
  listen(port?: number): Promise<number>;
  /** For servers of `node:http`. */
  http1Handler(mode?: Mode): Http1Handler;
  /** For servers of `node:http2`. */
  http2Handler(mode?: Mode): Http2Handler;
  /** For servers that speak both. */
  handler(mode?: Mode): NodeHandler;
}

/** The same, one service at a time. */
export function endpoint(): NodeEndpoint {
  return builderOf(target => ({
    listen: (port?: number) => listen(target, port),
    http1Handler: (mode?: Mode): Http1Handler => handlerOf(target, mode?.bidirectional),
    http2Handler: (mode?: Mode): Http2Handler => handlerOf(target, mode?.bidirectional),
    handler: (mode?: Mode) => handlerOf(target, mode?.bidirectional),
  }));
}

const DEFAULT_PORT = 9080;
/** Journals fit; one stream that nobody reads holds no more. */
const STREAM_WINDOW_BYTES = 256 * 1024;
/** The default of 64 KiB for all streams together makes them wait for each other. */
const CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024;
const STREAMS_PER_CONNECTION_MAX = 1000;
/** Of one connection. With Node's default of 10 a few large journals would have new streams refused. */
const SESSION_MEMORY_MB = 256;

function listen(target: Endpoint, port = portOfEnvironment()): Promise<number> {
  const server = createServer({
    maxSessionMemory: SESSION_MEMORY_MB,
    settings: { initialWindowSize: STREAM_WINDOW_BYTES, maxConcurrentStreams: STREAMS_PER_CONNECTION_MAX },
  });
  server.on('session', session => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
  // Without the objects that are made for each 'request'.
  server.on('stream', (stream, headers) => serveStream(target, stream, headers, true));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

function portOfEnvironment(): number {
  const text = process.env['PORT'];
  if (text === undefined) return DEFAULT_PORT;
  const port = Number(text);
  if (text !== '' && Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new SdkUsageError('HF_SDK_ARGUMENT', `The environment variable PORT is "${text}", which is no port.`);
}

function handlerOf(target: Endpoint, bidirectional: boolean | undefined): NodeHandler {
  return (request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse) => {
    if ('stream' in request) serveStream(target, request.stream, request.headers, bidirectional ?? true);
    else serveHttp1(target, request, response as ServerResponse, bidirectional ?? false);
  };
}

/** A request and where its answer goes, alike for both versions of HTTP. */
interface Exchange {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly input: Readable;
  readonly output: Writable;
  readonly bidirectional: boolean;
  head(status: number, headers: Readonly<Record<string, string | number>>): void;
  /** The answer is written, and the peer may still be sending. */
  finished(): void;
}

function serveStream(
  target: Endpoint,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  bidirectional: boolean,
): void {
  begin(target, {
    path: String(headers[':path'] ?? '/'),
    headers,
    input: stream,
    output: stream,
    bidirectional,
    head: (status, fields) => stream.respond({ ':status': status, ...fields }),
    finished: () => closeUnlessEnded(stream),
  });
}

/** How long a peer may take to end its side once it has the whole answer. */
const LINGER_MS = 10_000;

function closeUnlessEnded(stream: ServerHttp2Stream): void {
  // Answers must not be lost with a reset, so the peer's rest is read and thrown away for a while.
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), LINGER_MS);
  timer.unref();
  stream.once('close', () => clearTimeout(timer));
  stream.resume();
}

function serveHttp1(
  target: Endpoint,
  request: IncomingMessage,
  response: ServerResponse,
  bidirectional: boolean,
): void {
  begin(target, {
    path: request.url ?? '/',
    headers: request.headers,
    input: request,
    output: response,
    bidirectional,
    head(status, fields) {
      // Nobody waits for the rest of a body whose answer is there already.
      const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
      const hasBody = length !== undefined || encoding !== undefined;
      const rest = request.complete || bidirectional || !hasBody ? {} : { connection: 'close' };
      response.writeHead(status, { ...fields, ...rest });
      if (bidirectional) response.flushHeaders();
    },
    finished: () => request.resume(),
  });
}

function begin(target: Endpoint, exchange: Exchange): void {
  const { input, output, path, headers, bidirectional } = exchange;
  // The peer has reset the stream or the connection. 'close' follows, and ends what is under way.
  const ignore = () => {};
  input.on('error', ignore);
  output.on('error', ignore);
  const traits = { protocolMode: bidirectional ? 'BIDI_STREAM' : 'REQUEST_RESPONSE' } as const;
  const go = (opened: EndpointResponse | Opened) => {
    if (isGone(output)) return;
    if ('status' in opened) respond(exchange, opened);
    else run(target, exchange, opened);
  };
  openRequest(target, { path, headers }, traits, now)
    .then(go)
    .catch((error: unknown) => go(refuse(500, asError(error).message)));
}

/** Reset or closed; the event may be still to come. */
const isGone = (output: Writable): boolean => output.destroyed || output.closed;
const now = (): number => Date.now();
const atEndOfTurn = (callback: () => void): void => {
  setImmediate(callback);
};

function respond(exchange: Exchange, { status, headers, body }: EndpointResponse): void {
  exchange.head(status, { ...headers, 'content-length': body.length });
  exchange.output.end(body);
  exchange.finished();
}

/** How long a peer may send nothing of a journal that is not complete. */
const JOURNAL_SILENCE_MS = 60_000;

function run(target: Endpoint, exchange: Exchange, opened: Opened): void {
  const { input, output, bidirectional, headers } = exchange;
  const answer = answerHeaders(opened.version);
  const attempt = new StreamedAttempt(
    opened,
    {
      now,
      logger: target.logger,
      attemptHeaders: headers,
      ...(bidirectional ? { atEndOfTurn } : {}),
    },
    {
      write(frames) {
        const hasRoom = output.write(frames);
        if (!hasRoom) input.pause();
        return hasRoom;
      },
      end(frames) {
        clearTimeout(silence);
        if (isGone(output)) return;
        if (!bidirectional) exchange.head(200, { ...answer, 'content-length': frames.length });
        output.end(frames);
        exchange.finished();
      },
    },
  );
  const silence = setTimeout(() => output.destroy(), JOURNAL_SILENCE_MS);
  // The server sends the journal as soon as it likes, so the head need not wait for it.
  if (bidirectional) exchange.head(200, answer);
  output.on('drain', () => {
    attempt.drained();
    input.resume();
  });
  output.on('close', () => {
    clearTimeout(silence);
    attempt.abort();
  });
  input.on('data', (chunk: Uint8Array) => {
    attempt.push(chunk);
    if (attempt.ended || (bidirectional && attempt.started)) clearTimeout(silence);
    else silence.refresh();
  });
  input.on('end', () => {
    clearTimeout(silence);
    attempt.inputClosed();
  });
}
