/**
 * Where a replay is more than the recording: what came before it, calls that were recorded in a line only, and frames
 * that ours writes otherwise on purpose. Every row says why.
 */
import { decodeInvocationId, encodeAwakeableId, FrameWriter } from '@holdfast/protocol';
import type { Comparable } from './comparable.ts';
import type { ClientCall } from './recording.ts';

export interface Deviation {
  readonly why: string;
  readonly before?: readonly { readonly call: ClientCall; readonly answer: Uint8Array }[];
  /** In place of the recorded ones. */
  readonly calls?: readonly ClientCall[];
  /** Conversations whose clients were there before a handler had answered. */
  readonly together?: readonly number[];
  /** In which order conversations go on where several could; else as they began. */
  readonly order?: readonly number[];
}

const post = (url: string, body: string, idempotencyKey?: string): ClientCall => ({
  method: 'POST',
  url,
  headers: idempotencyKey === undefined ? [] : [['idempotency-key', idempotencyKey]],
  body,
});
const answered = (call: ClientCall, body: string): ClientCall => ({
  ...call,
  answer: { status: 200, body, id: undefined },
});

function output(value: string): Uint8Array {
  const frames = new FrameWriter();
  frames.frame('OutputCommand', { value: Buffer.from(value) });
  frames.frame('End', {});
  return frames.finish();
}

const AWAITER = 'inv_15giwVmUpCD22cAMcfEVBQbZM3I7gE5Xho';
const resolve = (signal: number, body: string): ClientCall =>
  post(`/restate/awakeables/${encodeAwakeableId(decodeInvocationId(AWAITER), signal)}/resolve`, body);

export const DEVIATIONS: Readonly<Record<string, Deviation>> = {
  'v6-thirdparty-attachIdempotent': {
    why: 'the request that is attached to was made before the recording begins',
    before: [{ call: post('/P/b', '', 'k1'), answer: output('"B"') }],
  },
  'v6-thirdparty-getOutputCompleted': {
    why: 'the keys of the requests were not recorded with them',
    calls: [answered(post('/P/b', '', 'k1'), '"B"'), answered(post('/P/a', ''), '"done"')],
  },
  'v6-thirdparty-getOutputRunning': {
    why: 'the keys of the requests were not recorded with them',
    calls: [post('/P/b/send', '', 'k2'), answered(post('/P/a', ''), '"done"')],
  },
  'v6-thirdparty-duplicateSignal': {
    why: 'of the calls only the answers were recorded',
    calls: [post('/P/c/send', ''), resolve(17, '{"n": 1}'), resolve(17, '{"n": 2}'), resolve(18, '{"n": 3}')],
  },
  'v6-workflowReject': {
    why: 'the second client came so soon that the state the first handler sets was not there yet',
    together: [0, 1],
  },
  'v7-cancelOneWay': {
    why: 'the callee began to sleep before its caller had said that it is to be cancelled',
    order: [0, 2, 1, 3],
  },
};

/** Of clients that gave none: a ULID. */
const MINTED_KEY = /^[0-9A-HJKMNP-TV-Z]{26}$/;

/** What differs in every scenario of a version. */
export function expected(recorded: Comparable, protocolVersion: number): Comparable {
  if (recorded.name !== 'Start') return recorded;
  // The field is one of V6. An SDK that speaks V5 does not know it; ours leaves out what was not agreed on.
  if (protocolVersion < 6) return { ...recorded, hasSeed: false };
  // The recorded server makes a key for calls that wait and have none, so that it can send them again by itself. Ours
  // gives the handler the key that its client gave.
  const { idempotencyKey, ...rest } = recorded;
  return typeof idempotencyKey === 'string' && MINTED_KEY.test(idempotencyKey) ? rest : recorded;
}
