/**
 * The transports of deployments behind HTTP: HTTP/1.1 request/response, HTTP/2 request/response and HTTP/2
 * bidirectional.
 *
 * Invariants: those of the port; a host is asked of the guard before every request and each address it resolves
 * to before every connection; connections are shared by all deployments of an origin; a redirect is a status like
 * any other and never followed.
 */
import type { Endpoint } from '../core/model.ts';
import { type AddressGuard, NOT_ALLOWED } from '../platform/address-guard.ts';
import {
  createHttpPool,
  type HttpHeaders,
  type HttpOutcome,
  type HttpPool,
} from '../platform/http-client.ts';
import type { Http2End, Http2Events, Http2Stream } from '../platform/http2-call.ts';
import { createHttp2Client, type Http2Client } from '../platform/http2-client.ts';
import { HTTP2_NOT_SPOKEN } from '../platform/http2-connection.ts';
import type { Clock, Timers } from '../platform/ports.ts';
import type { HeaderMap } from './envelope.ts';
import { type HttpAddress, parseHttpAddress } from './http-endpoint.ts';
import type {
  Exchange,
  ExchangeLimits,
  ExchangeResult,
  HandlerRequest,
  Stream,
  StreamEvents,
  Transport,
  TransportFailure,
} from './transport.ts';

export type HttpEndpoint = Extract<Endpoint, { kind: 'http' }>;

export interface HttpTransportOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly guard: AddressGuard;
  /** HTTP/1.1, per origin; each call under way holds one. @default 1000 */
  readonly maxConnections?: number;
  /** HTTP/2, per origin. @default 16 */
  readonly maxHttp2Connections?: number;
  /** Certificate authorities in place of Node's (which NODE_EXTRA_CA_CERTS extends). */
  readonly ca?: string;
  /** How often timeouts are looked at. @default 250 */
  readonly tickMs?: number;
}

export interface HttpTransport {
  /** Throws `HF_ENDPOINT_URI` for an address that no deployment can have been registered with. */
  of(endpoint: HttpEndpoint): Transport;
  /** Ends what is under way. */
  close(): Promise<void>;
}

/** Deployments come and go; past this many the tables are gone through. */
const ENTRIES_MAX = 4096;

export function createHttpTransport(options: HttpTransportOptions): HttpTransport {
  return new Transports(options);
}

class Transports implements HttpTransport {
  readonly #options: HttpTransportOptions;
  readonly #transports = new Map<string, Transport>();
  readonly #pools = new Map<string, HttpPool>();
  readonly #clients = new Map<string, Http2Client>();
  #closed = false;

  constructor(options: HttpTransportOptions) {
    this.#options = options;
  }

