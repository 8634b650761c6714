/**
 * A1: what a handler writes to a stream is recorded in that order, in whole parts, each once. A2: what it is sent
 * meanwhile are the notifications that its journal got since it was started, each once, in order, none left out;
 * an acknowledgement stands for the result that it proposed and that is durable. A3: the record that ends the attempt
 * says that it has seen nothing but what it was sent before its input was closed. A5: the input of one that is to
 * pause, or on whose stream nothing moves, is closed, and then the attempt comes to an end.
 */

import { crc32 } from 'node:zlib';
import {
  decodeFrame,
  type Frame,
  FrameDecoder,
  isCommand,
  MessageType,
  REQUESTED_ACK,
} from '@holdfast/protocol';
import type { CommandOf, Op } from '../../../runtime/core/command.ts';
import type { Entry, Result } from '../../../runtime/core/model.ts';
import type { Report } from '../violation.ts';
import { type Appended, digestOf } from './life-checker.ts';
import { type Life, nameOf } from './lives.ts';
import type { Fact } from './log-checker.ts';
import type { ModelState } from './model-state.ts';

export interface OpenedStream {
  readonly life: Life;
  readonly attempt: number;
  readonly version: number;
  readonly seenEntries: number;
}

/** The longest that any service or operator here sets, and a bit; then an attempt that is over has to close. */
const INACTIVITY_MS = 2000 + 200;
const ENDING_MS = 5000 + 200;
/** What is no fault of the handler: all that it has sent before counts. */
const BREAKS: readonly string[] = ['RT0001', 'RT0010'];

interface Notified {
  readonly index: number;
  readonly digest: number;
  readonly entry: Entry;
}

export class LiveChecker {
  readonly #report: Report;
  readonly #count: (kind: string) => void;
  readonly #notified = new Map<Life, Notified[]>();
  /** Of the newest attempt that was sent. */
  readonly #streams = new Map<Life, LiveStream[]>();
  readonly #nowMs: () => number;

  constructor(report: Report, count: (kind: string) => void, nowMs: () => number) {
    this.#report = report;
    this.#count = count;
    this.#nowMs = nowMs;
  }

  /** Whether its attempt is a live one. */
  isLive(life: Life): boolean {
    return this.#of(life, life.attempt).length > 0 && life.open;
  }

  opened(sent: OpenedStream, isLeading: boolean): LiveStream {
    const notified = () => this.#notified.get(sent.life) ?? [];
    const stream = new LiveStream(this.#report, this.#count, this.#nowMs, sent, notified);
    // What a leader of the past records is refused by the log.
    if (isLeading) this.#streams.set(sent.life, [...this.#of(sent.life, sent.attempt), stream]);
    return stream;
  }

  entry({ life, index, entry }: Appended): void {
    if (entry.kind === 'input' || entry.kind === 'command') return;
    const known = this.#notified.get(life);
    const notified = { index, digest: digestOf(entry), entry };
    if (known === undefined) this.#notified.set(life, [notified]);
    else known.push(notified);
  }

  /** `life`: whom an accepted attempt belongs to; `isRefused`: nothing of it was applied. */
  recorded(life: Life, command: CommandOf<'attempt'>, isRefused: boolean, { position }: Fact): void {
    const streams = this.#of(life, command.attempt);
    if (streams.length === 0) return;
    if (command.end.kind === 'goesOn') this.#count('part');
    // By the partition, or because something has changed since.
    if (isRefused || (command.end.kind === 'failed' && command.end.failure.code === 'RT0017')) {
      this.#count('refusedPart');
      return;
    }
    const what = `record ${position}, attempt ${command.attempt} of ${nameOf(life)}`;
    // More than one, when it was sent again by the next leader.
    const matching = streams.filter(stream => stream.isGarbled || stream.takes(command));
    if (matching.length === 0) {
      this.#report('A1', `${what}, is not the next of what its handler wrote`);
      return;
    }
    if (command.end.kind === 'failed') this.#failed(life, command.end.failure.code, matching, what);
    if (command.end.kind !== 'suspended') return;
    if (!matching.some(stream => stream.isGarbled || stream.hasSeen(command.seenEntries))) {
      this.#report('A3', `${what}, claims to have seen ${command.seenEntries} entries`);
    }
  }

  #failed(life: Life, code: string, streams: readonly LiveStream[], what: string): void {
    // After a crash there may be several; one of them is the one.
    if (streams.some(stream => stream.isGarbled || stream.hasRecordedAll)) return;
    if (BREAKS.includes(code)) this.#report('A1', `${what}, fails with ${code} and leaves out what had come`);
    if (code === 'RT0012' && life.target.service !== 'raw')
      this.#report('A1', `${what}, refuses what was right`);
  }

