/**
 * A bounded set of keep-alive HTTP/1.1 connections to one origin, with callbacks instead of promises.
 *
 * Invariants: at most `maxConnections` connections exist and at most `maxConnecting` of them are being opened at
 * a time (a burst must not open thousands of TLS handshakes in one turn); a connection carries one request at a
 * time; requests that wait for one are served FIFO. `done` is called exactly once, never from within `request`,
 * and not at all after `abort` or `close`. A timeout never fires early. No more than `maxResponseBytes` of a
 * response are held. Nothing is ever sent twice: whether a broken call may be repeated is the caller's decision.
 *
 * undici's `Pool` is not used because it scans its connections for every request (a cost that grows with the
 * number of calls in flight, up to a thousand here) and opens connections without a pace. Its per-request
 * timeouts are off: one coarse timer sweeps the calls in flight, which is cheaper than a timer per call as long
 * as calls mostly end before their timeout.
 */

import type { LookupFunction } from 'node:net';
import { Client, type Dispatcher } from 'undici';
import type { Clock, TimerHandle, Timers } from './ports.ts';

export type HttpHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  /** Names and values in turns. */
  readonly headers: string[];
  readonly body: Uint8Array | null;
  /** From the call of `request` to the last byte of the response. */
  readonly timeoutMs: number;
  /** It starts anew whenever something of the response arrives: the longest silence. */
  readonly timeoutIsSilence?: boolean;
  readonly maxResponseBytes: number;
}

export type HttpOutcome =
  | {
      readonly kind: 'response';
      readonly status: number;
      readonly headers: HttpHeaders;
      readonly body: Uint8Array;
    }
  | { readonly kind: 'timedOut' }
  | { readonly kind: 'tooLarge' }
  /** No complete response: name resolution, connection, reset, truncation, or bytes that are not HTTP. */
  | { readonly kind: 'broken'; readonly reason: string; readonly message: string };

export type HttpDone = (outcome: HttpOutcome) => void;

export interface HttpCall {
  /** Ends the call and, if it has been sent, its connection. `done` is not called any more. */
  abort(): void;
}

export interface HttpPool {
  request(request: HttpRequest, done: HttpDone): HttpCall;
  readonly stats: { readonly connections: number; readonly active: number; readonly waiting: number };
  /** Aborts what is in flight and closes every connection. */
  close(): Promise<void>;
}

export interface HttpPoolOptions {
  readonly origin: string;
  readonly clock: Clock;
  readonly timers: Timers;
  /** @default 1000 */
  readonly maxConnections?: number;
  /** @default 64 */
  readonly maxConnecting?: number;
  /** How often deadlines are looked at, so a timeout fires up to this much late. @default 250 */
  readonly tickMs?: number;
  /** How names are resolved; literal addresses are not looked up. @default the system's way */
  readonly lookup?: LookupFunction;
  /** Certificate authorities in place of Node's. */
  readonly ca?: string;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** Idle connections are kept this long; a server's own `keep-alive` hint overrides it. */
const IDLE_MS = 50_000;
/**
 * A call may wait 15 minutes without a byte. NAT gateways drop such a flow after 350 s and network load
 * balancers likewise, so TCP probes start well before.
 */
const TCP_KEEP_ALIVE_MS = 60_000;

export function createHttpPool(options: HttpPoolOptions): HttpPool {
  return new Pool(options);
}

/** One connection. undici reopens it by itself when a request is already queued on it. */
interface Connection {
  readonly client: Client;
  call: Call | null;
  connected: boolean;
  connecting: boolean;
}

class Pool implements HttpPool {
  readonly clock: Clock;
  readonly #origin: string;
  readonly #timers: Timers;
  readonly #maxConnections: number;
  readonly #maxConnecting: number;
  readonly #tickMs: number;
  readonly #connect: object;
  readonly #connections = new Set<Connection>();
  /** Connected and idle; used from the end, so that surplus connections grow old and close. */
  readonly #idle: Connection[] = [];
  /** Every call that has not ended, in no order; a call knows its place so that it leaves in O(1). */
  readonly #active: Call[] = [];
  #connecting = 0;
  #waitingHead: Call | null = null;
  #waitingTail: Call | null = null;
  #waiting = 0;
  #tick: TimerHandle | null = null;
  #closed = false;

