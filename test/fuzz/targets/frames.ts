/**
 * Bodies of frames, as a handler's answer: the codec, whole and in chunks, and what the engine reads out of it.
 * What is read must survive the log: a record that cannot be read again would stop the partition for good.
 */
import { isDeepStrictEqual } from 'node:util';
import {
  decodeFrame,
  decodeFrames,
  encodeFrame,
  encodeInvocationId,
  type Frame,
  FrameDecoder,
  ProtocolError,
} from '@holdfast/protocol';
import type { CommandOf } from '../../../runtime/core/command.ts';
import type { InvocationId } from '../../../runtime/core/model.ts';
import { type Answer, type IdSource, readAnswer } from '../../../runtime/format/answer.ts';
import { decodeRecord, encodeRecord } from '../../../runtime/format/record.ts';
import { CodedError } from '../../../runtime/platform/error.ts';
import { mutateFrames } from '../mutate-frames.ts';
import { bodies } from '../seeds.ts';
import { demand, refusable, type Target, type Verdict } from '../target.ts';

const ID = encodeInvocationId(new Uint8Array(24).fill(7)) as InvocationId;
const ids: IdSource = {
  callee: () => ({ id: ID, randomSeed: 1n, deterministic: false }),
  idempotent: () => ID,
  workflow: () => ID,
};

const VERSIONS = [5, 6, 7] as const;

const hex = (frames: readonly Frame[]): string =>
  frames.map(({ bytes }) => Buffer.from(bytes).toString('hex')).join();

function inChunks(body: Uint8Array): Frame[] {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  // Sizes that cut headers and payloads alike.
  for (let at = 0, size = 1; at < body.length; at += size, size = (size * 3 + 1) % 23 || 5) {
    frames.push(...decoder.push(body.slice(at, at + size)));
  }
  decoder.end();
  return frames;
}

function checkRoundTrip(frame: Frame): void {
  const decoded = refusable(() => decodeFrame(frame), ProtocolError);
  if ('error' in decoded) return;
  const { name, message } = decoded.value;
  const [again] = decodeFrames(encodeFrame(name, message, frame.flags));
  demand(again !== undefined && again.type === frame.type && again.flags === frame.flags, 'another frame');
  demand(
    isDeepStrictEqual(decodeFrame(again).message, message),
    'a message changes when it is encoded again',
  );
}

function checkRecord({ ops, end }: Answer): void {
  const command: CommandOf<'attempt'> = {
    type: 'attempt',
    id: ID,
    attempt: 1,
    randomSeed: 1n,
    seenEntries: 0,
    ops,
    end: end.kind === 'suspended' ? end : { kind: 'completed' },
  };
  const { command: read } = decodeRecord(encodeRecord({ at: 1, command }));
  const same = read.type === 'attempt' && isDeepStrictEqual(plain(read), plain(command));
  demand(same, 'the record reads otherwise');
}

/** A Buffer and a view with the same bytes are the same. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([name, member]) => [name, plain(member)]);
}

function pass(body: Uint8Array): Verdict {
  const whole = refusable(() => decodeFrames(body), ProtocolError);
  const parts = refusable(() => inChunks(body), ProtocolError);
  if ('error' in whole) {
    const { error } = parts as { readonly error?: ProtocolError };
    demand(
      error?.code === (whole.error as ProtocolError).code,
      'chunks are refused otherwise than the whole',
    );
    return 'refused';
  }
  demand(
    'value' in parts && hex(parts.value) === hex(whole.value),
    'chunks give other frames than the whole',
  );
  for (const frame of whole.value) checkRoundTrip(frame);
  let verdict: Verdict = 'refused';
  for (const version of VERSIONS) {
    const answer = refusable(() => readAnswer(whole.value, ids, version), CodedError, ProtocolError);
    if ('error' in answer) continue;
    checkRecord(answer.value);
    verdict = 'accepted';
  }
  return verdict;
}

export const createTarget = (): Target => ({ seeds: bodies(), mutate: mutateFrames, pass });
