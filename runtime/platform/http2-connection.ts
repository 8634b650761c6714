/**
 * One connection that speaks HTTP/2: over TLS by ALPN, else with prior knowledge.
 *
 * Invariants: no request is sent before the peer's SETTINGS have come, so how many streams it takes is known and
 * a peer that does not speak HTTP/2 has not been given a request; `active` counts streams until they are closed;
 * `onClosed` is called once. A connection that its peer or its age has closed takes no new streams and ends with its last one. A
 * peer that answers no PING while streams are open is given up.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  constants,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Clock, TimerHandle, Timers } from './ports.ts';

export interface ConnectionOptions {
  readonly origin: string;
  readonly clock: Clock;
  readonly timers: Timers;
  /** For names; literal addresses are not looked up. */
  readonly lookup?: LookupFunction;
  /** Certificate authorities in place of Node's. */
  readonly ca?: string;
  /** However many the peer takes. @default 250 */
  readonly maxStreams?: number;
  /** @default 10,000 */
  readonly connectTimeoutMs?: number;
  /** A connection without streams is kept so long. @default 50,000 */
  readonly idleMs?: number;
  /** While streams are open. @default 40,000 */
  readonly pingIntervalMs?: number;
  /** @default 20,000 */
  readonly pingTimeoutMs?: number;
}

export interface ConnectionEvents {
  /** It takes requests, or more of them than before. */
  onRoom(): void;
  /** With the reason, unless it ended in order. */
  onClosed(error: Error | null): void;
}

/** The peer speaks something else. */
export const HTTP2_NOT_SPOKEN = 'HTTP2_NOT_SPOKEN';
/** A TLS server that knows ALPN and does not have h2. */
const ALPN_REFUSED = 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL';
const NO_H2 = 'it did not choose h2 when the TLS connection was made';

/** What a peer may send on one stream before it is read: the most that a paused stream holds. */
const STREAM_WINDOW_BYTES = 256 * 1024;
/** For all streams; given back as data arrives, so that a paused stream does not hold up the others. */
const CONNECTION_WINDOW_BYTES = 1024 * 1024;
const HEADER_LIST_BYTES_MAX = 32 * 1024;
const HEADERS_MAX = 128;
/** Stream ids end at 2^31 and are odd. */
const STREAMS_EVER_MAX = 500_000_000;

export class Http2Connection {
  active = 0;
  /** The peer's SETTINGS have come. */
  opened = false;
  #capacity = 0;
  #session: ClientHttp2Session | null = null;
  #error: Error | null = null;
  #over = false;
  #streams = 0;
  #pingSentMs: number | null = null;
  /** When it last had nothing to do, or when it was last pinged. */
  #quietMs: number;
  readonly #socket: Socket | TLSSocket;
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  #connectTimer: TimerHandle | null;