  constructor(options: HttpPoolOptions) {
    this.clock = options.clock;
    this.#origin = options.origin;
    this.#timers = options.timers;
    this.#maxConnections = options.maxConnections ?? 1000;
    this.#maxConnecting = options.maxConnecting ?? 64;
    this.#tickMs = options.tickMs ?? 250;
    const { lookup, ca } = options;
    this.#connect = {
      timeout: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
      ...(lookup === undefined ? {} : { lookup }),
      ...(ca === undefined ? {} : { ca }),
    };
  }

  get stats() {
    return { connections: this.#connections.size, active: this.#active.length, waiting: this.#waiting };
  }

  request(request: HttpRequest, done: HttpDone): HttpCall {
    if (this.#closed) throw new Error('a request was made after the HTTP pool was closed');
    const call = new Call(this, request, done, this.clock.monotonicMs() + request.timeoutMs);
    call.place = this.#active.push(call) - 1;
    this.#tick ??= this.#timers.set(this.#tickMs, this.#onTick);
    // Nobody is overtaken: `#pump` has run since a connection last came free, so if calls wait, none can start.
    if (!this.#start(call)) this.#enqueue(call);
    return call;
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#tick !== null) this.#timers.clear(this.#tick);
    this.#tick = null;
    for (const call of [...this.#active]) call.abort();
    await Promise.all([...this.#connections].map(connection => connection.client.destroy()));
  }

  /** The call has ended, in whatever way; its connection may be idle, busy dying, or reopening. */
  ended(call: Call): void {
    const last = this.#active.pop();
    if (last !== undefined && last !== call) {
      this.#active[call.place] = last;
      last.place = call.place;
    }
    if (call.waiting) this.#waiting--;
  }

  /** Gives the connection of an ended call back; `reusable` says whether the exchange was complete. */
  release(connection: Connection, reusable: boolean): void {
    connection.call = null;
    if (reusable && connection.connected && !this.#closed) this.#idle.push(connection);
    else this.#drop(connection);
    this.#pump();
  }

  soon(callback: () => void): void {
    this.#timers.soon(callback);
  }

  #start(call: Call): boolean {
    const connection = this.#idle.pop() ?? this.#open();
    if (connection === undefined) return false;
    connection.call = call;
    call.connection = connection;
    const { method, path, headers, body } = call.request;
    connection.client.dispatch({ method, path, headers, body }, call);
    return true;
  }

  #open(): Connection | undefined {
    if (this.#connections.size >= this.#maxConnections || this.#connecting >= this.#maxConnecting) {
      return undefined;
    }
    const client = new Client(this.#origin, {
      allowH2: false,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: IDLE_MS,
      connect: this.#connect,
    });
    const connection: Connection = { client, call: null, connected: false, connecting: true };
    this.#connections.add(connection);
    this.#connecting++;
    client.on('connect', () => {
      this.#settle(connection);
      connection.connected = true;
      this.#pump();
    });
    client.on('connectionError', () => {
      this.#settle(connection);
      this.#pump();
    });
    client.on('disconnect', () => {
      connection.connected = false;
      if (connection.call !== null) return;
      const place = this.#idle.indexOf(connection);
      if (place >= 0) this.#idle.splice(place, 1);
      this.#drop(connection);
    });
    return connection;
  }

  #settle(connection: Connection): void {
    if (connection.connecting) this.#connecting--;
    connection.connecting = false;
  }

  #drop(connection: Connection): void {
    if (!this.#connections.delete(connection)) return;
    this.#settle(connection);
    connection.client.destroy(null, () => undefined);
  }

  #enqueue(call: Call): void {
    call.waiting = true;
    this.#waiting++;
    if (this.#waitingTail === null) this.#waitingHead = call;
    else this.#waitingTail.next = call;
    this.#waitingTail = call;
  }

  #pump(): void {
    for (let call = this.#waitingHead; call !== null; call = this.#waitingHead) {
      // A call that ended while it waited is left in the list and passed over here.
      if (!call.over) {
        if (!this.#start(call)) return;
        call.waiting = false;
        this.#waiting--;
      }
      this.#waitingHead = call.next;
      if (this.#waitingHead === null) this.#waitingTail = null;
    }
  }

  readonly #onTick = (): void => {
    this.#tick = null;
    const now = this.clock.monotonicMs();
    // Backwards, because a call that ends gives its place to the last one, which has been looked at.
    for (let i = this.#active.length - 1; i >= 0; i--) {
      const call = this.#active[i];
      if (call === undefined) continue;
      if (call.heard) {
        call.heard = false;
        call.deadlineMs = now + call.request.timeoutMs;
      } else if (call.deadlineMs <= now) {
        call.end({ kind: 'timedOut' });
      }
    }
    if (this.#active.length > 0 && !this.#closed) this.#tick ??= this.#timers.set(this.#tickMs, this.#onTick);
  };
}

/** A request in flight: handle for the caller, handler for undici. */
class Call implements HttpCall, Dispatcher.DispatchHandler {
  readonly request: HttpRequest;
  deadlineMs: number;
  /** Something has come since the last tick, and `timeoutMs` is of silence. */
  heard = false;
  readonly #pool: Pool;
  readonly #done: HttpDone;
  place = 0;
  over = false;
  waiting = false;
  next: Call | null = null;
  connection: Connection | null = null;
  #status = 0;
  #headers: HttpHeaders = {};
  #chunks: Uint8Array[] = [];
  #received = 0;

  constructor(pool: Pool, request: HttpRequest, done: HttpDone, deadlineMs: number) {
    this.#pool = pool;
    this.request = request;
    this.#done = done;
    this.deadlineMs = deadlineMs;
  }

  abort(): void {
    if (this.over) return;
    this.over = true;
    this.#pool.ended(this);
    this.#leave();
  }

  /** Ends the call before its response is complete. */
  end(outcome: HttpOutcome): void {
    if (this.over) return;
    this.over = true;
    this.#pool.ended(this);
    this.#leave();
    this.#deliver(outcome);
  }

  /** undici calls it without asking whether it is there. */
  onRequestStart(): void {}

  onResponseStart(_controller: unknown, status: number, headers: HttpHeaders): void {
    this.#status = status;
    this.#headers = headers;
    this.heard = this.request.timeoutIsSilence === true;
    if (Number(headers['content-length']) > this.request.maxResponseBytes) this.end({ kind: 'tooLarge' });
  }

  onResponseData(_controller: unknown, chunk: Uint8Array): void {
    if (this.over) return;
    this.heard = this.request.timeoutIsSilence === true;
    this.#received += chunk.length;
    if (this.#received > this.request.maxResponseBytes) this.end({ kind: 'tooLarge' });
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    if (this.over) return;
    this.over = true;
    this.#pool.ended(this);
    this.#release(true);
    const [first] = this.#chunks;
    const body =
      this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks, this.#received);
    this.#deliver({ kind: 'response', status: this.#status, headers: this.#headers, body });
  }

  onResponseError(_controller: unknown, error: Error): void {
    // undici may report from within `dispatch`, where the caller does not hold the handle yet; a turn later the
    // call may have been aborted, which `end` checks.
    if (!this.over) this.#pool.soon(() => this.end(broken(error)));
  }

  /** Cuts the connection of a call that ends early: HTTP/1.1 has no other way to stop a response. */
  #leave(): void {
    this.#chunks = [];
    this.#release(false);
  }

  #release(reusable: boolean): void {
    const { connection } = this;
    this.connection = null;
    if (connection !== null) this.#pool.release(connection, reusable);
  }

  #deliver(outcome: HttpOutcome): void {
    try {
      this.#done(outcome);
    } catch (error) {
      // undici would take an exception for a transport error and lose it; a bug in a callback must crash.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

function broken(error: Error): HttpOutcome {
  const code = (error as NodeJS.ErrnoException).code;
  // Several addresses were tried: the first failure says more than "AggregateError".
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return broken(error.errors[0]);
  return { kind: 'broken', reason: code ?? error.name, message: error.message };
}
