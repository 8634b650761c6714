/**
 * An attempt's answer: the frames an SDK sent, read into what the state machine understands. Used when the answer
 * arrives and again when its record is read from the log, so that both see the same. Whether the handler may do
 * what it asks for is decided by the core, which knows its role.
 */
import { isUtf8 } from 'node:buffer';
import {
  type DecodedFrame,
  decodeAwakeableId,
  decodeFrame,
  decodeInvocationId,
  encodeInvocationId,
  FIRST_AWAKEABLE_SIGNAL,
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
  /** The id that the run of a workflow key has. */
  workflow(service: string, key: string): InvocationId;
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

/** The input is the one command that only the orchestrator writes. */
type CommandName = Exclude<Extract<DecodedFrame['name'], `${string}Command`>, 'InputCommand'>;
type Reader<N extends CommandName> = (message: Message<N>, frame: Frame, ids: IdSource) => Op;

const framed = (frame: Frame) => ({ frame: frame.bytes, type: frame.type });

const promise =
  (op: 'getPromise' | 'peekPromise') =>
  ({ resultCompletionId, key }: Message<'GetPromiseCommand'>, frame: Frame): Op => ({
    op,
    ...framed(frame),
    completionId: resultCompletionId,
    name: key,
  });

const readers: { readonly [N in CommandName]: Reader<N> } = {
  OutputCommand: (message, frame) => ({
    op: 'output',
    ...framed(frame),
    result: toResult(message.value, message.failure),
  }),
  GetLazyStateCommand: ({ key, resultCompletionId }, frame) => ({
    op: 'getState',
    ...framed(frame),
    completionId: resultCompletionId,
    key: stateKey(key),
  }),
  GetLazyStateKeysCommand: ({ resultCompletionId }, frame) => ({
    op: 'getStateKeys',
    ...framed(frame),
    completionId: resultCompletionId,
  }),
  GetEagerStateCommand: (message, frame) => {
    // Replayed without a result, it would fail every attempt from now on.
    if (!message.void && message.value === undefined) throw violation('GetEagerState has no result');
    return { op: 'readState', ...framed(frame) };
  },
  GetEagerStateKeysCommand: (_, frame) => ({ op: 'readState', ...framed(frame) }),
  SetStateCommand: ({ key, value }, frame) => {
    if (value === undefined) throw violation('SetState has no value');
    return { op: 'setState', ...framed(frame), key: stateKey(key), value };
  },
  ClearStateCommand: ({ key }, frame) => ({ op: 'clearState', ...framed(frame), key: stateKey(key) }),
  ClearAllStateCommand: (_, frame) => ({ op: 'clearAllState', ...framed(frame) }),
  GetPromiseCommand: promise('getPromise'),
  PeekPromiseCommand: promise('peekPromise'),
  CompletePromiseCommand: (message, frame) => ({
    op: 'completePromise',
    ...framed(frame),
    completionId: message.resultCompletionId,
    name: message.key,
    result: toResult(message.completionValue, message.completionFailure),
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
    // Below are other signals: 1 would cancel the invocation.
    if (signalIndex < FIRST_AWAKEABLE_SIGNAL) throw violation('the awakeable id names no awakeable');
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

/** Throws `CodedError` RT0012, RT0017 or RT0024, or a `ProtocolError`, on an answer that is not acceptable. */
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
  const read = (readers as { readonly [name: string]: Reader<CommandName> | undefined })[decoded.name];
  if (read === undefined) throw violation(`a handler may not send ${decoded.name}`);
  return read(decoded.message as never, frame, ids);
}

function callee(message: Message<'CallCommand'> | Message<'OneWayCallCommand'>, ids: IdSource) {
  const { serviceName, handlerName, key, idempotencyKey } = message;
  refuseScope(message);
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
  const { idempotentRequestTarget: request, workflowTarget: workflow } = message;
  if (workflow !== undefined) {
    refuseScope(workflow);
    return { completionId, target: ids.workflow(workflow.workflowName, workflow.workflowKey) };
  }
  if (request === undefined) throw violation('attach and get-output name no invocation');
  refuseScope(request);
  const { serviceName, handlerName, serviceKey, idempotencyKey } = request;
  if (idempotencyKey === '') throw violation('the idempotency key of an invocation to attach to is empty');
  const target = { service: serviceName, handler: handlerName, key: serviceKey ?? '' };
  return { completionId, target: ids.idempotent(target, idempotencyKey) };
}

function refuseScope({ scope, limitKey }: { readonly scope?: string; readonly limitKey?: string }): void {
  if (scope === undefined && limitKey === undefined) return;
  throw new CodedError(
    'RT0024',
    'the call or target has a scope or a limit key: leave them out, they belong to protocol V7, which was not negotiated',
  );
}

/** Bytes on the wire, but text everywhere else: in the API, in tables, in every SDK. */
function stateKey(key: Uint8Array): string {
  if (!isUtf8(key)) {
    throw new CodedError('RT0017', 'the key of a state entry is not valid UTF-8; use a key that is text');
  }
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('utf8');
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
/** A report is kept with its invocation and shown to people; it is no place for data. */
const MESSAGE_CHARS_MAX = 8192;
const STACK_CHARS_MAX = 16_384;

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
    message: message.message.slice(0, MESSAGE_CHARS_MAX),
    ...(message.stacktrace === '' ? {} : { stack: message.stacktrace.slice(0, STACK_CHARS_MAX) }),
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
