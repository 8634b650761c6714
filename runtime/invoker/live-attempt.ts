/**
 * An attempt over a bidirectional stream: what the handler writes is recorded part by part while it runs, and what
 * its journal gets meanwhile is pushed to it. It ends as every attempt does, with one terminator.
 *
 * Invariants: one part is proposed at a time, in the order of the stream, and the next one only when it is applied, so
 * a part is checked against everything before it; a notification is pushed once, in the order of the journal, and
 * none that the attempt was started with; where the handler keeps the result of a run, an acknowledgement takes its
 * place. The handler is taken to have seen what was pushed before its input was closed, and only once it was: what
 * it wrote before that may have crossed with what was pushed. What is held is bounded in both directions.
 *
 * A silence of the inactivity timeout closes the input, upon which the handler suspends; a silence of the abort timeout
 * after that fails the attempt.
 */
import { type Frame, FrameDecoder, FrameWriter } from '@holdfast/protocol';
import type { Entry } from '../core/model.ts';
import type { Answer, IdSource } from '../format/answer.ts';
import { writeEntry } from '../format/entries.ts';
import type { Clock, TimerHandle, Timers } from '../platform/ports.ts';
import {
  type AttemptRequest,
  type EndedAttempt,
  type FailedAttempt,
  readFrames,
  refusedBy,
} from './attempt.ts';
import type { HeaderMap } from './envelope.ts';
import type { HandlerRequest, Stream, StreamEvents, TransportFailure } from './transport.ts';

export interface LiveHost {
  /** Records a part. `done` says whether the attempt still counts. */
  part(answer: Answer, done: (goesOn: boolean) => void): void;
  /** The attempt is over; `seenEntries` as in the record. Called once, unless it is aborted. */
  ended(outcome: EndedAttempt, seenEntries: number): void;
}

export interface LiveAttemptOptions {
  readonly open: (request: HandlerRequest, events: StreamEvents) => Stream;
  readonly request: AttemptRequest;
  readonly protocolVersion: number;
  readonly ids: IdSource;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly inactivityTimeoutMs: number;
  readonly abortTimeoutMs: number;
  readonly host: LiveHost;
}

/** Of an answer that was refused; its text says why. */
const REFUSAL_BYTES_MAX = 64 * 1024;
/** Frames that wait for the part before them; beyond, the handler is not read from. */
const WAITING_BYTES_MAX = 4 * 2 ** 20;
/** Pushed and not taken by a handler that does not read; beyond, it is given up. */
const UNTAKEN_BYTES_MAX = 32 * 2 ** 20;
/** While a part is being recorded its time does not count. */
const TICK_MS_MIN = 10;
/** A handler that has said its last word may take so long to close its side. */
const CLOSING_MS = 5_000;

export class LiveAttempt {
  readonly #options: LiveAttemptOptions;
  readonly #stream: Stream;
  readonly #decoder = new FrameDecoder();
  #head: { readonly status: number; readonly headers: HeaderMap } | undefined;
  /** Set when the head is not that of an answer. */
  #refusal: Uint8Array[] | undefined;
  #waiting: Frame[] = [];
  #waitingBytes = 0;
  #isPaused = false;
  #isRecording = false;
  /** How the stream ended. */
  #streamEnd: { readonly kind: 'ended' } | TransportFailure | undefined;
  #over = false;
  /** Journal entries that the handler has been sent, or has written itself. */
  #sent: number;
  /** `#sent` when the input was closed. */
  #sentAtClose: number | undefined;
  readonly #acks = new Set<number>();
  #isBlocked = false;
  #untakenBytes = 0;
  #activeAtMs: number;
  #timer: TimerHandle | undefined;

