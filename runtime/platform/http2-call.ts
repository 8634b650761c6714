/**
 * One request over HTTP/2 and its answer: the caller's handle, and what the stream tells it.
 *
 * Invariants: `onEnd` is called once, never from within the call that made the request, and nothing is called
 * after `abort`. A request is sent again only if the peer says that it has not touched it, and nothing but its
 * beginning had been written. Of what a caller does not read, no more than a stream's window is held; of what the
 * peer does not read, what the caller wrote against the word of `write`.
 *
 * Node does not tell an answer that was ended from one that was reset without an error in the middle, which a
 * peer may do after a complete answer only (RFC 9113, 8.1): both are `ended`. Who reads the frames notices.
 */
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import { type Http2Connection, wasRefused } from './http2-connection.ts';
import type { Clock, Timers } from './ports.ts';

export type Http2Headers = Readonly<Record<string, string>>;

export interface Http2Request {
  readonly method: string;
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Http2Headers;
  /** Kept, not copied; so are chunks that are written later. */
  readonly body: Uint8Array;
  /** The request ends with `body`. */
  readonly whole: boolean;
  /** The longest time without a byte of the answer; Infinity where the caller watches. */
  readonly silenceMs: number;
}

export interface Http2Events {
  /** Values of a header that came more than once are joined. */
  onHead(status: number, headers: Http2Headers): void;
  onData(chunk: Uint8Array): void;
  onEnd(end: Http2End): void;
  /** What was written has been taken, after `write` returned false. */
  onDrain(): void;
}

export type Http2End =
  | { readonly kind: 'ended' }
  | { readonly kind: 'timedOut' }
  /** It waited longer than `silenceMs` for room on a connection, and was not sent. */
  | { readonly kind: 'noRoom' }
  /** No complete answer. `reason`: the code of an error of Node, or `HTTP2_NOT_SPOKEN`. */
  | { readonly kind: 'broken'; readonly reason: string; readonly message: string };

export interface Http2Stream {
  /** False: nothing should be written until `onDrain`. Without effect when the answer has ended. */
  write(bytes: Uint8Array): boolean;
  end(): void;
  pause(): void;
  resume(): void;
  /** Resets the stream; nothing is called any more. */
  abort(): void;
}

/** A refused request is sent again after 20, 40, 80 ms. */
const RESEND_MS = 20;
const RESENDS_MAX = 3;

/** What a call asks of the client that it belongs to. */
interface Owner {
  readonly clock: Clock;
  readonly timers: Timers;
  /** It has a connection that works, be it full. */
  readonly connected: boolean;
  /** The call has ended; its stream, if it has one, frees its room when it is closed. */
  ended(call: Call): void;
  /** The peer has refused it: it goes before those that wait. */
  again(call: Call): void;
}

const CALL = Symbol('call');
/** The stream knows its call, so that its listeners are shared and nothing is allocated for them. */
type CallStream = ClientHttp2Stream & { [CALL]?: Call };

export class Call implements Http2Stream {
  readonly request: Http2Request;
  readonly #client: Owner;
  readonly #events: Http2Events;
  place = 0;
  waiting = false;
  #over = false;
  #deadlineMs: number;
  /** Something has come since the last sweep. */
  #heard = false;
  #stream: CallStream | null = null;
  /** Written before there was a stream. */
  #early: Uint8Array[] = [];
  #ending: boolean;
  #paused = false;
  /** `write` has returned false, and `onDrain` has not been called since. */
  #blocked = false;
  /** More than `request.body` has been given away: it cannot be sent again. */
  #continued = false;
  #headSeen = false;
  #resends = 0;
  #error: Error | null = null;

  constructor(client: Owner, request: Http2Request, events: Http2Events) {
    this.#client = client;
    this.request = request;
    this.#events = events;
    this.#deadlineMs = client.clock.monotonicMs() + request.silenceMs;
    this.#ending = request.whole;
  }

