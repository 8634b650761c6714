/**
 * One attempt over a body that is still arriving: bytes go in as they come, frames come out as user code goes on.
 * HTTP/2 streams and HTTP/1.1 bodies are alike to it; the adapters bring the bytes and take the frames.
 *
 * Invariants:
 * - In request/response mode user code starts when the input has ended: there is nobody to tell what it waits for.
 * - What was written goes out once a turn, and at once when the attempt is over. A run whose closure is short is
 *   therefore one chunk with its result, which for the server is one write to its log.
 * - A sink that is full gets nothing until `drained`. Whoever feeds stops reading meanwhile, so user code waits for
 *   its results and writes no more: what is held is what it can write without waiting for anything.
 * - `end` is called once, and nothing after it. After `abort` nothing is called.
 * - At most REQUEST_BYTES_MAX are taken in: the journal of an attempt is in memory until its end.
 */
import { FrameDecoder, ProtocolError } from '@holdfast/protocol';
import type { Attempt, Defer } from './attempt.ts';
import type { Opened } from './http.ts';
import {
  type AttemptRequest,
  attemptOf,
  drainMicrotasks,
  machineOf,
  startHandler,
  undecodable,
} from './invocation.ts';
import { REQUEST_BYTES_MAX } from './limits.ts';
import type { Machine } from './machine/machine.ts';

/** Where the frames of an attempt go. */
export interface AttemptSink {
  /** False: it is full, `drained` will be called. */
  write(frames: Uint8Array): boolean;
  /** The attempt is over; `frames` are its last ones and may be none. */
  end(frames: Uint8Array): void;
}

export interface StreamedInvocation extends Omit<AttemptRequest, 'body'> {
  /** Calls back at the end of the turn. Absent: request/response, user code starts at the end of the input. */
  readonly atEndOfTurn?: Defer;
}

const ABORTED = 499;
const PAYLOAD_TOO_LARGE = 413;

export class StreamedAttempt {
  readonly #machine: Machine;
  readonly #decoder = new FrameDecoder();
  readonly #opened: Opened;
  readonly #invocation: StreamedInvocation;
  readonly #sink: AttemptSink;
  #attempt: Attempt | undefined;
  #bytesTaken = 0;
  #flushScheduled = false;
  #sinkIsFull = false;
  #ended = false;

  constructor(opened: Opened, invocation: StreamedInvocation, sink: AttemptSink) {
    this.#opened = opened;
    this.#invocation = invocation;
    this.#sink = sink;
    this.#machine = machineOf(opened.service, opened.handler, opened.version);
  }

  /** User code runs, or has. */
  get started(): boolean {
    return this.#attempt !== undefined;
  }
  /** Nothing more is written. */
  get ended(): boolean {
    return this.#ended;
  }

  get #isLive(): boolean {
    return this.#invocation.atEndOfTurn !== undefined;
  }

  /** More of the body. The attempt keeps `chunk`. */
  push(chunk: Uint8Array): void {
    if (this.#machine.over) return;
    this.#bytesTaken += chunk.length;
    if (this.#bytesTaken > REQUEST_BYTES_MAX) {
      this.#fail(
        PAYLOAD_TOO_LARGE,
        `The journal has more than ${REQUEST_BYTES_MAX} bytes, which is as much as one attempt takes. Store large values elsewhere and pass references; see docs/errors/HF_SDK_TOO_LARGE.md.`,
      );
      return;
    }
    this.#feed(() => {
      const frames = this.#decoder.push(chunk);
      if (this.#attempt !== undefined) this.#attempt.notify(frames);
      else if (frames.length > 0) {
        this.#machine.notify(frames);
        if (this.#machine.over) this.#end();
        else if (this.#isLive && this.#machine.ready) this.#start();
      }
    });
  }

  /** The body has ended in order. */
  inputClosed(): void {
    if (this.#machine.over) return;
    this.#feed(() => {
      this.#decoder.end();
      if (this.#attempt !== undefined) this.#attempt.inputClosed();
      else {
        this.#machine.inputClosed();
        if (this.#machine.ready) this.#start();
        else this.#end();
      }
    });
  }

  /** The peer is gone. User code learns it from the signal, and gets no further than its next wait. */
  abort(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#fail(ABORTED, 'The request was aborted.');
  }

  /** The sink has room again. */
  drained(): void {
    this.#sinkIsFull = false;
    this.#scheduleFlush();
  }

  /** What does not decode ends the attempt: the head of the response may be out already. */
  #feed(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      undecodable(this.#machine, error);
      this.#lookAgain();
    }
  }

  #fail(code: number, message: string): void {
    this.#machine.fail({ code, message });
    this.#lookAgain();
  }

  /** The machine is over. */
  #lookAgain(): void {
    if (this.#attempt !== undefined) this.#attempt.notify([]);
    else this.#end();
  }

  #start(): void {
    const { service, handler } = this.#opened;
    const defer = this.#invocation.defer ?? drainMicrotasks;
    const attempt = attemptOf(this.#machine, handler, this.#invocation.now, callback =>
      defer(() => {
        callback();
        if (attempt.over) this.#end();
        else this.#scheduleFlush();
      }),
    );
    this.#attempt = attempt;
    startHandler(attempt, service, handler, this.#invocation);
  }

  #scheduleFlush(): void {
    const { atEndOfTurn } = this.#invocation;
    if (atEndOfTurn === undefined || this.#flushScheduled || this.#ended) return;
    this.#flushScheduled = true;
    atEndOfTurn(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushScheduled = false;
    if (this.#ended || this.#sinkIsFull) return;
    const frames = this.#machine.takeOutput();
    if (frames.length > 0 && !this.#sink.write(frames)) this.#sinkIsFull = true;
  };

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#sink.end(this.#machine.takeOutput());
  }
}
