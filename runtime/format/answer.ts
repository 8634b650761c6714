/**
 * An attempt's answer: the frames an SDK sent, read into what the state machine understands. Used when the answer
 * arrives and again when its record is read from the log, so that both see the same.
 */
import {
  type DecodedFrame,
  decodeAwakeableId,
  decodeFrame,
  decodeInvocationId,
  encodeInvocationId,
  type Frame,
  type Message,
} from '@holdfast/protocol';
import type { Minted, Op } from '../core/command.ts';
import type {
  AttemptFailure,
  Awaiting,
  Failure,
  InvocationId,
  Result,
  SignalId,
  Target,
} from '../core/model.ts';
import { CodedError } from '../platform/error.ts';
import { readFailure, toHeader } from './entries.ts';

/** Where new ids come from: minted when an answer arrives, read back when its record is. */
export interface IdSource {
  callee(target: Target, idempotencyKey: string | undefined): Minted;
  /** The id that an idempotent invocation has. */
  idempotent(target: Target, idempotencyKey: string): InvocationId;
}

/** How the frames end, before the retry policy had its say. */
export type AnswerEnd =
  | { readonly kind: 'completed' }
  | { readonly kind: 'suspended'; readonly awaiting: Awaiting }
  | { readonly kind: 'failed'; readonly failure: AttemptFailure; readonly nextRetryDelayMs?: number }
  /** No terminator: the connection or the function broke off. */
  | { readonly kind: 'missing' };

export interface Answer {
  readonly ops: readonly Op[];
  readonly end: AnswerEnd;
}

type CommandName = Extract<DecodedFrame['name'], `${string}Command`>;
type Reader<N extends CommandName> = (message: Message<N>, frame: Frame, ids: IdSource) => Op;

const framed = (frame: Frame) => ({ frame: frame.bytes, type: frame.type });

const readers: { readonly [N in CommandName]?: Reader<N> } = {
  OutputCommand: (message, frame) => ({
    op: 'output',
    ...framed(frame),
    result: toResult(message.value, message.failure),
  }),
  SleepCommand: ({ resultCompletionId, wakeUpTime }, frame) => ({
    op: 'sleep',
    ...framed(frame),
    completionId: resultCompletionId,
    wakeAt: wakeUpTime,
  }),
  CallCommand: (message, frame, ids) => ({
    op: 'call',
    ...framed(frame),
    ...callee(message, ids),
    completionId: message.resultCompletionId,
  }),
  OneWayCallCommand: (message, frame, ids) => ({
    op: 'send',
    ...framed(frame),
    ...callee(message, ids),
    startAt: message.invokeTime,
  }),
  RunCommand: ({ resultCompletionId }, frame) => ({
    op: 'run',
    ...framed(frame),
    completionId: resultCompletionId,
  }),
  SendSignalCommand: (message, frame) => ({
    op: 'signal',
    ...framed(frame),
    target: invocationId(message.targetInvocationId),
    signal: signalId(message),
    result: message.void ? { kind: 'void' } : toResult(message.value, message.failure),
  }),
  CompleteAwakeableCommand: (message, frame) => {
    const { invocationId: raw, signalIndex } = decodeAwakeableId(message.awakeableId);
    const result = toResult(message.value, message.failure);
    return { op: 'signal', ...framed(frame), target: toInvocationId(raw), signal: signalIndex, result };
  },
  AttachInvocationCommand: (message, frame, ids) => ({
    op: 'attach',
    ...framed(frame),
    ...attachTarget(message, ids),
  }),
  GetInvocationOutputCommand: (message, frame, ids) => ({
    op: 'getOutput',
    ...framed(frame),
    ...attachTarget(message, ids),
  }),
};

/** Throws `CodedError` RT0012 or RT0017, or a `ProtocolError`, on an answer that is not acceptable. */
export function readAnswer(frames: readonly Frame[], ids: IdSource): Answer {
  const ops: Op[] = [];
  for (const frame of frames) {
    const decoded = decodeFrame(frame);
    switch (decoded.name) {
      case 'End':
        return { ops, end: { kind: 'completed' } };
      case 'Suspension':
        return { ops, end: { kind: 'suspended', awaiting: toAwaiting(decoded.message) } };
      case 'Error':
        return { ops, end: toFailed(decoded.message) };
      case 'ProposeRunCompletion': {
        const { resultCompletionId, value, failure } = decoded.message;
        ops.push({ op: 'runCompletion', completionId: resultCompletionId, result: toResult(value, failure) });
        break;
      }
      default:
        ops.push(readCommand(decoded, frame, ids));
    }
  }
  return { ops, end: { kind: 'missing' } };
}

