/**
 * The replay machine: journal in, response frames out. It has no I/O, no clock, no timers and no promises; the
 * host (`attempt.ts`) calls it, and a transport feeds it with `notify` and `inputClosed`. Request/response
 * transports deliver everything before user code starts, a live channel goes on while it runs.
 *
 * Invariants:
 * - Every command is either the next recorded one, which it must match, or is written to the output; never both.
 * - Completion ids and awakeable signals are allocated in program order and depend on nothing else.
 * - Notifications leave the queue one at a time, in the order in which they came, through `pop` alone. Results of
 *   batched runs are settled before their turn; in the queue they are then repetitions, which change nothing.
 * - Exactly one of End, Suspension and Error is written, and nothing after it. End follows an Output.
 */
import {
  AwaitingOnMessage,
  type Encodable,
  EndMessage,
  ErrorMessage,
  FIRST_AWAKEABLE_SIGNAL,
  type Fields,
  type Frame,
  InputCommand,
  isCommand,
  isNotification,
  type Message,
  type MessageSpec,
  OutputCommand,
  ProposeRunCompletionAckMessage,
  ProposeRunCompletionMessage,
  REQUESTED_ACK,
  readMessage,
  SendSignalCommand,
  SignalNotification,
  SpecFrameWriter,
  StartMessage,
  SuspensionMessage,
  scratchFrame,
  type WireFailure,
  type WireNotification,
} from '@holdfast/protocol';
import { withPage } from '../coded-error.ts';
import { type FutureNode, flatFuture, wireFuture } from '../future.ts';
import type { JournalValueCodec } from '../value-codec.ts';
import { COMMANDS, type CommandInput, type Commands } from './commands.ts';
import { firstDifference } from './compare.ts';
import {
  type AttemptFailure,
  BEHAVIORS,
  type CommandRef,
  JOURNAL_MISMATCH,
  type OnFailure,
  PROTOCOL_VIOLATION,
  USER_ERROR,
} from './failure.ts';
import { type Departure, describeMismatch } from './mismatch.ts';

/** A completion as its id, a numbered signal as its negative, a named signal as its name. */
export type NotificationId = number | string;

export type Outcome =
  | { readonly value: Uint8Array; readonly failure?: never }
  | { readonly failure: WireFailure; readonly value?: never };

export type Recorded = Pick<Frame, 'type' | 'payload'>;

type Comparison = Pick<JournalValueCodec, 'comparable'>;

/** Fields with values of user code. */
const PAYLOADS = ['value', 'parameter', 'completionValue'];
/** In the order of allocation. */
const COMPLETION_FIELDS = ['invocationIdNotificationIdx', 'resultCompletionId'];

export class Machine {
  readonly version: number;
  /** The announced journal is complete: user code may start. All that is public is changed here only. */
  ready = false;
  over = false;
  isInputClosed = false;
  /** There once the machine is ready; so is the input. */
  start!: Message<'Start'>;
  input!: Message<'InputCommand'>;
  #entriesSeen = 0;

  /** Recorded commands without Input. */
  readonly #recorded: Recorded[] = [];
  #commandsIssued = 0;
  lastCommand: CommandRef | undefined;
  /** What the attempt has failed with. */
  failure: AttemptFailure | undefined;
  /** The frames of the user code that issues a command, for when it departs from the journal. */
  framesOfUser = (): string => '';

  readonly #queue: WireNotification[] = [];
  #queueHead = 0;
  /** The first of each. */
  readonly #received = new Map<NotificationId, WireNotification>();

  #lastCompletion = 0;
  #lastSignal = FIRST_AWAKEABLE_SIGNAL - 1;
  readonly #out = new SpecFrameWriter();
  readonly #commands: Commands;
  readonly #onMismatch: OnFailure;
  readonly #codec: Comparison | undefined;
  readonly #isV7: boolean;
  /** Results of runs that are not stored yet. */
  readonly #proposed = new Map<NotificationId, Outcome>();
  /** What the server knows of what is awaited. */
  #awaitingOn = '';

  /** `onMismatch`: what becomes of an invocation whose code departs from its journal. */
  constructor(version: number, commands = COMMANDS, onMismatch: OnFailure = 'retry', codec?: Comparison) {
    this.#codec = codec;
    this.version = version;
    this.#commands = commands;
    this.#onMismatch = onMismatch;
    this.#isV7 = version >= 7;
  }

  // ---- input

  notify(frames: readonly Frame[]): void {
    for (const frame of frames) {
      if (this.over) return;
      this.#accept(frame);
    }
  }

  inputClosed(): void {
    this.isInputClosed = true;
    if (!this.ready) {
      this.#violation(EndMessage.type);
    }
  }

