/**
 * The replay machine: journal in, response frames out. It has no I/O, no clock, no timers and no promises; the
 * host (`attempt.ts`) calls it, and a transport feeds it with `notify` and `inputClosed`. Request/response
 * transports deliver everything before user code starts, a live channel goes on while it runs.
 *
 * Invariants:
 * - Every command is either the next recorded one, which it must match, or is written to the output; never both.
 * - Completion ids and awakeable signals are allocated in program order and depend on nothing else.
 * - Notifications leave the queue one at a time, in the order in which they came, through `pop` alone.
 * - Exactly one of End, Suspension and Error is written, and nothing after it. End follows an Output.
 */
import {
  decodeMessage,
  FIRST_AWAKEABLE_SIGNAL,
  type Frame,
  FrameWriter,
  isCommand,
  isNotification,
  type Message,
  type MessageInput,
  MessageType,
  messages,
  type WireFailure,
  type WireNotification,
} from '@holdfast/protocol';
import { type CommandInput, type CommandName, rowOf } from './commands.ts';
import { firstDifference } from './compare.ts';
import { describeMismatch, type MismatchSide } from './mismatch.ts';

/** A completion as its id, a numbered signal as its negative, a named signal as its name. */
export type NotificationId = number | string;

/** Codes of an ErrorMessage that the SDK itself reports; user code errors are 500. */
const JOURNAL_MISMATCH = 570;
const USER_ERROR = 500;
const PROTOCOL_VIOLATION = 571;
export const UNSUPPORTED_FEATURE = 573;

/** An attempt that fails and is retried. */
export interface AttemptFailure {
  readonly code: number;
  readonly message: string;
  readonly stacktrace?: string | undefined;
  readonly relatedCommand?: CommandRef | undefined;
  readonly nextRetryDelayMs?: number | undefined;
}

export interface Received {
  readonly id: NotificationId;
  readonly notification: WireNotification;
}

export interface CommandRef {
  readonly index: number;
  readonly type: number;
  readonly name: string;
}

export type Outcome =
  | { readonly value: Uint8Array; readonly failure?: never }
  | { readonly failure: WireFailure; readonly value?: never };

type Phase = 'receiving' | 'running' | 'over';

export class Machine {
  readonly version: number;
  #phase: Phase = 'receiving';
  #inputClosed = false;
  #start: Message<'Start'> | undefined;
  #input: Message<'InputCommand'> | undefined;
  #entriesSeen = 0;

  /** Recorded commands without Input, and the journal index of each. */
  readonly #recorded: Frame[] = [];
  readonly #recordedEntry: number[] = [];
  #commandsIssued = 0;
  #lastCommand: CommandRef | undefined;

  readonly #queue: Received[] = [];
  #queueHead = 0;
  readonly #received = new Set<NotificationId>();
  readonly #results = new Map<NotificationId, WireNotification>();

  #lastCompletion = 0;
  #lastSignal = FIRST_AWAKEABLE_SIGNAL - 1;
  readonly #out = new FrameWriter();
  readonly #mismatchIsTerminal: boolean;

  /** `mismatchIsTerminal`: code that departs from its journal fails the invocation instead of the attempt. */
  constructor(version: number, mismatchIsTerminal = false) {
    this.version = version;
    this.#mismatchIsTerminal = mismatchIsTerminal;
  }

  // ---- input

  notify(frames: readonly Frame[]): void {
    for (const frame of frames) {
      if (this.#phase === 'over') return;
      this.#accept(frame);
    }
  }

  inputClosed(): void {
    this.#inputClosed = true;
    if (this.#phase === 'receiving') {
      const expected =
        this.#start === undefined ? 'its Start message' : `all ${this.#start.knownEntries} entries`;
      this.#violation(`the journal ended before ${expected} came (${this.#entriesSeen} did)`);
    }
  }

  #accept(frame: Frame): void {
    if (this.#start === undefined) {
      this.#acceptStart(frame);
      return;
    }
    if (this.#entriesSeen === 0 && frame.type !== MessageType.InputCommand)
      this.#violation('the first journal entry is not the input');
    else if (isNotification(frame.type)) this.#acceptNotification(frame);
    else if (isCommand(frame.type)) this.#acceptCommand(frame);
    else this.#violation(`unexpected frame of type 0x${frame.type.toString(16)}`);
    this.#entriesSeen++;
    if (this.#phase === 'receiving' && this.#entriesSeen === this.#start.knownEntries)
      this.#phase = 'running';
  }

  #acceptStart(frame: Frame): void {
    if (frame.type === MessageType.Start) {
      this.#start = decodeMessage('Start', frame.payload);
      if (this.#start.knownEntries === 0) this.#violation('the Start message announces an empty journal');
    } else {
      this.#violation('the first frame is not a Start message');
    }
  }

  #acceptCommand(frame: Frame): void {
    if (this.#phase !== 'receiving') {
      this.#violation('a command came after the announced journal');
    } else if (this.#entriesSeen > 0) {
      this.#recorded.push(frame);
      this.#recordedEntry.push(this.#entriesSeen);
    } else {
      this.#input = decodeMessage('InputCommand', frame.payload);
    }
  }

  #acceptNotification(frame: Frame): void {
    // One template fits every notification type.
    const notification = decodeMessage('SignalNotification', frame.payload);
    const id = idOf(notification);
    if (id === undefined || !hasResult(notification)) {
      this.#violation(`notification 0x${frame.type.toString(16)} lacks its id or its result`);
    } else {
      this.#received.add(id);
      this.#queue.push({ id, notification });
    }
  }

