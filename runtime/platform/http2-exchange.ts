/**
 * HTTP/2 without TLS (prior knowledge): an exchange over a stream of `node:http2`'s core API, which costs less
 * than its imitation of HTTP/1 objects.
 */
import { constants, type ServerHttp2Stream } from 'node:http2';
import { Exchange, type Exchanges, isBodyless, splitTarget } from './http-exchange.ts';
import { type HeaderList, type HttpAnswer, headerOf } from './http-handler.ts';

export class Http2Exchange extends Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: readonly (readonly [string, string])[];
  /** Monotonic time by which the body must be whole. */
  readonly deadline: number;
  readonly #stream: ServerHttp2Stream;
  readonly #pending: Set<Http2Exchange>;
  readonly #live: Set<Exchange>;

  constructor(
    shared: Exchanges,
    stream: ServerHttp2Stream,
    rawHeaders: readonly string[],
    deadline: number,
    pending: Set<Http2Exchange>,
    live: Set<Exchange>,
  ) {
    super(shared);
    this.#stream = stream;
    this.#pending = pending;
    this.#live = live;
    live.add(this);
    this.deadline = deadline;
    const head = readHead(rawHeaders);
    this.method = head.method;
    const target = splitTarget(head.path);
    this.path = target.path;
    this.query = target.query;
    this.headers = head.headers;
    // A reset by the client is an error event of its stream; what it means here is `close`.
    stream.on('error', ignoreReset);
    stream.once('close', () => this.gone());
  }

  begin(ended: boolean): void {
    if (!this.admit(Number(headerOf(this, 'content-length') ?? -1), false)) return;
    if (ended) {
      this.complete();
      return;
    }
    this.#pending.add(this);
    if (headerOf(this, 'expect')?.toLowerCase() === '100-continue') {
      this.#stream.additionalHeaders({ ':status': 100 });
    }
    this.#stream.on('data', (chunk: Buffer) => this.append(chunk));
    this.#stream.on('end', () => {
      this.#pending.delete(this);
      this.complete();
    });
  }

  protected write(status: number, headers: HeaderList, body: Uint8Array | string | undefined): void {
    const stream = this.#stream;
    if (stream.closed || stream.destroyed) return;
    const length = isBodyless(status) || body === undefined ? 0 : byteLength(body);
    const head: Record<string, string | number> = { ':status': status };
    for (let i = 0; i < headers.length; i += 2) head[headers[i] as string] = headers[i + 1] as string;
    if (!isBodyless(status)) head['content-length'] = length;
    if (length === 0 || this.method === 'HEAD') {
      stream.respond(head, { endStream: true });
    } else {
      stream.respond(head);
      stream.end(body);
      // Smaller ones are bounded by what a session may hold. This one must not be kept for who reads none of it.
      if (length > WINDOW_BYTES) {
        stream.setTimeout(this.shared.stalledMs, () => stream.close(constants.NGHTTP2_CANCEL));
      }
    }
  }

  protected writeRefusal(answer: HttpAnswer): void {
    this.write(answer.status, answer.headers, answer.body);
    // The rest of the body is not wanted (RFC 9113, 8.1): answer first, then reset without an error.
    this.#stream.once('finish', () => this.#stream.close(constants.NGHTTP2_NO_ERROR));
  }

  protected ended(): void {
    this.#pending.delete(this);
    this.#live.delete(this);
  }
}

/** What a client lets come before it reads, unless it says otherwise. */
const WINDOW_BYTES = 65_535;

function ignoreReset(): void {}

function byteLength(body: Uint8Array | string): number {
  return typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
}

function readHead(raw: readonly string[]): {
  method: string;
  path: string;
  headers: (readonly [string, string])[];
} {
  let method = '';
  let path = '/';
  let authority: string | undefined;
  let host: string | undefined;
  const headers: (readonly [string, string])[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    const value = raw[i + 1] as string;
    if (name.charCodeAt(0) === 0x3a) {
      if (name === ':method') method = value;
      else if (name === ':path') path = value;
      else if (name === ':authority') authority = value;
      continue;
    }
    if (name === 'host') host = value;
    headers.push([name, value]);
  }
  // The same name twice is what some clients send; another name makes two hosts, which are refused.
  if (authority !== undefined && authority !== host) headers.unshift(['host', authority]);
  return { method, path, headers };
}
