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
import { type CommandInput, type CommandName, commands } from './commands.ts';
import { firstDifference } from './compare.ts';
import { describeMismatch, type MismatchSide } from './mismatch.ts';

/** A completion as its id, a numbered signal as its negative, a named signal as its name. */
export type NotificationId = number | string;

/** Codes of an ErrorMessage that the SDK itself reports; user code errors are 500. */
export const SdkErrorCode = {
  journalMismatch: 570,
  protocolViolation: 571,
  unsupportedFeature: 573,
} as const;

/** An attempt that fails and is retried. */
export interface AttemptFailure {
  readonly code: number;
  readonly message: string;
  readonly stacktrace?: string | undefined;
  readonly relatedCommand?: CommandRef | undefined;
  readonly nextRetryDelayMs?: number | undefined;
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

  readonly #queue: WireNotification[] = [];
  #queueHead = 0;
  readonly #received = new Set<NotificationId>();
  readonly #results = new Map<NotificationId, WireNotification>();

  #lastCompletion = 0;
  #lastSignal = FIRST_AWAKEABLE_SIGNAL - 1;
  readonly #out = new FrameWriter();

  constructor(version: number) {
    this.version = version;
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
    if (isNotification(frame.type)) this.#acceptNotification(frame);
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
    } else if (frame.type === MessageType.InputCommand) {
      this.#input = decodeMessage('InputCommand', frame.payload);
    } else {
      this.#violation('the first journal entry is not the input');
    }
  }

  #acceptNotification(frame: Frame): void {
    // One template fits every notification type.
    const notification = decodeMessage('SignalNotification', frame.payload);
    const id = idOf(notification);
    if (this.#entriesSeen === 0) {
      this.#violation('the first journal entry is not the input');
    } else if (id === undefined || !hasResult(notification)) {
      this.#violation(`notification 0x${frame.type.toString(16)} lacks its id or its result`);
    } else {
      this.#received.add(id);
      this.#queue.push(notification);
    }
  }

  #violation(what: string): void {
    this.fail({
      code: SdkErrorCode.protocolViolation,
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
    if (this.#start === undefined) throw new Error('assertion: the machine is not ready');
    return this.#start;
  }
  get input(): Message<'InputCommand'> {
    if (this.#input === undefined) throw new Error('assertion: the machine is not ready');
    return this.#input;
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
    const { completions, nameField } = commands[name];
    const fields = input as Record<string, unknown>;
    const firstId = this.#lastCompletion + 1;
    for (const field of completions) fields[field] = ++this.#lastCompletion;
    if (this.#phase !== 'running') return firstId;
    const index = ++this.#commandsIssued;
    const entryName = fields[nameField];
    this.#lastCommand = {
      index,
      type: MessageType[name],
      name: typeof entryName === 'string' ? entryName : '',
    };
    const recorded = this.#recorded[index - 1];
    if (recorded === undefined) this.#out.frame(name, fields as MessageInput<N>);
    else this.#match(recorded, name, fields, this.#lastCommand);
    return completions.length === 0 ? 0 : firstId;
  }

  #match(recorded: Frame, name: CommandName, fields: Record<string, unknown>, issued: CommandRef): void {
    let field: string | undefined = 'type';
    if (recorded.type === issued.type) {
      const before = decodeMessage(name, recorded.payload) as unknown as Record<string, unknown>;
      field = firstDifference(messages[name].fields, commands[name].ignored, before, fields);
    }
    if (field === undefined) return;
    const side: MismatchSide = { type: issued.type, message: fields };
    const entry = this.#recordedEntry[issued.index - 1] ?? 0;
    this.fail({
      code: SdkErrorCode.journalMismatch,
      message: describeMismatch(issued.index, entry, field, recorded, side),
      relatedCommand: issued,
    });
  }

  /** A fresh signal number for an awakeable; creation leaves no trace in the journal. */
  nextSignal(): number {
    return ++this.#lastSignal;
  }

  // ---- notifications

  /** Moves the oldest waiting notification to the results, first value wins, and names it. */
  pop(): NotificationId | undefined {
    const notification = this.#queue[this.#queueHead];
    if (notification === undefined) return undefined;
    this.#queueHead++;
    const id = idOf(notification) as NotificationId;
    if (!this.#results.has(id)) this.#results.set(id, notification);
    return id;
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
    this.fail({
      code: SdkErrorCode.journalMismatch,
      message: describeMismatch(index + 1, this.#recordedEntry[index] ?? 0, 'type', next, undefined),
      relatedCommand: this.#lastCommand,
    });
  }

  /** Ends the attempt with an ErrorMessage; the server retries it. */
  fail(failure: AttemptFailure): void {
    if (this.#phase === 'over') return;
    const { relatedCommand, nextRetryDelayMs } = failure;
    this.#out.frame('Error', {
      code: failure.code,
      message: String(failure.message),
      ...(failure.stacktrace === undefined ? {} : { stacktrace: failure.stacktrace }),
      ...(relatedCommand === undefined
        ? {}
        : {
            relatedCommandIndex: relatedCommand.index,
            relatedCommandType: relatedCommand.type,
            ...(relatedCommand.name === '' ? {} : { relatedCommandName: relatedCommand.name }),
          }),
      ...(isDelay(nextRetryDelayMs) ? { nextRetryDelay: Math.round(nextRetryDelayMs) } : {}),
    });
    this.#phase = 'over';
  }

  /** What was written since the last call. */
  takeOutput(): Uint8Array {
    return this.#out.finish();
  }
}

/** Delays come from user code; one that makes no sense leaves the decision to the server. */
const isDelay = (ms: number | undefined): ms is number => ms !== undefined && Number.isFinite(ms) && ms >= 0;

function idOf(notification: WireNotification): NotificationId | undefined {
  const { completionId, signalId, signalName } = notification;
  if (completionId !== undefined) return completionId;
  return signalId === undefined ? signalName : -signalId;
}

const hasResult = ({ void: nothing, value, failure, invocationId, stateKeys }: WireNotification): boolean =>
  (nothing ?? value ?? failure ?? invocationId ?? stateKeys) !== undefined;
