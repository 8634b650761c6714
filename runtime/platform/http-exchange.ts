/**
 * What both HTTP versions share: one request and its answer, from the first header to the last byte.
 *
 * Invariants: the handler runs at most once, and only with a whole body within its bound; an exchange is answered
 * at most once; `onClose` and the answer exclude each other; the bytes of a body are counted in `Intake` until the
 * handler has taken it or the exchange is over; every exchange that is not over is counted in `open`.
 */
import type { HeaderList, HttpAnswer, HttpHandler, HttpReply, HttpRequest } from './http-handler.ts';
import type { Job, TurnBudget } from './turn-budget.ts';

/** Bytes of all bodies that no handler has taken, over all connections: what clients together may occupy. */
export class Intake {
  readonly #bytesMax: number;
  #bytes = 0;
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }
  /** False if there is no room. */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.#bytesMax) return false;
    this.#bytes += bytes;
    return true;
  }
  release(bytes: number): void {
    this.#bytes -= bytes;
  }
  get bytes(): number {
    return this.#bytes;
  }
}

/** What every exchange of a listener shares. */
export interface Exchanges {
  readonly handler: HttpHandler;
  readonly turns: TurnBudget;
  readonly intake: Intake;
  readonly maxHeaders: number;
  readonly maxRequests: number;
  /** How long a client may take no byte of its answer. */
  readonly stalledMs: number;
  /** Exchanges that are not over. */
  open: number;
  /** Of each connection, the exchanges that are not over. */
  readonly connections: Set<ReadonlySet<Exchange>>;
  /** A connection that carried its last answer is closed. */
  closing: boolean;
}

/** 503 at the end of a stop. A caller has to know whether repeating the request could do its work twice. */
const STOPPED_READING = 'the server is stopping, and nothing of it was accepted: repeat the request';
const STOPPED_WAITING =
  'the server is stopping; what was accepted goes on when it is back: attach to the invocation, or repeat the ' +
  'request with the same idempotency key';

const OVERLOADED = 'too many requests are being received or wait for an answer; try again later';
const TOO_MANY_BODIES = 'too many request bodies are being received at once; try again later';

/** What holds a chunk takes about as much as this, so a body in tiny chunks must not count by its bytes alone. */
const CHUNK_BYTES = 512;

const EMPTY = new Uint8Array(0);

export abstract class Exchange implements HttpRequest, HttpReply, Job {
  abstract readonly method: string;
  abstract readonly path: string;
  abstract readonly query: string;
  abstract readonly headers: readonly (readonly [string, string])[];
  protected readonly shared: Exchanges;
  /** `reading` its body, `handed` to the handler or waiting for its turn, `over`: answered or gone. */
  protected phase: 'reading' | 'handed' | 'over' = 'reading';
  #chunks: Uint8Array[] | undefined;
  #read = 0;
  /** What `Intake` counts for it. */
  #charged = 0;
  #body: Uint8Array = EMPTY;
  #closed: (() => void) | undefined;

  constructor(shared: Exchanges) {
    this.shared = shared;
    shared.open += 1;
  }

  get reading(): boolean {
    return this.phase === 'reading';
  }

  takeBody(): Uint8Array {
    const body = this.#body;
    this.#body = EMPTY;
    this.#uncharge();
    return body;
  }

  onClose(listener: () => void): void {
    this.#closed = listener;
  }

  send(status: number, headers: HeaderList, body?: Uint8Array | string): void {
    if (this.phase === 'over') return;
    this.#finish();
    this.write(status, headers, body);
    this.ended();
  }

  /** Answers before the body was whole; what still arrives of it is not kept. */
  refuse(status: number, message: string): void {
    if (this.phase === 'over') return;
    this.#finish();
    this.writeRefusal(this.shared.handler.refuse(status, message));
    this.ended();
  }

  /** The server ends before the answer. The handler need not know: it ends too. */
  stopped(): void {
    this.refuse(503, this.reading ? STOPPED_READING : STOPPED_WAITING);
  }

  /** The client has gone. */
  gone(): void {
    if (this.phase === 'over') return;
    this.#finish();
    this.ended();
    this.#closed?.();
  }

  run(): void {
    if (this.phase === 'handed') this.shared.handler.handle(this, this);
  }

  protected abstract write(status: number, headers: HeaderList, body: Uint8Array | string | undefined): void;
  protected abstract writeRefusal(answer: HttpAnswer): void;
  /** Answered or gone; called once. */
  protected abstract ended(): void;

  /** Whether the request may go on to its body; refuses it otherwise. `surplus`: its connection is one too many. */
  protected admit(contentLength: number, surplus: boolean): boolean {
    if (surplus || this.shared.open > this.shared.maxRequests) {
      this.refuse(429, OVERLOADED);
      return false;
    }
    if (this.headers.length > this.shared.maxHeaders) {
      this.refuse(431, `more than ${this.shared.maxHeaders} headers`);
      return false;
    }
    let hosts = 0;
    for (const header of this.headers) if (header[0] === 'host') hosts += 1;
    if (hosts > 1) {
      // Who checks the one and who routes by the other would not mean the same request.
      this.refuse(400, 'the request has more than one host');
      return false;
    }
    if (contentLength > this.shared.handler.bodyBytesMax) {
      this.refuse(413, tooLarge(this.shared.handler.bodyBytesMax));
      return false;
    }
    return true;
  }

  protected append(chunk: Uint8Array): void {
    if (this.phase !== 'reading') return;
    const limit = this.shared.handler.bodyBytesMax;
    if (this.#read + chunk.byteLength > limit) {
      this.refuse(413, tooLarge(limit));
      return;
    }
    const charge = chunk.byteLength + CHUNK_BYTES;
    if (!this.shared.intake.take(charge)) {
      this.refuse(429, TOO_MANY_BODIES);
      return;
    }
    this.#charged += charge;
    this.#read += chunk.byteLength;
    if (this.#chunks === undefined) this.#chunks = [chunk];
    else this.#chunks.push(chunk);
  }

  protected complete(): void {
    if (this.phase !== 'reading') return;
    const chunks = this.#chunks;
    if (chunks !== undefined) {
      this.#body = chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks, this.#read);
      this.#chunks = undefined;
    }
    this.phase = 'handed';
    this.shared.turns.run(this);
  }

  #finish(): void {
    this.phase = 'over';
    this.shared.open -= 1;
    this.#chunks = undefined;
    this.#body = EMPTY;
    this.#uncharge();
  }

  #uncharge(): void {
    if (this.#charged === 0) return;
    this.shared.intake.release(this.#charged);
    this.#charged = 0;
  }
}

function tooLarge(limit: number): string {
  return `the request body is larger than ${limit} bytes`;
}

/** Whether a status carries no body by definition. */
export function isBodyless(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}

/** Splits `path?query`. */
export function splitTarget(target: string): { readonly path: string; readonly query: string } {
  const mark = target.indexOf('?');
  return mark < 0
    ? { path: target, query: '' }
    : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}
