/**
 * An attempt's answer: the frames an SDK sent, read into what the state machine understands. Used when the answer
 * arrives and again when its record is read from the log, so that both see the same. Whether the handler may do
 * what it asks for is decided by the core, which knows its role.
 */
import { isUtf8 } from 'node:buffer';
import {
  CombinatorType,
  type DecodedFrame,
  decodeAwakeableId,
  decodeFrame,
  decodeInvocationId,
  ErrorBehavior,
  encodeInvocationId,
  FIRST_AWAKEABLE_SIGNAL,
  type Frame,
  type Message,
  REQUESTED_ACK,
  type Future as WireFuture,
} from '@holdfast/protocol';
import type { Minted, Op } from '../core/command.ts';
import { anyOf } from '../core/future.ts';
import type {
  AttemptFailure,
  Combinator,
  Failure,
  Future,
  InvocationId,
  Keyed,
  Result,
  SignalId,
  Target,
} from '../core/model.ts';
import { FUTURE_DEPTH_MAX } from '../core/model.ts';
import { scopeProblem } from '../core/scope.ts';
import { CodedError } from '../platform/error.ts';
import { readFailure, toHeader } from './entries.ts';

/** Where new ids come from: minted when an answer arrives, read back when its record is. */
export interface IdSource {
  callee(target: Target, idempotencyKey: string | undefined): Minted;
  /** The id that an idempotent invocation has. */
  idempotent(target: Target, idempotencyKey: string): InvocationId;
  /** The id that the run of a workflow key has. */
  workflow(of: Keyed): InvocationId;
}

/** How the frames end, before the retry policy had its say. */
export type AnswerEnd =
  | { readonly kind: 'completed' }
  | { readonly kind: 'suspended'; readonly awaiting: Future }
  | {
      readonly kind: 'failed';
      readonly failure: AttemptFailure;
      readonly nextRetryDelayMs?: number;
      /** What the handler wants to happen in place of a retry. */
      readonly behavior?: 'pause' | 'fail';
    }
  /** No terminator: a live attempt goes on, or the connection or the function broke off. */
  | { readonly kind: 'missing' };

export interface Answer {
  readonly ops: readonly Op[];
  readonly end: AnswerEnd;
  /** Runs whose handler keeps the result and only wants to hear that it is stored (V7). */
  readonly acks: readonly number[];
}

/** The input is the one command that only the orchestrator writes. */
type CommandName = Exclude<Extract<DecodedFrame['name'], `${string}Command`>, 'InputCommand'>;
type Reader<N extends CommandName> = (message: Message<N>, frame: Frame, source: Source) => Op;