  #accept(frame: Frame): void {
    const { type, payload } = frame;
    if (!this.start) {
      if (type === StartMessage.type) this.start = readMessage(StartMessage, payload);
      if (!this.start?.knownEntries) this.#violation(type);
      return;
    }
    if (type === ProposeRunCompletionAckMessage.type) {
      // It takes the place of the notification, the value of which is here already.
      const { completionId } = readMessage(ProposeRunCompletionAckMessage, payload);
      const outcome = this.#proposed.get(completionId);
      if (this.#isV7 && outcome) this.#enqueue({ completionId, ...outcome });
      else this.#violation(type);
      return;
    }
    if (this.#entriesSeen === 0) {
      if (type === InputCommand.type) this.input = readMessage(InputCommand, payload);
      else this.#violation(type);
    } else if (isNotification(type)) {
      // One template fits every notification type.
      const notification = readMessage(SignalNotification, payload);
      // Of every group of members at most one is set, so what is there besides the id is the result.
      if (idOf(notification) !== undefined && Object.keys(notification).length > 1)
        this.#enqueue(notification);
      else this.#violation(type);
    } else if (isCommand(type) && !this.ready) this.#recorded.push({ type, payload });
    else this.#violation(type);
    this.#entriesSeen++;
    if (this.#entriesSeen === this.start.knownEntries) this.ready = !this.over;
  }

  #enqueue(notification: WireNotification): void {
    const id = idOf(notification);
    this.#proposed.delete(id);
    if (!this.#received.has(id)) this.#received.set(id, notification);
    this.#queue.push(notification);
  }

  /** The frame of this type is not what comes next. */
  #violation(type: number): void {
    const message = `Protocol violation: 0x${type.toString(16)} after ${this.#entriesSeen} entries.`;
    this.fail({ code: PROTOCOL_VIOLATION, message: withPage(message, 'HF_SDK_PROTOCOL') });
  }

  // ---- state

  /** Recorded commands are still to come. */
  get replaying(): boolean {
    return this.#commandsIssued < this.#recorded.length;
  }
  /** The recorded command that comes next. */
  get nextRecorded(): Recorded | undefined {
    return this.#recorded[this.#commandsIssued];
  }
  /** Index of the last recorded command; Input is 0. */
  get lastRecordedIndex(): number {
    return this.#recorded.length;
  }

  // ---- commands

  /**
   * Replays or writes a command. Returns the first completion id that it was given, if it has any: a call takes two, the
   * callee's invocation id before the result. After a mismatch, or once the attempt is over, the ids still advance so
   * that callers need not care.
   *
   * `ignored` are the fields that replay does not compare: absolute times differ between attempts by nature, and the
   * answer of an eager read is what the record says it was.
   */
  command<F extends Fields>(
    spec: MessageSpec<F>,
    input: CommandInput<F>,
    ignored: readonly string[] = [],
  ): number {
    const { type } = spec;
    const fields = input as Record<string, unknown>;
    const firstId = this.#lastCompletion + 1;
    for (const field of COMPLETION_FIELDS) if (field in spec.fields) fields[field] = ++this.#lastCompletion;
    if (!this.ready) return firstId;
    const recorded = this.#recorded[this.#commandsIssued++];
    // The name of a signal is not one of the entry.
    const { name } = type === SendSignalCommand.type ? {} : fields;
    this.lastCommand = {
      relatedCommandIndex: this.#commandsIssued,
      relatedCommandType: type,
      relatedCommandName: (typeof name === 'string' && name) || undefined,
    };
    try {
      if (recorded) this.#match(recorded, spec, ignored, fields);
      else this.#out.write(spec, fields as Encodable<F>);
    } catch (error) {
      // A command that does not encode ends the attempt. Thrown into user code it could be caught, and the numbers of the
      // commands after it would no longer be those of the journal.
      const { message, stack: stacktrace } = error as Error;
      this.fail({ code: USER_ERROR, message, stacktrace, relatedCommand: this.lastCommand });
    }
    return firstId;
  }

  /** A completion id that no field has. */
  skipCompletion(): void {
    this.#lastCompletion++;
  }

