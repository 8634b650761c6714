/**
 * A log whose writer runs on the caller's own thread, in a later turn: the body of the memory log, and of the
 * simulator's log over the real format.
 *
 * Invariants: L1, L3. Writing and acknowledging are two turns, so that a crash fits between them. A superseded
 * instance writes nothing more; it may still acknowledge what it wrote before, which its successor has read.
 */

import assert from 'node:assert/strict';
import { CodedError } from '../platform/error.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { failed, fenced } from './errors.ts';
import type { Log, LogOptions, LogRecord, Position } from './log.ts';

/** Runs the callback in a later turn, in the order given. */
export type Defer = (callback: () => void) => void;

/** Where the records go. */
export interface Sink {
  readonly epoch: number;
  readonly durable: Position;
  /** A newer epoch has been opened. */
  readonly isSuperseded: boolean;
  /** Returns when all are durable; throws a `CodedError` when they may not be. */
  write(records: readonly Uint8Array[]): void;
  read(from: Position, through: Position): Iterable<LogRecord>;
  /** Called in turns without records; whether it wants another. */
  idle(): boolean;
  close(): void;
}

export interface DeferredLogOptions extends LogOptions {
  readonly defer: Defer;
}

export class DeferredLog implements Log {
  readonly epoch: number;
  readonly #sink: Sink;
  readonly #options: DeferredLogOptions;
  readonly #acknowledgements: Acknowledgements;
  #durable: Position;
  #queue: Uint8Array[] = [];
  #isScheduled = false;
  #isClosed = false;
  #failure: CodedError | undefined;

  constructor(sink: Sink, options: DeferredLogOptions) {
    this.epoch = sink.epoch;
    this.#sink = sink;
    this.#options = options;
    this.#durable = sink.durable;
    this.#acknowledgements = new Acknowledgements(sink.durable);
    this.#schedule();
  }

  get durable(): Position {
    return this.#durable;
  }

  append(records: readonly Uint8Array[], onDurable: (first: Position) => void): void {
    assert(!this.#isClosed, 'append after close');
    assert(records.length > 0, 'an append without records');
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#sink.isSuperseded) throw fenced(this.epoch);
    for (const record of records) this.#queue.push(record);
    this.#acknowledgements.add(records.length, onDurable);
    this.#schedule();
  }

  read(from: Position): Iterable<LogRecord> {
    return this.#sink.read(from, this.#durable);
  }

  close(): Promise<void> {
    assert(!this.#isClosed, 'closed twice');
    this.#isClosed = true;
    this.#flush();
    // After the turn of the last acknowledgement, and in it: a crash of the disk belongs to the turn.
    return new Promise(resolve => {
      this.#options.defer(() => {
        this.#sink.close();
        resolve();
      });
    });
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#options.defer(() => {
      this.#isScheduled = false;
      if (this.#queue.length > 0) this.#flush();
      else this.#idle();
    });
  }

  #flush(): void {
    if (this.#failure !== undefined || this.#queue.length === 0) return;
    const records = this.#queue;
    this.#queue = [];
    const isWritten = this.#attempt(() => {
      if (this.#sink.isSuperseded) throw fenced(this.epoch);
      this.#sink.write(records);
    });
    if (isWritten) this.#options.defer(() => this.#acknowledge(this.#sink.durable));
  }

  #acknowledge(durable: Position): void {
    if (this.#failure !== undefined) return;
    this.#durable = durable;
    this.#acknowledgements.release(durable);
    if (!this.#isClosed) this.#schedule();
  }

  #idle(): void {
    if (this.#failure !== undefined || this.#isClosed || this.#sink.isSuperseded) return;
    let wantsMore = false;
    this.#attempt(() => {
      wantsMore = this.#sink.idle();
    });
    if (wantsMore) this.#schedule();
  }

  /** Runs `act`; an operating error ends the log, anything else (a simulated crash, a bug) passes. */
  #attempt(act: () => void): boolean {
    try {
      act();
      return true;
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      this.#failure = error.code === 'HF_LOG_FENCED' ? error : failed(error.cause ?? error);
      this.#acknowledgements.drop();
      this.#queue = [];
      this.#options.onFailure(this.#failure);
      return false;
    }
  }
}