  start(connection: Http2Connection): void {
    const { method, path, headers, body, silenceMs } = this.request;
    this.#deadlineMs = this.#client.clock.monotonicMs() + silenceMs;
    const early = this.#early;
    this.#early = [];
    const empty = body.length === 0 && early.length === 0;
    let stream: CallStream;
    try {
      const head = { ':method': method, ':path': path, ...headers };
      stream = connection.open(head, empty && this.#ending);
    } catch (error) {
      // Names and values of headers that HTTP does not allow, or a session that has just ended.
      this.#client.timers.soon(() => this.finish(brokenBy(error as Error)));
      return;
    }
    stream[CALL] = this;
    this.#stream = stream;
    stream.on('response', onResponse);
    stream.on('data', onData);
    stream.on('end', onEnd);
    stream.on('drain', onDrain);
    stream.on('error', onError);
    stream.on('close', onClose);
    if (this.#paused) stream.pause();
    let room = true;
    if (body.length > 0) room = stream.write(body);
    for (const chunk of early) room = stream.write(chunk);
    if (early.length > 0) this.#continued = true;
    if (this.#ending && !empty) stream.end();
    else if (room) this.drained();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#over) return true;
    if (this.#ending) throw new Error('a chunk was written after the end of an HTTP/2 request');
    if (this.#stream === null) {
      this.#early.push(bytes);
      this.#blocked = true;
      return false;
    }
    this.#continued = true;
    const room = this.#stream.write(bytes);
    if (!room) this.#blocked = true;
    return room;
  }

  end(): void {
    if (this.#over || this.#ending) return;
    this.#ending = true;
    this.#stream?.end();
  }

  pause(): void {
    this.#paused = true;
    this.#stream?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#stream?.resume();
  }

  abort(): void {
    if (this.#over) return;
    this.#leave();
    this.#reset();
  }

  /** Ends the call before its answer is complete. */
  finish(end: Http2End): void {
    if (this.#over) return;
    this.abort();
    this.#events.onEnd(end);
  }

  sweep(nowMs: number): void {
    if (this.#heard) {
      this.#heard = false;
      this.#deadlineMs = nowMs + this.request.silenceMs;
    } else if (this.#deadlineMs <= nowMs) {
      this.finish({ kind: this.#stream === null && this.#client.connected ? 'noRoom' : 'timedOut' });
    }
  }

  head(headers: IncomingHttpHeaders): void {
    if (this.#over) return;
    this.#heard = true;
    this.#headSeen = true;
    this.#events.onHead(headers[':status'] as unknown as number, plain(headers));
  }

  data(chunk: Uint8Array): void {
    if (this.#over) return;
    this.#heard = true;
    this.#events.onData(chunk);
  }

  drained(): void {
    if (this.#over || !this.#blocked) return;
    this.#blocked = false;
    this.#events.onDrain();
  }

  /** No more data. After a reset Node says so, too; then `closed` follows and tells why. */
  dataEnded(stream: CallStream): void {
    if (this.#over || !this.#headSeen || stream.rstCode !== constants.NGHTTP2_NO_ERROR) return;
    this.#leave();
    // What the peer has not read of the request is not wanted any more.
    if (stream.writableLength > 0) this.#reset();
    else if (!stream.writableEnded) stream.end();
    this.#events.onEnd({ kind: 'ended' });
  }

  failed(error: Error): void {
    this.#error ??= error;
  }

  closed(stream: CallStream): void {
    if (this.#over || this.#stream !== stream) return;
    const refused = wasRefused(stream);
    if (refused && !this.#headSeen && !this.#continued && this.#resends < RESENDS_MAX) {
      this.#stream = null;
      this.#error = null;
      this.#client.timers.set(RESEND_MS << this.#resends++, () => {
        if (!this.#over) this.#client.again(this);
      });
      return;
    }
    const message = this.#error?.message ?? `the stream was reset with code ${stream.rstCode}`;
    const reason = (this.#error as NodeJS.ErrnoException | null)?.code ?? 'ECONNRESET';
    this.finish({ kind: 'broken', reason: refused ? 'HTTP2_REFUSED_STREAM' : reason, message });
  }

  #leave(): void {
    this.#over = true;
    this.#early = [];
    this.#client.ended(this);
  }

  #reset(): void {
    // Without an error code a stream would stay until what has come is read.
    this.#stream?.close(constants.NGHTTP2_CANCEL);
  }
}

function onResponse(this: CallStream, headers: IncomingHttpHeaders): void {
  this[CALL]?.head(headers);
}

function onData(this: CallStream, chunk: Uint8Array): void {
  this[CALL]?.data(chunk);
}

function onEnd(this: CallStream): void {
  this[CALL]?.dataEnded(this);
}

function onDrain(this: CallStream): void {
  this[CALL]?.drained();
}

function onError(this: CallStream, error: Error): void {
  this[CALL]?.failed(error);
}

function onClose(this: CallStream): void {
  this[CALL]?.closed(this);
}

function plain(headers: IncomingHttpHeaders): Http2Headers {
  const result: Record<string, string> = Object.create(null);
  for (const name in headers) {
    if (name.charCodeAt(0) === 0x3a) continue;
    const value = headers[name];
    result[name] = typeof value === 'string' ? value : (value ?? []).join(', ');
  }
  return result;
}

/** Of several addresses that were tried, the first failure says more than "AggregateError". */
export function brokenBy(error: Error): Http2End {
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return brokenBy(error.errors[0]);
  const reason = (error as NodeJS.ErrnoException).code ?? error.name;
  return { kind: 'broken', reason, message: error.message.trim() };
}