interface Source {
  readonly ids: IdSource;
  readonly version: number;
}

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
  CallCommand: (message, frame, source) => ({
    op: 'call',
    ...framed(frame),
    ...callee(message, source),
    completionId: message.resultCompletionId,
  }),
  OneWayCallCommand: (message, frame, source) => ({
    op: 'send',
    ...framed(frame),
    ...callee(message, source),
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
  AttachInvocationCommand: (message, frame, source) => ({
    op: 'attach',
    ...framed(frame),
    ...attachTarget(message, source),
  }),
  GetInvocationOutputCommand: (message, frame, source) => ({
    op: 'getOutput',
    ...framed(frame),
    ...attachTarget(message, source),
  }),
};

/**
 * The frames of a whole answer, or of a part of one. Throws `CodedError` RT0012, RT0017, RT0024 or RT0025, or a
 * `ProtocolError`, on what is not acceptable. `version` is the protocol's.
 */
export function readAnswer(frames: readonly Frame[], ids: IdSource, version: number): Answer {
  const ops: Op[] = [];
  const acks: number[] = [];
  const source = { ids, version };
  for (const frame of frames) {
    const decoded = decodeFrame(frame);
    switch (decoded.name) {
      case 'End':
        return { ops, acks, end: { kind: 'completed' } };
      case 'Suspension':
        return { ops, acks, end: { kind: 'suspended', awaiting: toAwaiting(decoded.message, version) } };
      case 'Error':
        return { ops, acks, end: toFailed(decoded.message, version) };
      case 'AwaitingOn':
        // Of use to who looks at it; the suspension, should it come to one, says it again.
        if (version < FIRST_WITH_FUTURES) throw tooNew('AwaitingOn');
        if (decoded.message.awaitingOn !== undefined) toFuture(decoded.message.awaitingOn);
        break;
      case 'ProposeRunCompletion': {
        const { resultCompletionId, value, failure } = decoded.message;
        ops.push({ op: 'runCompletion', completionId: resultCompletionId, result: toResult(value, failure) });
        if ((frame.flags & REQUESTED_ACK) !== 0 && version >= FIRST_WITH_FUTURES)
          acks.push(resultCompletionId);
        break;
      }
      default:
        ops.push(readCommand(decoded, frame, source));
    }
  }
  return { ops, acks, end: { kind: 'missing' } };
}

function readCommand(decoded: DecodedFrame, frame: Frame, source: Source): Op {
  const read = (readers as { readonly [name: string]: Reader<CommandName> | undefined })[decoded.name];
  if (read === undefined) throw violation(`a handler may not send ${decoded.name}`);
  return read(decoded.message as never, frame, source);
}

function callee(message: Message<'CallCommand'> | Message<'OneWayCallCommand'>, source: Source) {
  const { serviceName, handlerName, key, idempotencyKey, limitKey } = message;
  checkScope(message, source);
  const target = { service: serviceName, handler: handlerName, key, ...scoped(message.scope) };
  return {
    target,
    headers: message.headers.map(toHeader),
    parameter: message.parameter,
    idempotencyKey,
    limitKey,
    callee: source.ids.callee(target, idempotencyKey),
    idCompletionId: message.invocationIdNotificationIdx,
  };
}

function attachTarget(
  message: Message<'AttachInvocationCommand'> | Message<'GetInvocationOutputCommand'>,
  source: Source,
): { completionId: number; target: InvocationId } {
  const completionId = message.resultCompletionId;
  if (message.invocationId !== undefined) return { completionId, target: invocationId(message.invocationId) };
  const { idempotentRequestTarget: request, workflowTarget: workflow } = message;
  if (workflow !== undefined) {
    checkScope(workflow, source);
    const { workflowName: service, workflowKey: key } = workflow;
    return { completionId, target: source.ids.workflow({ service, key, ...scoped(workflow.scope) }) };
  }
  if (request === undefined) throw violation('attach and get-output name no invocation');
  checkScope(request, source);
  const { serviceName, handlerName, serviceKey, idempotencyKey } = request;
  if (idempotencyKey === '') throw violation('the idempotency key of an invocation to attach to is empty');
  const key = serviceKey ?? '';
  const target = { service: serviceName, handler: handlerName, key, ...scoped(request.scope) };
  return { completionId, target: source.ids.idempotent(target, idempotencyKey) };
}

const scoped = (scope: string | undefined) => (scope === undefined ? {} : { scope });

function checkScope(
  { scope, limitKey }: { readonly scope?: string; readonly limitKey?: string },
  { version }: Source,
): void {
  if (scope === undefined && limitKey === undefined) return;
  if (version < FIRST_WITH_FUTURES) {
    throw new CodedError(
      'RT0024',
      'the call or target has a scope or a limit key: leave them out, they belong to protocol V7, which was not negotiated',
    );
  }
  const problem = scopeProblem(scope, limitKey);
  if (problem !== undefined) throw new CodedError('RT0024', `${problem} in a call or target`);
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

/** The first version with future trees, run acknowledgements, error behaviors and scopes. */
const FIRST_WITH_FUTURES = 7;

const tooNew = (what: string): CodedError =>
  violation(`${what} belongs to protocol V7, which was not negotiated`);

function toAwaiting(message: Message<'Suspension'>, version: number): Future {
  const { awaitingOn, waitingCompletions, waitingSignals, waitingNamedSignals } = message;
  if (version < FIRST_WITH_FUTURES) {
    if (awaitingOn !== undefined) throw tooNew('a future tree');
    return anyOf(waitingCompletions, [...waitingSignals, ...waitingNamedSignals]);
  }
  if (awaitingOn === undefined) throw violation('the suspension has no future to wait for');
  return toFuture(awaitingOn);
}

const COMBINATORS: { readonly [type: number]: Combinator } = {
  [CombinatorType.FirstCompleted]: 'firstCompleted',
  [CombinatorType.AllCompleted]: 'allCompleted',
  [CombinatorType.FirstSucceededOrAllFailed]: 'firstSucceeded',
  [CombinatorType.AllSucceededOrFirstFailed]: 'allSucceeded',
};

function toFuture(future: WireFuture, depthLeft = FUTURE_DEPTH_MAX): Future {
  if (depthLeft === 0) {
    throw new CodedError('RT0025', `a future is nested more than ${FUTURE_DEPTH_MAX} levels deep`);
  }
  return {
    // One that is not known here completes with whatever completes below it, and the handler decides.
    combinator: COMBINATORS[future.combinatorType] ?? 'any',
    completions: future.waitingCompletions,
    signals: [...future.waitingSignals, ...future.waitingNamedSignals],
    nested: future.nestedFutures.map(child => toFuture(child, depthLeft - 1)),
  };
}

const JOURNAL_MISMATCH = 570;
/** A report is kept with its invocation and shown to people; it is no place for data. */
const MESSAGE_CHARS_MAX = 8192;
const STACK_CHARS_MAX = 16_384;

const BEHAVIORS: { readonly [behavior: number]: 'pause' | 'fail' } = {
  [ErrorBehavior.Pause]: 'pause',
  [ErrorBehavior.Fail]: 'fail',
};

function toFailed(message: Message<'Error'>, version: number): AnswerEnd {
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
  const behavior = version < FIRST_WITH_FUTURES ? undefined : BEHAVIORS[message.behavior];
  return {
    kind: 'failed',
    failure,
    ...(nextRetryDelay === undefined ? {} : { nextRetryDelayMs: nextRetryDelay }),
    ...(behavior === undefined ? {} : { behavior }),
  };
}

function invocationId(text: string): InvocationId {
  decodeInvocationId(text);
  return text as InvocationId;
}

const toInvocationId = (raw: Uint8Array): InvocationId => encodeInvocationId(raw) as InvocationId;

const violation = (message: string): CodedError => new CodedError('RT0012', message);
