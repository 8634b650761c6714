/** Journal entries as protocol frames: how they are replayed to a handler, and how they are stored. */
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  type FrameWriter,
  type MessageName,
  type WireFailure,
  type WireNotification,
} from '@holdfast/protocol';
import type {
  CompletionOf,
  Entry,
  Failure,
  Header,
  InvocationId,
  NotificationResult,
  Result,
} from '../core/model.ts';
import { damaged } from './bytes.ts';

const COMPLETIONS = {
  sleep: 'SleepCompletion',
  callId: 'CallInvocationIdCompletion',
  call: 'CallCompletion',
  run: 'RunCompletion',
  attach: 'AttachInvocationCompletion',
  getOutput: 'GetInvocationOutputCompletion',
  getState: 'GetLazyStateCompletion',
  getStateKeys: 'GetLazyStateKeysCompletion',
  getPromise: 'GetPromiseCompletion',
  peekPromise: 'PeekPromiseCompletion',
  completePromise: 'CompletePromiseCompletion',
} as const satisfies { readonly [K in CompletionOf]: MessageName };
type CompletionMessage = (typeof COMPLETIONS)[CompletionOf];

const COMPLETION_OF = Object.fromEntries(
  Object.entries(COMPLETIONS).map(([of, message]) => [message, of]),
) as { readonly [M in CompletionMessage]: CompletionOf };

export function writeEntry(writer: FrameWriter, entry: Entry): void {
  switch (entry.kind) {
    case 'input':
      writer.frame('InputCommand', { headers: wireHeaders(entry.headers), value: entry.body });
      return;
    case 'command':
      writer.raw(entry.frame);
      return;
    case 'completion':
      writer.frame(COMPLETIONS[entry.of], { completionId: entry.completionId, ...wireResult(entry.result) });
      return;
    case 'signal': {
      const id = typeof entry.signal === 'number' ? { signalId: entry.signal } : { signalName: entry.signal };
      writer.frame('SignalNotification', { ...id, ...wireResult(entry.result) });
      return;
    }
    default:
      entry satisfies never;
  }
}

export function readEntry(frame: Frame): Entry {
  if (frame.type >= 0x0401 && frame.type < 0x8000)
    return { kind: 'command', type: frame.type, frame: frame.bytes };
  const { name, message } = decodeFrame(frame);
  if (name === 'InputCommand') {
    return { kind: 'input', headers: message.headers.map(toHeader), body: message.value ?? new Uint8Array() };
  }
  if (name === 'SignalNotification') {
    const signal = message.signalId ?? message.signalName;
    if (signal === undefined) throw damaged('a signal has no id');
    return { kind: 'signal', signal, result: readResult(message) };
  }
  if (!(name in COMPLETION_OF)) throw damaged(`${name} is no journal entry`);
  const completion = message as WireNotification;
  const { completionId } = completion;
  if (completionId === undefined) throw damaged('a completion has no id');
  return {
    kind: 'completion',
    of: COMPLETION_OF[name as CompletionMessage],
    completionId,
    result: readResult(completion),
  };
}

/** The frame that proposes the result of a run; logged in place of the op. */
export function runProposalFrame(completionId: number, result: Result): Uint8Array {
  return encodeFrame('ProposeRunCompletion', { resultCompletionId: completionId, ...wireResult(result) });
}

export const wireHeaders = (headers: readonly Header[]) => headers.map(([key, value]) => ({ key, value }));
export const toHeader = ({ key, value }: { key: string; value: string }): Header => [key, value];

function wireResult(result: NotificationResult) {
  switch (result.kind) {
    case 'success':
      return { value: result.value };
    case 'failure':
      return { failure: wireFailure(result.failure) };
    case 'void':
      return { void: true } as const;
    case 'invocationId':
      return { invocationId: result.id };
    case 'stateKeys':
      return { stateKeys: { keys: result.keys.map(key => Buffer.from(key)) } };
    default:
      return result satisfies never;
  }
}

function readResult(message: WireNotification): NotificationResult {
  if (message.value !== undefined) return { kind: 'success', value: message.value };
  if (message.failure !== undefined) return { kind: 'failure', failure: readFailure(message.failure) };
  if (message.invocationId !== undefined)
    return { kind: 'invocationId', id: message.invocationId as InvocationId };
  if (message.stateKeys !== undefined)
    return { kind: 'stateKeys', keys: message.stateKeys.keys.map(key => Buffer.from(key).toString()) };
  if (message.void !== undefined) return { kind: 'void' };
  throw damaged('a notification has no result');
}

export function wireFailure(failure: Failure): WireFailure {
  return { code: failure.code, message: failure.message, metadata: wireHeaders(failure.metadata ?? []) };
}

export function readFailure({ code, message, metadata }: WireFailure): Failure {
  return metadata.length === 0 ? { code, message } : { code, message, metadata: metadata.map(toHeader) };
}