  /** When the node has nothing to do; all its streams are looked at. */
  watch(model: ModelState, upSinceMs: number): void {
    const nowMs = this.#nowMs();
    for (const [life, streams] of this.#streams) {
      const state = model.get('invocation', life.id)?.state;
      const isPausing = state?.status === 'running' && state.pausing && life.open;
      for (const stream of streams) {
        // Of a node that is gone nobody closes anything.
        if (stream.isOver || stream.openedMs < upSinceMs) continue;
        const what = `the stream of attempt ${stream.attempt} of ${nameOf(life)}`;
        const silentMs = nowMs - stream.activeMs;
        if (!stream.isClosed && stream.attempt === life.attempt && isPausing) {
          this.#report('A5', `${what}, which is to pause, is open`);
        }
        if (silentMs > (stream.isClosed ? ENDING_MS : INACTIVITY_MS)) {
          this.#report(
            'A5',
            `${what} is ${stream.isClosed ? 'there' : 'open'} after ${silentMs} ms of silence`,
          );
        }
      }
    }
  }

  #of(life: Life, attempt: number): readonly LiveStream[] {
    return this.#streams.get(life)?.filter(stream => stream.attempt === attempt) ?? [];
  }
}

/** One stream, as it is opened, written to from both sides, and closed. */
export class LiveStream {
  readonly attempt: number;
  /** What came over it was not what the handler wrote. */
  isGarbled = false;
  readonly #report: Report;
  readonly #count: (kind: string) => void;
  readonly #sent: OpenedStream;
  readonly #notified: () => readonly Notified[];
  readonly #pushed = new FrameDecoder();
  readonly #written = new FrameDecoder();
  /** What the handler wrote, and how much of it is recorded. */
  readonly #elements: string[] = [];
  #recorded = 0;
  /** How much of it has reached the node. */
  #received = 0;
  readonly #arriving = new FrameDecoder();
  readonly openedMs: number;
  activeMs: number;
  isClosed = false;
  /** On the side of the node. */
  isOver = false;
  readonly #nowMs: () => number;
  /** Results that it wants acknowledged, by completion id. */
  readonly #wantsAck = new Map<number, string>();
  /** Of the notifications of the journal, so many came with the start or were pushed. */
  #next: number;
  /** `#next` when the input was closed. */
  #nextAtClose: number | undefined;

  constructor(
    report: Report,
    count: (kind: string) => void,
    nowMs: () => number,
    sent: OpenedStream,
    notified: () => readonly Notified[],
  ) {
    this.attempt = sent.attempt;
    this.#report = report;
    this.#count = count;
    this.#sent = sent;
    this.#nowMs = nowMs;
    this.openedMs = nowMs();
    this.activeMs = this.openedMs;
    this.#notified = notified;
    this.#next = notified().filter(({ index }) => index < sent.seenEntries).length;
  }

  get isAllRecorded(): boolean {
    return this.#recorded === this.#elements.length;
  }

  /** Whole frames that reached the node. */
  get hasRecordedAll(): boolean {
    return this.#recorded >= this.#received;
  }