  constructor(options: LiveAttemptOptions) {
    this.#options = options;
    this.#sent = options.request.seenEntries;
    this.#activeAtMs = options.clock.monotonicMs();
    this.#stream = options.open(options.request.request, {
      onHead: (status, headers) => this.#onHead(status, headers),
      onData: chunk => this.#onData(chunk),
      onEnd: end => this.#onEnd(end),
      onDrain: () => {
        this.#isBlocked = false;
        this.#untakenBytes = 0;
      },
    });
    this.#watch();
  }

  /** The journal has got these entries, `first` being the index of the first. */
  journaled(first: number, entries: readonly Entry[]): void {
    // What it was started with came along with the request.
    if (this.#over || first + entries.length <= this.#sent) return;
    this.#sent = first + entries.length;
    if (this.#sentAtClose !== undefined) return;
    const frames = new FrameWriter();
    let pushed = 0;
    for (const entry of entries) {
      if (entry.kind === 'input' || entry.kind === 'command') continue;
      pushed += 1;
      if (entry.kind === 'completion' && entry.of === 'run' && this.#acks.delete(entry.completionId)) {
        frames.frame('ProposeRunCompletionAck', { completionId: entry.completionId });
      } else writeEntry(frames, entry);
    }
    if (pushed > 0) this.#push(frames.finish());
  }

  /** Closes the input: the handler suspends as soon as it has to wait. */
  closeInput(): void {
    if (this.#over || this.#sentAtClose !== undefined) return;
    this.#sentAtClose = this.#sent;
    this.#stream.end();
    // Another timeout holds from here.
    this.#active();
    this.#clearTimer();
    this.#watch();
  }

  get isInputClosed(): boolean {
    return this.#sentAtClose !== undefined;
  }

  get #seenEntries(): number {
    return this.#sentAtClose ?? this.#options.request.seenEntries;
  }

  abort(): void {
    this.#release();
    this.#stream.abort();
  }

  #push(bytes: Uint8Array): void {
    this.#active();
    if (this.#isBlocked) this.#untakenBytes += bytes.length;
    if (this.#untakenBytes > UNTAKEN_BYTES_MAX) {
      this.#fail({ code: 'RT0010', message: 'the handler does not read what it is sent' });
      return;
    }
    if (!this.#stream.write(bytes)) this.#isBlocked = true;
  }

  // ---- what the handler sends

  #onHead(status: number, headers: HeaderMap): void {
    this.#active();
    this.#head = { status, headers };
    const head = { status, headers, body: EMPTY };
    const { protocolVersion, clock } = this.#options;
    if (refusedBy(head, protocolVersion, clock.now()) !== undefined) this.#refusal = [];
  }

  #onData(chunk: Uint8Array): void {
    this.#active();
    if (this.#over) return;
    if (this.#refusal !== undefined) {
      const bytes = this.#refusal.reduce((sum, { length }) => sum + length, chunk.length);
      if (bytes <= REFUSAL_BYTES_MAX) this.#refusal.push(chunk);
      else this.#refused();
      return;
    }
    this.#waitingBytes += chunk.length;
    const read = readFrames(() => this.#decode(chunk), this.#options.ids, this.#options.protocolVersion);
    if (read.kind === 'failed') this.#finish(read);
    else this.#flush();
    if (this.#isRecording && this.#waitingBytes > WAITING_BYTES_MAX && !this.#isPaused && !this.#over) {
      this.#isPaused = true;
      this.#stream.pause();
    }
  }

  /** Takes the frames of a chunk; none of them is read before its turn has come. */
  #decode(chunk: Uint8Array): readonly Frame[] {
    for (const frame of this.#decoder.push(chunk)) this.#waiting.push(frame);
    return NONE;
  }

  /** Records what has come, unless the part before it is under way; that calls again. */
  #flush(): void {
    if (this.#over || this.#isRecording) return;
    if (this.#waiting.length === 0) {
      if (this.#streamEnd !== undefined) this.#brokeOff(this.#streamEnd);
      return;
    }
    const frames = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    const read = readFrames(() => frames, this.#options.ids, this.#options.protocolVersion);
    if (read.kind === 'failed' || read.answer.end.kind !== 'missing') {
      this.#finish(read);
      return;
    }
    for (const id of read.answer.acks) this.#acks.add(id);
    if (read.answer.ops.length > 0) this.#record(read.answer);
    else this.#flush();
  }

  #record(answer: Answer): void {
    this.#isRecording = true;
    this.#options.host.part(answer, goesOn => {
      this.#isRecording = false;
      if (this.#over) return;
      if (!goesOn) {
        this.abort();
        return;
      }
      this.#active();
      if (this.#isPaused) {
        this.#isPaused = false;
        this.#stream.resume();
      }
      this.#flush();
    });
  }

  // ---- the end

  #onEnd(end: { readonly kind: 'ended' } | TransportFailure): void {
    this.#streamEnd = end;
    if (this.#over) {
      this.#clearTimer();
      return;
    }
    if (this.#refusal === undefined) this.#flush();
    else this.#refused();
  }

  #refused(): void {
    if (this.#refusal === undefined || this.#head === undefined) return;
    const response = { ...this.#head, body: Buffer.concat(this.#refusal) };
    const { protocolVersion, clock } = this.#options;
    const refused = refusedBy(response, protocolVersion, clock.now());
    if (refused !== undefined) this.#finish(refused);
  }

  #brokeOff(end: { readonly kind: 'ended' } | TransportFailure): void {
    if (end.kind === 'ended') {
      this.#finish({ kind: 'answered', answer: { ops: [], acks: [], end: { kind: 'missing' } } });
    } else {
      const { retryAfterMs, deterministic } = end;
      this.#fail(end, {
        ...(retryAfterMs === undefined ? {} : { nextRetryDelayMs: retryAfterMs }),
        ...(deterministic === undefined ? {} : { deterministic }),
      });
    }
  }

  #fail({ code, message }: { code: string; message: string }, more: Partial<FailedAttempt> = {}): void {
    this.#finish({ kind: 'failed', failure: { code, status: 500, message }, ...more });
  }

  /** In order, the streams of both sides are closed; otherwise it is cut. */
  #finish(outcome: EndedAttempt): void {
    if (this.#over) return;
    const isInOrder = outcome.kind === 'answered' && outcome.answer.end.kind !== 'missing';
    this.#release();
    if (!isInOrder) this.#stream.abort();
    else {
      if (this.#sentAtClose === undefined) this.#stream.end();
      if (this.#streamEnd === undefined) {
        this.#timer = this.#options.timers.set(CLOSING_MS, () => this.#stream.abort());
      }
    }
    this.#options.host.ended(outcome, this.#seenEntries);
  }

  #release(): void {
    this.#over = true;
    this.#waiting = [];
    this.#clearTimer();
  }

  // ---- silence

  #active(): void {
    this.#activeAtMs = this.#options.clock.monotonicMs();
  }

  /** One timer for the attempt, set anew only when it fires. */
  #watch(): void {
    const { clock, timers, inactivityTimeoutMs, abortTimeoutMs } = this.#options;
    const limitMs = this.isInputClosed ? abortTimeoutMs : inactivityTimeoutMs;
    const leftMs = this.#activeAtMs + limitMs - clock.monotonicMs();
    this.#timer = timers.set(Math.max(leftMs, TICK_MS_MIN), () => {
      const isSilent = clock.monotonicMs() - this.#activeAtMs >= limitMs && !this.#isRecording;
      if (isSilent && this.isInputClosed) {
        this.#fail({
          code: 'RT0001',
          message: `the handler has sent nothing for ${abortTimeoutMs} ms (abort timeout)`,
        });
        return;
      }
      if (isSilent) this.closeInput();
      else this.#watch();
    });
  }

  #clearTimer(): void {
    if (this.#timer !== undefined) this.#options.timers.clear(this.#timer);
    this.#timer = undefined;
  }
}

const EMPTY = new Uint8Array();
const NONE: readonly Frame[] = [];