function readCommand(decoded: DecodedFrame, frame: Frame, ids: IdSource): Op {
  if (!decoded.name.endsWith('Command') || decoded.name === 'InputCommand') {
    throw violation(`a handler may not send ${decoded.name}`);
  }
  const read = readers[decoded.name as CommandName] as Reader<CommandName> | undefined;
  if (read === undefined) {
    throw new CodedError(
      'RT0017',
      `${decoded.name} needs a virtual object or workflow; this is a plain service`,
    );
  }
  return read(decoded.message as never, frame, ids);
}

function callee(message: Message<'CallCommand'> | Message<'OneWayCallCommand'>, ids: IdSource) {
  const { serviceName, handlerName, key, idempotencyKey } = message;
  const target = { service: serviceName, handler: handlerName, key };
  return {
    target,
    headers: message.headers.map(toHeader),
    parameter: message.parameter,
    idempotencyKey,
    callee: ids.callee(target, idempotencyKey),
    idCompletionId: message.invocationIdNotificationIdx,
  };
}

function attachTarget(
  message: Message<'AttachInvocationCommand'> | Message<'GetInvocationOutputCommand'>,
  ids: IdSource,
): { completionId: number; target: InvocationId } {
  const completionId = message.resultCompletionId;
  if (message.invocationId !== undefined) return { completionId, target: invocationId(message.invocationId) };
  const idempotent = message.idempotentRequestTarget;
  if (idempotent !== undefined) {
    const target = {
      service: idempotent.serviceName,
      handler: idempotent.handlerName,
      key: idempotent.serviceKey ?? '',
    };
    return { completionId, target: ids.idempotent(target, idempotent.idempotencyKey) };
  }
  throw violation('attach and get-output name an invocation or an idempotency key; workflows are not served');
}

function signalId(message: Message<'SendSignalCommand'>): SignalId {
  const id = message.idx ?? message.name;
  if (id === undefined || id === 0) throw violation('SendSignal names no signal');
  return id;
}

function toResult(
  value: Uint8Array | undefined,
  failure: Parameters<typeof readFailure>[0] | undefined,
): Result {
  if (value !== undefined) return { kind: 'success', value };
  if (failure !== undefined) return { kind: 'failure', failure: readFailure(failure) satisfies Failure };
  throw violation('a result is neither a value nor a failure');
}

function toAwaiting(message: Message<'Suspension'>): Awaiting {
  if (message.awaitingOn !== undefined)
    throw violation('future trees belong to protocol V7, which was not negotiated');
  return {
    completions: message.waitingCompletions,
    signals: [...message.waitingSignals, ...message.waitingNamedSignals],
  };
}

const JOURNAL_MISMATCH = 570;

function toFailed(message: Message<'Error'>): AnswerEnd {
  const { relatedCommandIndex: index, relatedCommandName: name, relatedCommandType: type } = message;
  const related = {
    ...(index === undefined ? {} : { index }),
    ...(name === undefined ? {} : { name }),
    ...(type === undefined ? {} : { type }),
  };
  const failure: AttemptFailure = {
    code: message.code === JOURNAL_MISMATCH ? 'RT0016' : 'RT0007',
    status: message.code,
    message: message.message,
    ...(message.stacktrace === '' ? {} : { stack: message.stacktrace }),
    ...(Object.keys(related).length === 0 ? {} : { relatedCommand: related }),
  };
  const { nextRetryDelay } = message;
  return {
    kind: 'failed',
    failure,
    ...(nextRetryDelay === undefined ? {} : { nextRetryDelayMs: nextRetryDelay }),
  };
}

function invocationId(text: string): InvocationId {
  decodeInvocationId(text);
  return text as InvocationId;
}

const toInvocationId = (raw: Uint8Array): InvocationId => encodeInvocationId(raw) as InvocationId;

const violation = (message: string): CodedError => new CodedError('RT0012', message);