  constructor(options: ConnectionOptions, events: ConnectionEvents) {
    this.#options = options;
    this.#events = events;
    this.#quietMs = options.clock.monotonicMs();
    const url = new URL(options.origin);
    const secure = url.protocol === 'https:';
    this.#socket = openSocket(url, options);
    this.#socket.on('error', error => {
      this.#error ??= error;
    });
    this.#socket.once(secure ? 'secureConnect' : 'connect', () => this.#begin(secure));
    this.#socket.once('close', this.#onSocketClosed);
    const timeoutMs = options.connectTimeoutMs ?? 10_000;
    this.#connectTimer = options.timers.set(timeoutMs, () => {
      this.#connectTimer = null;
      const waitsFor = this.#session === null ? 'the connection' : 'the SETTINGS of HTTP/2';
      const error = Object.assign(new Error(`${waitsFor} took longer than ${timeoutMs} ms`), {
        code: this.#session === null ? 'ETIMEDOUT' : HTTP2_NOT_SPOKEN,
      });
      this.destroy(error);
    });
  }

  /** The peer's SETTINGS have not come yet. */
  get connecting(): boolean {
    return this.#connectTimer !== null;
  }

  /** How many more streams it takes now. */
  get room(): number {
    const session = this.#session;
    // After a GOAWAY, too, Node has closed the session: no new streams, and an end with the last one.
    if (this.connecting || session === null || session.closed || session.destroyed) return 0;
    return this.#capacity - this.active;
  }

  get capacity(): number {
    return this.#capacity;
  }

  /** Only while there is room. Throws for headers that HTTP does not allow. */
  open(headers: OutgoingHttpHeaders, endStream: boolean): ClientHttp2Stream {
    if (this.#session === null) throw new Error('a stream was opened on a connection that is not open');
    const stream = this.#session.request(headers, { endStream });
    this.active++;
    if (++this.#streams >= STREAMS_EVER_MAX) this.#session.close();
    stream.once('close', this.#onStreamClosed);
    return stream;
  }

  /** To be called now and then: pings, and closes when idle. */
  sweep(nowMs: number): void {
    const session = this.#session;
    if (this.connecting || session === null || session.destroyed) return;
    const { idleMs = 50_000, pingIntervalMs = 40_000, pingTimeoutMs = 20_000 } = this.#options;
    if (this.#pingSentMs !== null) {
      if (nowMs - this.#pingSentMs <= pingTimeoutMs) return;
      const error = new Error(`the peer answered no PING within ${pingTimeoutMs} ms`);
      this.destroy(Object.assign(error, { code: 'HTTP2_PEER_DEAD' }));
    } else if (this.active === 0) {
      if (nowMs - this.#quietMs > idleMs) session.close();
    } else if (nowMs - this.#quietMs > pingIntervalMs) {
      this.#pingSentMs = nowMs;
      this.#quietMs = nowMs;
      session.ping(() => {
        this.#pingSentMs = null;
      });
    }
  }

  /** Ends it with all its streams. */
  destroy(error?: Error): void {
    this.#error ??= error ?? null;
    if (this.#session !== null) this.#session.destroy(error);
    this.#socket.destroy();
  }

  #begin(secure: boolean): void {
    if (secure && (this.#socket as TLSSocket).alpnProtocol !== 'h2') {
      this.destroy(notSpoken(NO_H2));
      return;
    }
    const session = connectHttp2(this.#options.origin, {
      createConnection: () => this.#socket,
      settings: {
        enablePush: false,
        initialWindowSize: STREAM_WINDOW_BYTES,
        maxHeaderListSize: HEADER_LIST_BYTES_MAX,
      },
      maxHeaderListPairs: HEADERS_MAX,
      maxReservedRemoteStreams: 0,
      // Counts what waits to be sent, which the callers bound; the default of 10 MB is one large request.
      maxSessionMemory: 256,
    });
    this.#session = session;
    session.once('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
    session.on('remoteSettings', settings => {
      this.opened = true;
      this.#capacity = Math.min(settings.maxConcurrentStreams ?? Infinity, this.#options.maxStreams ?? 250);
      if (this.#connectTimer !== null) this.#options.timers.clear(this.#connectTimer);
      this.#connectTimer = null;
      this.#events.onRoom();
    });
    session.on('error', error => {
      this.#error ??= error;
    });
    session.once('close', () => {
      this.#socket.destroy();
      this.#closed();
    });
  }

  readonly #onStreamClosed = (): void => {
    this.active--;
    if (this.active === 0) this.#quietMs = this.#options.clock.monotonicMs();
    if (this.room > 0) this.#events.onRoom();
  };

  /** The session, where there is one, ends a little later, after its streams. */
  readonly #onSocketClosed = (): void => {
    if (this.#session === null) this.#closed();
  };

  #closed(): void {
    if (this.#over) return;
    this.#over = true;
    const refused = codeOf(this.#error) === ALPN_REFUSED;
    const unsettled = this.#connectTimer !== null && (this.#session !== null || refused);
    if (this.#connectTimer !== null) this.#options.timers.clear(this.#connectTimer);
    this.#connectTimer = null;
    if (unsettled && codeOf(this.#error) !== HTTP2_NOT_SPOKEN) {
      this.#error = notSpoken(refused ? NO_H2 : (this.#error?.message ?? 'it closed the connection'));
    }
    this.#events.onClosed(this.#error);
  }
}

function codeOf(error: NodeJS.ErrnoException | null): string | undefined {
  return error?.code;
}

function notSpoken(reason: string): Error {
  return Object.assign(new Error(reason), { code: HTTP2_NOT_SPOKEN });
}

function openSocket(url: URL, options: ConnectionOptions): Socket | TLSSocket {
  const secure = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const common = {
    host,
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    noDelay: true,
    keepAlive: true,
    ...(options.lookup === undefined ? {} : { lookup: options.lookup }),
  };
  if (!secure) return connectTcp(common);
  return connectTls({
    ...common,
    ALPNProtocols: ['h2'],
    // A certificate for an address has it as an address, not as a name.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  });
}

/** Whether a stream was refused before the peer did anything about it (RFC 9113, 8.7): it may be sent again. */
export function wasRefused(stream: ClientHttp2Stream): boolean {
  return stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
}
