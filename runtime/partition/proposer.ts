/**
 * From a command to an applied record: stamp, encode, append, wait until it is durable, apply, answer. What is
 * proposed while the log is busy is appended together (group commit). P1: nothing is applied, answered or dispatched
 * before it is durable, and effects are dispatched in log order.
 */
import { type Applied, apply } from '../core/apply.ts';
import type { Command, CommandRecord } from '../core/command.ts';
import type { Effect, Outcome } from '../core/effect.ts';
import { encodeRecord } from '../format/record.ts';
import type { Log, Position } from '../log/log.ts';
import type { Clock, Timers } from '../platform/ports.ts';
import type { State } from './state.ts';

export type Done = (outcome: Outcome, at: number) => void;

interface Proposal {
  readonly command: Command;
  readonly done: Done | undefined;
}
interface Appended {
  readonly record: CommandRecord;
  readonly done: Done | undefined;
  readonly position: Position;
  readonly bytes: number;
}

export interface ProposerOptions {
  readonly log: Log;
  readonly state: State;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly dispatch: (effect: Effect) => void;
  /** After records have been applied in this turn. */
  readonly onApplied: () => void;
}

/** One being written, and one that the writer finds when it has. */
const APPENDS_AT_ONCE = 2;
/** Records applied per turn of the event loop, about a millisecond's worth. */
const APPLY_SLICE = 128;

export class Proposer {
  private readonly options: ProposerOptions;
  private waiting: Proposal[] = [];
  /** Records under way to the log, and the batches they make up. */
  private appending = 0;
  private appends = 0;
  private scheduled = false;
  private durable: Appended[] = [];
  private next = 0;
  private applying = false;
  private stopped = false;
  private onIdle: (() => void)[] = [];
  /** The position and time that the state reflects. */
  position: Position;
  /** Of all records applied since the start, as the log has them. */
  appliedBytes = 0;
  private appliedAt: number;

  constructor(options: ProposerOptions, position: Position, at: number) {
    this.options = options;
    this.position = position;
    this.appliedAt = at;
  }

  get applied(): { readonly position: Position; readonly at: number } {
    return { position: this.position, at: this.appliedAt };
  }

  /** Commands that are not applied yet. */
  get backlog(): number {
    return this.waiting.length + this.appending + this.durable.length - this.next;
  }

  /** `done` runs in the turn that applies the record, before the record's effects. */
  propose(command: Command, done?: Done): void {
    if (this.stopped) return;
    this.waiting.push({ command, done });
    this.scheduleAppend();
  }

  /** Resolves once everything that was proposed is applied, or nothing will be any more. */
  idle(): Promise<void> {
    if (this.stopped || this.backlog === 0) return Promise.resolve();
    return new Promise(resolve => this.onIdle.push(resolve));
  }

  /** Nothing more is appended, applied or answered. */
  stop(): void {
    this.stopped = true;
    this.waiting = [];
    this.durable = [];
    this.next = 0;
    this.tellIdle();
  }

  private tellIdle(): void {
    const waiting = this.onIdle;
    this.onIdle = [];
    for (const resolve of waiting) resolve();
  }

  /**
   * At the end of the turn, so that what the turn's sockets bring is one write of the log and not one for the first
   * and another for the rest; while the log is busy, what comes gathers and follows as one batch.
   */
  private scheduleAppend(): void {
    if (this.scheduled || this.waiting.length === 0 || this.appends === APPENDS_AT_ONCE) return;
    this.scheduled = true;
    this.options.timers.soon(() => this.append());
  }

  private append(): void {
    this.scheduled = false;
    if (this.stopped) return;
    const proposals = this.waiting;
    this.waiting = [];
    // The wall clock as it is, even set back: a time held at its highest would end every sleep that is shorter than
    // the jump at once (W1), and put off every retry by the jump. Order is the position's business.
    const at = this.options.clock.now();
    const records = proposals.map(({ command }) => ({ at, command }));
    this.appending += records.length;
    this.appends += 1;
    const encoded = records.map(encodeRecord);
    const sizes = encoded.map(({ length }) => length);
    this.options.log.append(encoded, first => {
      if (this.stopped) return;
      this.appending -= records.length;
      this.appends -= 1;
      for (const [offset, record] of records.entries()) {
        const done = proposals[offset]?.done;
        this.durable.push({ record, done, position: first + offset, bytes: sizes[offset] ?? 0 });
      }
      if (!this.applying) this.applySlice();
      this.scheduleAppend();
    });
  }

  private applySlice(): void {
    if (this.stopped) return;
    this.applying = true;
    const until = Math.min(this.next + APPLY_SLICE, this.durable.length);
    while (this.next < until) {
      this.apply(this.durable[this.next++] as Appended);
      if (this.stopped) return;
    }
    this.applying = this.next < this.durable.length;
    if (this.applying) this.options.timers.soon(() => this.applySlice());
    else {
      this.durable = [];
      this.next = 0;
    }
    this.options.onApplied();
    if (this.backlog === 0) this.tellIdle();
  }

  private apply({ record, done, position, bytes }: Appended): void {
    this.appliedBytes += bytes;
    const { effects, outcome } = this.fold(record, position);
    done?.(outcome, record.at);
    for (const effect of effects) this.options.dispatch(effect);
  }

  /** Applies one durable record to the state; recovery uses it without answering or dispatching. */
  fold(record: CommandRecord, position: Position): Applied {
    if (position !== this.position + 1) {
      throw new Error(`assertion failed: record ${position} follows ${this.position}`);
    }
    const applied = apply(this.options.state, record);
    this.options.state.commit(applied.writes);
    this.position = position;
    this.appliedAt = record.at;
    return applied;
  }
}