  /** This reaches the node. */
  received(chunk: Uint8Array): void {
    this.activeMs = this.#nowMs();
    if (this.isGarbled) return;
    for (const frame of this.#arriving.push(chunk)) {
      if (frame.type !== MessageType.AwaitingOn) this.#received += 1;
    }
  }

  inputClosed(): void {
    this.activeMs = this.#nowMs();
    this.isClosed = true;
    this.#nextAtClose ??= this.#next;
    this.#count('halfClose');
  }

  /** The node sends this to the handler. */
  pushed(bytes: Uint8Array): void {
    this.activeMs = this.#nowMs();
    if (this.#nextAtClose !== undefined) this.#fails('is sent something after its input was closed');
    for (const frame of this.#pushed.push(bytes)) this.#push(frame);
  }

  #push(frame: Frame): void {
    const due = this.#notified()[this.#next];
    this.#next += 1;
    if (due === undefined) {
      this.#fails(`is sent 0x${frame.type.toString(16)}, and all of its notifications were sent`);
      return;
    }
    const { entry, index, digest } = due;
    if (frame.type !== MessageType.ProposeRunCompletionAck) {
      this.#count('push');
      if (digest !== crc32(frame.bytes)) this.#fails(`is not sent entry ${index}, which is next`);
      return;
    }
    this.#count('ack');
    const decoded = decodeFrame(frame);
    const id = decoded.name === 'ProposeRunCompletionAck' ? decoded.message.completionId : 0;
    const wanted = this.#wantsAck.get(id);
    this.#wantsAck.delete(id);
    const isIt = entry.kind === 'completion' && entry.of === 'run' && entry.completionId === id;
    if (this.isGarbled) return;
    if (!isIt) this.#fails(`is sent an acknowledgement of ${id}, entry ${index} is next`);
    else if (this.#sent.version < 7 || wanted !== resultText(entry.result as Result)) {
      this.#fails(`is sent an acknowledgement of ${id}, of which it proposed '${wanted}'`);
    }
  }

  /** The handler writes this. */
  wrote(bytes: Uint8Array): void {
    for (const frame of this.#written.push(bytes)) {
      const decoded = decodeFrame(frame);
      if (decoded.name === 'AwaitingOn') continue;
      if (decoded.name === 'ProposeRunCompletion') {
        const { resultCompletionId: id, value, failure } = decoded.message;
        const text = value === undefined ? `failure ${failure?.message}` : `value ${crc32(value)}`;
        if ((frame.flags & REQUESTED_ACK) !== 0) this.#wantsAck.set(id, text);
        this.#elements.push(`run ${id} ${text}`);
      } else this.#elements.push(isCommand(frame.type) ? `command ${crc32(frame.bytes)}` : decoded.name);
    }
  }

  /** Whether the record is the next of it; then that is recorded. */
  takes({ ops, end }: CommandOf<'attempt'>): boolean {
    const expected = ops.map(elementOf);
    if (end.kind === 'completed') expected.push('End');
    else if (end.kind === 'suspended') expected.push('Suspension');
    const from = this.#recorded;
    if (expected.some((element, index) => this.#elements[from + index] !== element)) return false;
    this.#recorded += expected.length;
    if (end.kind === 'failed' && this.#elements[this.#recorded] === 'Error') this.#recorded += 1;
    return true;
  }

  hasSeen(entries: number): boolean {
    const first = this.#notified()[this.#nextAtClose ?? this.#startedWith];
    return first === undefined || first.index >= entries;
  }

  get #startedWith(): number {
    return this.#notified().filter(({ index }) => index < this.#sent.seenEntries).length;
  }

  #fails(what: string): void {
    this.#report('A2', `attempt ${this.attempt} of ${nameOf(this.#sent.life)} ${what}`);
  }
}

const resultText = (result: Result): string =>
  result.kind === 'success' ? `value ${crc32(result.value)}` : `failure ${result.failure.message}`;

const elementOf = (op: Op): string =>
  op.op === 'runCompletion'
    ? `run ${op.completionId} ${resultText(op.result)}`
    : `command ${crc32(op.frame)}`;
