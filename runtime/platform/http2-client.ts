/**
 * Requests over HTTP/2 to one origin, with callbacks instead of promises: many streams on few connections.
 *
 * Invariants: at most `maxConnections` connections exist, and at most `maxConnecting` of them are being opened;
 * another is opened only when those there are have no room; requests wait for room FIFO. What is told of a
 * request, and when it may be sent again: `http2-call.ts`.
 */
import { brokenBy, Call, type Http2Events, type Http2Request, type Http2Stream } from './http2-call.ts';
import { type ConnectionOptions, Http2Connection } from './http2-connection.ts';
import type { Clock, TimerHandle, Timers } from './ports.ts';

export interface Http2Client {
  request(request: Http2Request, events: Http2Events): Http2Stream;
  readonly stats: { readonly connections: number; readonly active: number; readonly waiting: number };
  /** Aborts what is in flight and closes every connection. */
  close(): Promise<void>;
}

export interface Http2ClientOptions extends ConnectionOptions {
  /** @default 16 */
  readonly maxConnections?: number;
  /** @default 2 */
  readonly maxConnecting?: number;
  /** How often timeouts, idle connections and dead peers are looked for. @default 250 */
  readonly tickMs?: number;
}

/** After a connection could not be opened while others work, the next is tried so much later. */
const RECONNECT_MS = 1000;
export function createHttp2Client(options: Http2ClientOptions): Http2Client {
  return new Client(options);
}

class Client implements Http2Client {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly #options: Http2ClientOptions;
  /** Oldest first; the first with room is used, so that surplus connections grow idle and close. */
  readonly #connections: Http2Connection[] = [];
  /** Every call that has not ended, in no order; a call knows its place so that it leaves in O(1). */
  readonly #active: Call[] = [];
  readonly #waiting: Call[] = [];
  /** The first of `#waiting` that still waits, about; what is before it has been served. */
  #waitingFrom = 0;
  #waitingCount = 0;
  #notBeforeMs = -Infinity;
  /** Streams that a new connection will probably take: what the RFC asks for at least, then what the last one took. */
  #expected = 100;
  #tick: TimerHandle | null = null;
  #closed = false;
  #onAllClosed: (() => void) | null = null;

  constructor(options: Http2ClientOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.timers = options.timers;
  }

  get stats() {
    return {
      connections: this.#connections.length,
      active: this.#active.length,
      waiting: this.#waitingCount,
    };
  }

  get connected(): boolean {
    return this.#connections.some(connection => connection.opened);
  }

  request(request: Http2Request, events: Http2Events): Http2Stream {
    if (this.#closed) throw new Error('a request was made after the HTTP/2 client was closed');
    const call = new Call(this, request, events);
    call.place = this.#active.push(call) - 1;
    const connection = this.#waitingCount === 0 ? this.#withRoom() : undefined;
    if (connection !== undefined) call.start(connection);
    else this.#enqueue(call);
    this.#arm();
    return call;
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#tick !== null) this.timers.clear(this.#tick);
    this.#tick = null;
    for (const call of [...this.#active]) call.abort();
    const allClosed = new Promise<void>(resolve => {
      this.#onAllClosed = resolve;
    });
    if (this.#connections.length === 0) return;
    for (const connection of [...this.#connections]) connection.destroy();
    await allClosed;
  }

  ended(call: Call): void {
    const last = this.#active.pop();
    if (last !== undefined && last !== call) {
      this.#active[call.place] = last;
      last.place = call.place;
    }
    if (call.waiting) this.#waitingCount--;
    call.waiting = false;
  }

  again(call: Call): void {
    if (this.#waitingFrom > 0) this.#waiting[--this.#waitingFrom] = call;
    else this.#waiting.unshift(call);
    call.waiting = true;
    this.#waitingCount++;
    this.#pump();
  }

  #enqueue(call: Call): void {
    this.#waiting.push(call);
    call.waiting = true;
    this.#waitingCount++;
    this.#connect();
  }

  #withRoom(): Http2Connection | undefined {
    for (const connection of this.#connections) if (connection.room > 0) return connection;
    return undefined;
  }

  #pump(): void {
    while (this.#waitingCount > 0) {
      const call = this.#waiting[this.#waitingFrom];
      if (call === undefined) throw new Error('the HTTP/2 client has lost a request that waits');
      this.#waitingFrom++;
      if (call.waiting) {
        const connection = this.#withRoom();
        if (connection === undefined) {
          this.#waitingFrom--;
          break;
        }
        call.waiting = false;
        this.#waitingCount--;
        call.start(connection);
      }
    }
    if (this.#waitingCount === 0 || this.#waitingFrom > 1000) {
      this.#waiting.splice(0, this.#waitingCount === 0 ? this.#waiting.length : this.#waitingFrom);
      this.#waitingFrom = 0;
    }
    this.#connect();
  }

  /** Opens as many connections as those that wait need. */
  #connect(): void {
    const { maxConnections = 16, maxConnecting = 2 } = this.#options;
    let connecting = this.#connections.filter(connection => connection.connecting).length;
    while (
      this.#waitingCount > connecting * this.#expected &&
      connecting < maxConnecting &&
      this.#connections.length < maxConnections &&
      !this.#closed &&
      this.clock.monotonicMs() >= this.#notBeforeMs
    ) {
      connecting++;
      const connection = new Http2Connection(this.#options, {
        onRoom: () => {
          this.#expected = Math.max(1, connection.capacity);
          this.#pump();
        },
        onClosed: error => this.#lost(connection, error),
      });
      this.#connections.push(connection);
    }
  }

  #lost(connection: Http2Connection, error: Error | null): void {
    this.#connections.splice(this.#connections.indexOf(connection), 1);
    if (this.#closed) {
      if (this.#connections.length === 0) this.#onAllClosed?.();
      return;
    }
    if (error !== null && !connection.opened) {
      // It never opened. While other connections work or are tried, whoever waits waits for them.
      if (this.#connections.length > 0) this.#notBeforeMs = this.clock.monotonicMs() + RECONNECT_MS;
      else this.#failWaiting(error);
    }
    this.#pump();
  }

  #failWaiting(error: Error): void {
    const failed = this.#waiting.splice(0).filter(call => call.waiting);
    this.#waitingFrom = 0;
    for (const call of failed) call.finish(brokenBy(error));
  }

  #arm(): void {
    if (this.#tick !== null || this.#closed) return;
    if (this.#connections.length === 0 && this.#active.length === 0) return;
    this.#tick = this.timers.set(this.#options.tickMs ?? 250, this.#onTick);
  }

  readonly #onTick = (): void => {
    this.#tick = null;
    const now = this.clock.monotonicMs();
    // Backwards, because a call that ends gives its place to the last one, which has been looked at.
    for (let i = this.#active.length - 1; i >= 0; i--) this.#active[i]?.sweep(now);
    for (const connection of [...this.#connections]) connection.sweep(now);
    if (this.#waitingCount > 0) this.#connect();
    this.#arm();
  };
}
