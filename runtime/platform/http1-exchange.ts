/**
 * HTTP/1.1: an exchange over `node:http`, with the fewest moving parts per request: no listener is set for a
 * request without a body, and one set of live exchanges per connection tells all of them when it ends.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Exchange, type Exchanges, isBodyless, splitTarget } from './http-exchange.ts';
import type { HeaderList, HttpAnswer } from './http-handler.ts';

/**
 * How long a refused client may be silent before it is cut, and go on sending in all. Closing at once would lose the
 * answer to a reset.
 */
const LINGER_SILENT_MS = 1_000;
const LINGER_MS = 10_000;

const live = Symbol('live');
const surplus = Symbol('surplus');
type LiveSocket = Socket & { [live]?: Set<Http1Exchange>; [surplus]?: true };

/** This connection is one too many: its requests are refused, and it is closed with the first answer. */
export function markSurplus(socket: Socket): void {
  (socket as LiveSocket)[surplus] = true;
}

/** Exchanges of this connection that are not over. */
export function liveExchanges(socket: Socket): ReadonlySet<Http1Exchange> | undefined {
  return (socket as LiveSocket)[live];
}

export class Http1Exchange extends Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly #message: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(shared: Exchanges, message: IncomingMessage, response: ServerResponse) {
    super(shared);
    this.#message = message;
    this.#response = response;
    this.method = message.method as string;
    const target = splitTarget(originForm(message.url as string));
    this.path = target.path;
    this.query = target.query;
    this.headers = pairs(message.rawHeaders);
    liveOn(message.socket, shared.connections).add(this);
  }

  /** `expectsContinue`: the client waits for `100 Continue` before it sends the body. */
  begin(expectsContinue: boolean): void {
    const length = bodyLength(this.headers);
    const isSurplus = (this.#message.socket as LiveSocket)[surplus] === true;
    if (!this.admit(length, isSurplus) || (length < 0 && !this.admitChunked())) return;
    if (length === 0) {
      this.complete();
      return;
    }
    if (expectsContinue) this.#response.writeContinue();
    this.#message.on('data', chunk => this.append(chunk));
    this.#message.on('end', () => this.complete());
  }

  /** Chunks are the one coding that is undone here; HTTP/1.0 has none, so a proxy may have passed them unseen. */
  private admitChunked(): boolean {
    if (this.#message.headers['transfer-encoding']?.toLowerCase() !== 'chunked') {
      this.refuse(501, 'the body has a transfer-encoding other than chunked');
    } else if (this.#message.httpVersionMinor === 0) {
      this.refuse(400, 'HTTP/1.0 has no transfer-encoding: send a content-length');
    } else return true;
    return false;
  }

  protected write(status: number, headers: HeaderList, body: Uint8Array | string | undefined): void {
    this.#response.writeHead(status, withLength(headers, status, body, this.shared.closing));
    this.#response.end(isBodyless(status) ? undefined : body);
    if (this.#message.socket.writableLength > 0) this.#boundStalling();
  }

  /** Whoever asks for much and reads none of it would keep it in memory for ever. */
  #boundStalling(): void {
    const socket: LiveSocket = this.#message.socket;
    socket.setTimeout(this.shared.stalledMs);
    // Idle connections have a time of their own, set by now; a pipelined request waits as long as it likes.
    this.#response.once('finish', () => {
      if ((socket[live]?.size ?? 0) > 0) socket.setTimeout(0);
    });
  }

  protected writeRefusal(answer: HttpAnswer): void {
    const response = this.#response;
    const message = this.#message;
    response.writeHead(answer.status, withLength(answer.headers, answer.status, answer.body, true));
    response.write(answer.body);
    if (message.complete) {
      response.end();
      return;
    }
    const cut = setTimeout(() => message.socket.destroy(), LINGER_SILENT_MS);
    const until = performance.now() + LINGER_MS;
    message.on('data', () => {
      if (performance.now() < until) cut.refresh();
    });
    message.once('end', () => response.end());
    message.socket.once('close', () => clearTimeout(cut));
    message.resume();
  }

  protected ended(): void {
    (this.#message.socket as LiveSocket)[live]?.delete(this);
  }
}

function liveOn(socket: LiveSocket, connections: Exchanges['connections']): Set<Http1Exchange> {
  let exchanges = socket[live];
  if (exchanges === undefined) {
    exchanges = new Set();
    socket[live] = exchanges;
    const own = exchanges;
    connections.add(own);
    socket.once('close', () => {
      connections.delete(own);
      for (const exchange of own) exchange.gone();
    });
  }
  return exchanges;
}

/** An absolute-form target names the authority again, which the `host` header has said. */
function originForm(url: string): string {
  if (url.charCodeAt(0) === 0x2f || url === '*') return url;
  const scheme = url.indexOf('://');
  if (scheme < 0) return `/${url}`;
  const rest = url.slice(scheme + 3);
  const path = rest.search(/[/?]/);
  if (path < 0) return '/';
  return rest[path] === '/' ? rest.slice(path) : `/${rest.slice(path)}`;
}

function pairs(raw: readonly string[]): (readonly [string, string])[] {
  const headers: (readonly [string, string])[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    headers.push([(raw[i] as string).toLowerCase(), raw[i + 1] as string]);
  }
  return headers;
}

/** -1 if the body has no announced length. The parser has refused a request with both kinds or with bad digits. */
function bodyLength(headers: readonly (readonly [string, string])[]): number {
  for (const [name, value] of headers) {
    if (name === 'content-length') return Number(value);
    if (name === 'transfer-encoding') return -1;
  }
  return 0;
}

function withLength(
  headers: HeaderList,
  status: number,
  body: Uint8Array | string | undefined,
  close: boolean,
): string[] {
  const list = headers.slice();
  if (!isBodyless(status)) {
    const length =
      body === undefined ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
    list.push('content-length', String(length));
  }
  if (close) list.push('connection', 'close');
  return list;
}