  of(endpoint: HttpEndpoint): Transport {
    const { uri, http, bidirectional } = endpoint;
    const key = `${http}${bidirectional} ${uri}`;
    let transport = this.#transports.get(key);
    if (transport === undefined) {
      const address = parseHttpAddress(uri);
      const guarded = { address, guard: this.#options.guard, timers: this.#options.timers };
      if (http === 1) {
        transport = new Http1Transport(guarded, () => this.#pool(address.origin));
      } else {
        const client = (): Http2Client => this.#client(address.origin);
        transport = bidirectional
          ? new BidirectionalTransport(guarded, client)
          : new Http2Transport(guarded, client);
      }
      if (this.#transports.size >= ENTRIES_MAX) this.#transports.clear();
      this.#transports.set(key, transport);
    }
    return transport;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const clients = [...this.#pools.values(), ...this.#clients.values()];
    await Promise.all(clients.map(client => client.close()));
  }

  #pool(origin: string): HttpPool {
    const { maxConnections } = this.#options;
    const connections = maxConnections === undefined ? {} : { maxConnections };
    return this.#get(this.#pools, origin, shared => createHttpPool({ ...shared, ...connections }));
  }

  #client(origin: string): Http2Client {
    const { maxHttp2Connections: maxConnections } = this.#options;
    const connections = maxConnections === undefined ? {} : { maxConnections };
    return this.#get(this.#clients, origin, shared => createHttp2Client({ ...shared, ...connections }));
  }

  #get<T extends HttpPool | Http2Client>(
    table: Map<string, T>,
    origin: string,
    create: (shared: Parameters<typeof createHttpPool>[0]) => T,
  ): T {
    if (this.#closed) throw new Error('a request was made after the HTTP transport was closed');
    let client = table.get(origin);
    if (client === undefined) {
      if (table.size >= ENTRIES_MAX) forgetUnused(table);
      const { clock, timers, guard, ca, tickMs } = this.#options;
      client = create({
        origin,
        clock,
        timers,
        lookup: guard.lookup,
        ...(ca === undefined ? {} : { ca }),
        ...(tickMs === undefined ? {} : { tickMs }),
      });
      table.set(origin, client);
    }
    return client;
  }
}

function forgetUnused(table: Map<string, HttpPool | Http2Client>): void {
  for (const [origin, { stats }] of table) {
    if (stats.connections === 0 && stats.active === 0) table.delete(origin);
  }
}

interface Guarded {
  readonly address: HttpAddress;
  readonly guard: AddressGuard;
  readonly timers: Timers;
}

/** What must be said instead of connecting, if anything. */
function refusal({ address, guard }: Guarded): TransportFailure | undefined {
  const reason = guard.refuseHost(address.host);
  return reason === undefined ? undefined : { kind: 'failed', code: NOT_ALLOWED, message: `${reason}.` };
}

/** An exchange or stream that ends before it begins, in a later turn. */
class Refused implements Stream {
  #aborted = false;

  constructor({ timers }: Guarded, tell: () => void) {
    timers.soon(() => {
      if (!this.#aborted) tell();
    });
  }

  write(): boolean {
    return true;
  }
  end(): void {}
  pause(): void {}
  resume(): void {}
  abort(): void {
    this.#aborted = true;
  }
}

class Http1Transport implements Transport {
  readonly #guarded: Guarded;
  readonly #pool: () => HttpPool;

  constructor(guarded: Guarded, pool: () => HttpPool) {
    this.#guarded = guarded;
    this.#pool = pool;
  }

  exchange(
    request: HandlerRequest,
    limits: ExchangeLimits,
    done: (result: ExchangeResult) => void,
  ): Exchange {
    const refused = refusal(this.#guarded);
    if (refused !== undefined) return new Refused(this.#guarded, () => done(refused));
    const { address } = this.#guarded;
    const headers: string[] = [];
    for (const name in request.headers) headers.push(name, request.headers[name] ?? '');
    return this.#pool().request(
      {
        method: request.method,
        path: address.prefix + request.path,
        headers,
        body: request.method === 'GET' ? null : request.body,
        timeoutMs: limits.timeoutMs,
        timeoutIsSilence: true,
        maxResponseBytes: limits.responseBytesMax,
      },
      outcome => done(interpret(address, limits, outcome)),
    );
  }
}

function interpret(address: HttpAddress, limits: ExchangeLimits, outcome: HttpOutcome): ExchangeResult {
  switch (outcome.kind) {
    case 'response': {
      const { status, headers, body } = outcome;
      return { kind: 'response', status, headers: headerMap(headers), body };
    }
    case 'timedOut':
      return silent(address, limits.timeoutMs);
    case 'tooLarge':
      return tooLarge(address, limits.responseBytesMax);
    case 'broken':
      return broken(address, outcome.reason, outcome.message);
    default:
      return outcome satisfies never;
  }
}

class Http2Transport implements Transport {
  protected readonly guarded: Guarded;
  protected readonly client: () => Http2Client;

  constructor(guarded: Guarded, client: () => Http2Client) {
    this.guarded = guarded;
    this.client = client;
  }

  exchange(
    request: HandlerRequest,
    limits: ExchangeLimits,
    done: (result: ExchangeResult) => void,
  ): Exchange {
    const refused = refusal(this.guarded);
    if (refused !== undefined) return new Refused(this.guarded, () => done(refused));
    const collector = new Collector(this.guarded.address, limits, done);
    collector.stream = this.client().request(
      {
        method: request.method,
        path: this.guarded.address.prefix + request.path,
        headers: request.headers,
        body: request.body,
        whole: true,
        silenceMs: limits.timeoutMs,
      },
      collector,
    );
    return collector.stream;
  }
}

class BidirectionalTransport extends Http2Transport {
  stream(request: HandlerRequest, events: StreamEvents): Stream {
    const refused = refusal(this.guarded);
    if (refused !== undefined) return new Refused(this.guarded, () => events.onEnd(refused));
    const { address } = this.guarded;
    return this.client().request(
      {
        method: request.method,
        path: address.prefix + request.path,
        headers: request.headers,
        body: request.body,
        whole: false,
        silenceMs: Number.POSITIVE_INFINITY,
      },
      {
        onHead: (status, headers) => events.onHead(status, headers),
        onData: chunk => events.onData(chunk),
        onDrain: () => events.onDrain(),
        onEnd: end => events.onEnd(end.kind === 'ended' ? end : failure(address, end, 0)),
      },
    );
  }
}

/** An answer over HTTP/2 that is taken as a whole. */
class Collector implements Http2Events {
  readonly #address: HttpAddress;
  readonly #limits: ExchangeLimits;
  readonly #done: (result: ExchangeResult) => void;
  stream: Http2Stream | null = null;
  #status = 0;
  #headers: HeaderMap = {};
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  constructor(address: HttpAddress, limits: ExchangeLimits, done: (result: ExchangeResult) => void) {
    this.#address = address;
    this.#limits = limits;
    this.#done = done;
  }

  onHead(status: number, headers: HeaderMap): void {
    this.#status = status;
    this.#headers = headers;
    if (Number(headers['content-length']) > this.#limits.responseBytesMax) this.#refuse();
  }

  onData(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#limits.responseBytesMax) this.#refuse();
    else this.#chunks.push(chunk);
  }

  onDrain(): void {}

  onEnd(end: Http2End): void {
    if (end.kind === 'ended') {
      const [first] = this.#chunks;
      const body =
        this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks, this.#bytes);
      this.#done({ kind: 'response', status: this.#status, headers: this.#headers, body });
    } else if (end.kind === 'noRoom') {
      this.#done({ kind: 'throttled' });
    } else {
      this.#done(failure(this.#address, end, this.#limits.timeoutMs));
    }
  }

  #refuse(): void {
    this.#chunks = [];
    this.stream?.abort();
    this.#done(tooLarge(this.#address, this.#limits.responseBytesMax));
  }
}

function failure(
  address: HttpAddress,
  end: Exclude<Http2End, { kind: 'ended' }>,
  timeoutMs: number,
): TransportFailure {
  return end.kind === 'broken' ? broken(address, end.reason, end.message) : silent(address, timeoutMs);
}

function silent({ uri }: HttpAddress, timeoutMs: number): TransportFailure {
  const message = `'${uri}' sent nothing for ${timeoutMs} ms, and the attempt was given up (abort timeout).`;
  return { kind: 'failed', code: 'RT0001', message };
}

function tooLarge({ uri }: HttpAddress, bytes: number): TransportFailure {
  const message = `The answer of '${uri}' exceeds ${bytes} bytes and was not read.`;
  return { kind: 'failed', code: 'RT0019', message, deterministic: true };
}

function broken({ uri }: HttpAddress, reason: string, message: string): TransportFailure {
  if (reason === NOT_ALLOWED) return { kind: 'failed', code: NOT_ALLOWED, message };
  const text =
    reason === HTTP2_NOT_SPOKEN
      ? `'${uri}' does not seem to speak HTTP/2 (${message})`
      : `No answer from '${uri}' (${reason}): ${message.trimEnd().replace(/[.:]+$/, '')}`;
  const hint = HINTS[reason];
  return { kind: 'failed', code: 'RT0010', message: hint === undefined ? text : `${text}. ${hint}` };
}

const UNKNOWN_CA =
  "To trust its certificate, start the orchestrator with the CA's in a PEM file that NODE_EXTRA_CA_CERTS names.";

/** What a registration for another kind of server looks like from here, and the way out. */
const HINTS: Readonly<Record<string, string>> = {
  [HTTP2_NOT_SPOKEN]:
    'Is it an HTTP/1.1 server? Then register it with use_http_11. A server with TLS? Then with https://.',
  HTTPParserError: 'Is it an HTTP/2 server? Then register it without use_http_11.',
  ERR_SSL_WRONG_VERSION_NUMBER: 'Is it a server without TLS? Then register it with http://.',
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_CA,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_CA,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_CA,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_CA,
};

function headerMap(headers: HttpHeaders): HeaderMap {
  const result: Record<string, string> = Object.create(null);
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    if (value !== undefined) result[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return result;
}