  #match(
    recorded: Recorded,
    spec: MessageSpec<Fields>,
    ignored: readonly string[],
    message: Record<string, unknown>,
  ): void {
    let field: string | undefined = 'type';
    if (recorded.type === spec.type) {
      const issued = { ...message };
      const codec = this.#codec;
      if (codec || ignored.length > 0) {
        const before: Readonly<Record<string, unknown>> = readMessage(spec, recorded.payload);
        for (const each of ignored) issued[each] = before[each];
        for (const each of codec ? PAYLOADS : []) {
          const [was, is] = [before[each], issued[each]] as Uint8Array[];
          if (was && is && was !== is && !codec?.comparable?.(was, is)) issued[each] = was;
        }
      }
      field = firstDifference(spec, recorded.payload, issued);
    }
    if (field) this.#mismatch(this.#commandsIssued, { field, spec, message }, this.framesOfUser());
  }

  #mismatch(index: number, does: Departure, frames: string): void {
    const code = JOURNAL_MISMATCH;
    const message = describeMismatch(this.#commands, this.#recorded, index, does, frames);
    if (this.#isV7 || this.#onMismatch !== 'fail') {
      const relatedCommand = this.lastCommand;
      this.fail({ code, message, stacktrace: frames, relatedCommand, behavior: this.#onMismatch });
      return;
    }
    this.failure = { code, message };
    // Nothing was written yet: until its journal is used up, an attempt neither issues commands nor executes runs.
    this.#out.write(OutputCommand, { failure: { code, message, metadata: [] } });
    this.#end();
  }

  /** A fresh signal number for an awakeable; creation leaves no trace in the journal. */
  nextSignal(): number {
    return ++this.#lastSignal;
  }

  // ---- notifications

  /** Hands over the oldest waiting notification. */
  pop(): WireNotification | undefined {
    return this.#queue[this.#queueHead] && this.#queue[this.#queueHead++];
  }

  /** What the journal has for `id`, popped or not. */
  received(id: NotificationId): WireNotification | undefined {
    return this.#received.get(id);
  }

  /** The result of a run that this attempt has executed, until it is stored. */
  proposed(id: number): Outcome | undefined {
    return this.#proposed.get(id);
  }

  // ---- output

  propose(completionId: number, outcome: Outcome): void {
    if (!this.ready) return;
    const flags = this.#isV7 ? REQUESTED_ACK : 0;
    this.#out.write(ProposeRunCompletionMessage, { resultCompletionId: completionId, ...outcome }, flags);
    // A copy, as what was written is: user code may use its buffer again.
    this.#proposed.set(completionId, outcome.value ? { value: new Uint8Array(outcome.value) } : outcome);
  }

  /** Ends the attempt: the result of the invocation. */
  output(outcome: Outcome): void {
    this.command(OutputCommand, outcome);
    // The Output may have differed from a recorded one, and then the attempt has failed already.
    if (!this.ready) return;
    if (this.replaying) this.unreachedCommands();
    else this.#end();
  }

  #end(): void {
    this.#writeLast(EndMessage, {});
  }

  #writeLast<F extends Fields>(spec: MessageSpec<F>, message: Encodable<F>): void {
    this.#out.write(spec, message);
    this.ready = false;
    this.over = true;
  }

  /**
   * User code waits. With the input closed that ends the attempt: it resumes when `future` is decided. On a live channel
   * the server learns, from protocol 7 on and once for each thing that is awaited, what it is.
   */
  wait(future: FutureNode): void {
    if (!this.ready) return;
    if (this.isInputClosed) {
      this.#writeLast(
        SuspensionMessage,
        this.#isV7 ? { awaitingOn: wireFuture(future) } : flatFuture(future),
      );
    } else if (this.#isV7) {
      const frame = scratchFrame(AwaitingOnMessage, { awaitingOn: wireFuture(future) });
      const text = String(frame);
      if (text === this.#awaitingOn) return;
      this.#awaitingOn = text;
      this.#out.raw(frame);
    }
  }

  /** Ends the attempt: the code ends, or waits for one of these, although the journal says that it went on from here. */
  unreachedCommands(awaited: readonly NotificationId[] = [], frames = ''): void {
    if (this.over) return;
    this.#mismatch(this.#commandsIssued + 1, awaited, frames);
  }

  /** Ends the attempt with an ErrorMessage; the server retries it. Must not fail itself: much is of user code's making. */
  fail(failure: AttemptFailure): void {
    if (this.over) return;
    this.failure = failure;
    const { code, message, stacktrace, relatedCommand, nextRetryDelayMs = -1, behavior = 'retry' } = failure;
    // Delays come from user code; one that makes no sense leaves the decision to the server.
    const isDelay = nextRetryDelayMs >= 0 && nextRetryDelayMs <= Number.MAX_SAFE_INTEGER;
    this.#writeLast(ErrorMessage, {
      code,
      message: String(message),
      stacktrace: typeof stacktrace === 'string' ? stacktrace : '',
      ...relatedCommand,
      nextRetryDelay: isDelay ? Math.round(nextRetryDelayMs) : undefined,
      behavior: this.#isV7 ? BEHAVIORS.indexOf(behavior) : 0,
    });
  }

  /** What was written since the last call. */
  takeOutput(): Uint8Array {
    return this.#out.finish();
  }
}

/** Undefined where the server sent none, which the machine refuses. */
export function idOf({ completionId, signalId, signalName }: WireNotification): NotificationId {
  return (completionId ?? (signalId === undefined ? signalName : -signalId)) as NotificationId;
}
