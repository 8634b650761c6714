/** Test support: frames as handlers send them, and all that is sent and recorded as short text. */
import {
  decodeFrame,
  decodeFrames,
  encodeFrame,
  encodeInvocationId,
  REQUESTED_ACK,
} from '@holdfast/protocol';
import type { Op } from '../../core/command.ts';
import type { Entry, InvocationId } from '../../core/model.ts';
import type { Answer, IdSource } from '../../format/answer.ts';
import type { EndedAttempt } from '../attempt.ts';

export const idOf = (n: number): InvocationId =>
  encodeInvocationId(new Uint8Array(24).fill(n)) as InvocationId;

export const ids: IdSource = {
  callee: () => ({ id: idOf(99), deterministic: false, randomSeed: 0n }),
  idempotent: () => idOf(98),
  workflow: () => idOf(97),
};

const VALUE = new Uint8Array([49]);
const future = (completion: number) => ({
  waitingCompletions: [completion],
  waitingSignals: [1],
  waitingNamedSignals: [],
  nestedFutures: [],
  combinatorType: 1,
});

export const run = (id: number): Uint8Array => encodeFrame('RunCommand', { resultCompletionId: id });
export const result = (id: number): Uint8Array =>
  encodeFrame('ProposeRunCompletion', { resultCompletionId: id, value: VALUE });
export const resultToAck = (id: number): Uint8Array =>
  encodeFrame('ProposeRunCompletion', { resultCompletionId: id, value: VALUE }, REQUESTED_ACK);
export const sleep = (id: number): Uint8Array =>
  encodeFrame('SleepCommand', { resultCompletionId: id, wakeUpTime: 1 });
export const awaitingOn = (id: number): Uint8Array => encodeFrame('AwaitingOn', { awaitingOn: future(id) });
export const suspension = (id: number): Uint8Array => encodeFrame('Suspension', { awaitingOn: future(id) });
export const output = (): Uint8Array => encodeFrame('OutputCommand', { value: VALUE });
export const end = (): Uint8Array => encodeFrame('End', {});
export const errorFrame = (behavior = 0): Uint8Array =>
  encodeFrame('Error', { code: 500, message: 'kaput', behavior });
/** An output of so many bytes. */
export const large = (bytes: number): Uint8Array =>
  encodeFrame('OutputCommand', { value: new Uint8Array(bytes) });

export const joined = (...frames: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(frames));

// ---- what the journal gets

export const command: Entry = { kind: 'command', type: 0x0411, frame: run(1) };
export const completed = (of: 'run' | 'sleep' | 'call', completionId: number): Entry => ({
  kind: 'completion',
  of,
  completionId,
  result: of === 'sleep' ? { kind: 'void' } : { kind: 'success', value: VALUE },
});
export const signal = (id: number | string): Entry => ({
  kind: 'signal',
  signal: id,
  result: { kind: 'void' },
});

// ---- as text

/** Frames by name, with the id that they are about. */
export function framesText(bytes: Uint8Array): string {
  const text = decodeFrames(bytes).map(frame => {
    const { name, message } = decodeFrame(frame);
    const { completionId, signalId } = message as { completionId?: number; signalId?: number };
    const id = completionId ?? signalId;
    return id === undefined ? name : `${name} ${id}`;
  });
  return text.join(', ');
}

const opText = (op: Op): string => {
  const name = op.op === 'runCompletion' ? 'result' : op.op;
  return 'completionId' in op ? `${name} ${op.completionId}` : name;
};
export const opsText = ({ ops }: Answer): string => ops.map(opText).join(', ');

export function outcomeText(outcome: EndedAttempt): string {
  if (outcome.kind === 'failed') {
    const { failure, nextRetryDelayMs, deterministic } = outcome;
    const wait = nextRetryDelayMs === undefined ? '' : ` in ${nextRetryDelayMs} ms`;
    return `failed ${failure.code}${wait}${deterministic ? ' for good' : ''}: ${failure.message}`;
  }
  const { end: how } = outcome.answer;
  const ops = opsText(outcome.answer);
  return `${how.kind}${ops === '' ? '' : ` with ${ops}`}`;
}