  #violation(what: string): void {
    this.fail({
      code: PROTOCOL_VIOLATION,
      message: `Protocol violation: ${what}. This is a bug of the server or of something between it and this function; see docs/errors/HF_SDK_PROTOCOL.md.`,
    });
  }

  // ---- state

  /** The announced journal is complete: user code may start. */
  get ready(): boolean {
    return this.#phase === 'running';
  }
  get over(): boolean {
    return this.#phase === 'over';
  }
  get isInputClosed(): boolean {
    return this.#inputClosed;
  }
  /** Recorded commands are still to come. */
  get replaying(): boolean {
    return this.#commandsIssued < this.#recorded.length;
  }
  get start(): Message<'Start'> {
    return assertReady(this.#start);
  }
  get input(): Message<'InputCommand'> {
    return assertReady(this.#input);
  }
  /** The recorded command that comes next. */
  get nextRecorded(): Frame | undefined {
    return this.#recorded[this.#commandsIssued];
  }
  get lastCommand(): CommandRef | undefined {
    return this.#lastCommand;
  }
  /** Index of the last recorded command; Input is 0. */
  get lastRecordedIndex(): number {
    return this.#recorded.length;
  }

  // ---- commands

  /**
   * Replays or writes a command. Returns the first completion id it was given (0 when it has none). After a
   * mismatch, or once the attempt is over, the id still advances so that callers need not care.
   */
  command<N extends CommandName>(name: N, input: CommandInput<N>): number {
    const row = rowOf(name);
    const { completions, gap, nameField } = row;
    const fields = input as Record<string, unknown>;
    const firstId = completions.length === 0 ? 0 : this.#lastCompletion + 1;
    for (const field of completions) fields[field] = ++this.#lastCompletion;
    this.#lastCompletion += gap;
    if (this.#phase !== 'running') return firstId;
    const index = ++this.#commandsIssued;
    const entryName = fields[nameField];
    this.#lastCommand = {
      index,
      type: MessageType[name],
      name: typeof entryName === 'string' ? entryName : '',
    };
    const recorded = this.#recorded[index - 1];
    if (recorded === undefined) this.#write(name, fields as MessageInput<N>);
    else this.#match(recorded, name, row.ignored, fields, this.#lastCommand);
    return firstId;
  }

  /**
   * A command that does not encode ends the attempt. Thrown into user code it could be caught, and the numbers of the
   * commands after it would no longer be those of the journal.
   */
  #write<N extends CommandName>(name: N, fields: MessageInput<N>): void {
    try {
      this.#out.frame(name, fields);
    } catch (error) {
      const { message, stack } = error as Error;
      this.fail({ code: USER_ERROR, message, stacktrace: stack, relatedCommand: this.#lastCommand });
    }
  }

  #match(
    recorded: Frame,
    name: CommandName,
    ignored: readonly string[],
    fields: Record<string, unknown>,
    issued: CommandRef,
  ): void {
    let field: string | undefined = 'type';
    if (recorded.type === issued.type) {
      const before = decodeMessage(name, recorded.payload) as unknown as Record<string, unknown>;
      field = firstDifference(messages[name].fields, ignored, before, fields);
    }
    if (field === undefined) return;
    const side: MismatchSide = { name, message: fields };
    const entry = this.#recordedEntry[issued.index - 1] ?? 0;
    this.#mismatch(describeMismatch(issued.index, entry, field, recorded, side), issued);
  }

  #mismatch(message: string, relatedCommand: CommandRef | undefined): void {
    const code = JOURNAL_MISMATCH;
    if (!this.#mismatchIsTerminal) {
      this.fail({ code, message, relatedCommand });
      return;
    }
    // Nothing was written yet: until its journal is used up, an attempt neither issues commands nor executes runs.
    this.#out.frame('OutputCommand', { failure: { code, message, metadata: [] } });
    this.#out.frame('End', {});
    this.#phase = 'over';
  }

  /** A fresh signal number for an awakeable; creation leaves no trace in the journal. */
  nextSignal(): number {
    return ++this.#lastSignal;
  }

  // ---- notifications

  /** Moves the oldest waiting notification to the results, where the first value wins, and hands it over. */
  pop(): Received | undefined {
    const received = this.#queue[this.#queueHead];
    if (received === undefined) return undefined;
    this.#queueHead++;
    if (!this.#results.has(received.id)) this.#results.set(received.id, received.notification);
    return received;
  }

  /** Whether a result for `id` is in the journal, popped or not. */
  hasReceived(id: NotificationId): boolean {
    return this.#received.has(id);
  }

  /** The popped result of `id`. */
  result(id: NotificationId): WireNotification | undefined {
    return this.#results.get(id);
  }

  // ---- output

  propose(completionId: number, outcome: Outcome): void {
    if (this.#phase !== 'running') return;
    this.#out.frame('ProposeRunCompletion', { resultCompletionId: completionId, ...outcome });
  }

  /** Ends the attempt: the result of the invocation. */
  output(outcome: Outcome): void {
    this.command('OutputCommand', outcome);
    // The Output may have differed from a recorded one, and then the attempt has failed already.
    if (this.#phase !== 'running') return;
    if (this.replaying) {
      this.unreachedCommands();
      return;
    }
    this.#out.frame('End', {});
    this.#phase = 'over';
  }

  /** Ends the attempt: it resumes when one of `ids` has a notification. */
  suspend(ids: Iterable<NotificationId>): void {
    if (this.#phase !== 'running') return;
    const waitingCompletions: number[] = [];
    const waitingSignals: number[] = [];
    const waitingNamedSignals: string[] = [];
    for (const id of ids) {
      if (typeof id === 'string') waitingNamedSignals.push(id);
      else if (id > 0) waitingCompletions.push(id);
      else waitingSignals.push(-id);
    }
    this.#out.frame('Suspension', { waitingCompletions, waitingSignals, waitingNamedSignals });
    this.#phase = 'over';
  }

  /** Ends the attempt: the code waits although the journal says that it went on from here. */
  unreachedCommands(): void {
    const index = this.#commandsIssued;
    const next = this.#recorded[index];
    if (next === undefined) throw new Error('assertion: every recorded command was issued');
    const entry = this.#recordedEntry[index] ?? 0;
    this.#mismatch(describeMismatch(index + 1, entry, 'type', next, undefined), this.#lastCommand);
  }

  /** Ends the attempt with an ErrorMessage; the server retries it. Must not fail itself: much is of user code's making. */
  fail(failure: AttemptFailure): void {
    if (this.#phase === 'over') return;
    const { relatedCommand, nextRetryDelayMs = -1, stacktrace } = failure;
    // Delays come from user code; one that makes no sense leaves the decision to the server.
    const isDelay = nextRetryDelayMs >= 0 && nextRetryDelayMs <= Number.MAX_SAFE_INTEGER;
    this.#out.frame('Error', {
      code: failure.code,
      message: String(failure.message),
      ...(typeof stacktrace === 'string' ? { stacktrace } : {}),
      ...(relatedCommand === undefined
        ? {}
        : {
            relatedCommandIndex: relatedCommand.index,
            relatedCommandType: relatedCommand.type,
            ...(relatedCommand.name === '' ? {} : { relatedCommandName: relatedCommand.name }),
          }),
      ...(isDelay ? { nextRetryDelay: Math.round(nextRetryDelayMs) } : {}),
    });
    this.#phase = 'over';
  }

  /** What was written since the last call. */
  takeOutput(): Uint8Array {
    return this.#out.finish();
  }
}

function assertReady<T>(received: T | undefined): T {
  if (received === undefined) throw new Error('assertion: the machine is not ready');
  return received;
}

function idOf(notification: WireNotification): NotificationId | undefined {
  const { completionId, signalId, signalName } = notification;
  if (completionId !== undefined) return completionId;
  return signalId === undefined ? signalName : -signalId;
}

const hasResult = ({ void: nothing, value, failure, invocationId, stateKeys }: WireNotification): boolean =>
  (nothing ?? value ?? failure ?? invocationId ?? stateKeys) !== undefined;
