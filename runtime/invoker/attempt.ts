/**
 * One attempt as pure functions: what goes out, and what the answer means. Nothing here waits or knows a clock.
 */
import {
  contentTypeOf,
  decodeFrames,
  decodeInvocationId,
  FrameWriter,
  ProtocolError,
} from '@holdfast/protocol';
import type { AttemptFailure, Deployment, Entry, Invocation, StateEntry } from '../core/model.ts';
import { type Answer, type IdSource, readAnswer } from '../format/answer.ts';
import { writeEntry } from '../format/entries.ts';
import { CodedError } from '../platform/error.ts';
import { classifyFunctionError } from './aws-error.ts';
import { classifyResponse, sdkErrorMessage } from './classify-response.ts';
import { decodeInvokeResponse, encodeInvokeEvent } from './envelope.ts';
import { type LambdaResult, PAYLOAD_BYTES_MAX } from './lambda-client.ts';

export interface AttemptRequest {
  readonly payload: Uint8Array;
  /** Journal entries it carries. */
  readonly seenEntries: number;
}

export interface FailedAttempt {
  readonly failure: AttemptFailure;
  readonly nextRetryDelayMs?: number;
  /** The same attempt would fail the same way. */
  readonly deterministic?: boolean;
}

export type AttemptOutcome =
  | { readonly kind: 'answered'; readonly answer: Answer }
  | ({ readonly kind: 'failed' } & FailedAttempt)
  | { readonly kind: 'throttled'; readonly retryAfterMs?: number };

export interface AttemptInput {
  readonly inv: Invocation;
  readonly journal: Iterable<Entry>;
  readonly deployment: Deployment;
  /** State of its key; undefined: none is sent, and the handler asks for what it reads. */
  readonly state: Iterable<StateEntry> | undefined;
  readonly nowMs: number;
}

/** What Lambda allows is base64 in JSON, and envelope and headers need their share. */
const BODY_BYTES_MAX = Math.floor((PAYLOAD_BYTES_MAX * 3) / 4) - 64 * 1024;

/** Start message, then the journal so far, in the Lambda envelope. */
export function encodeAttempt(input: AttemptInput, eagerStateBytesMax: number): AttemptRequest {
  const { inv, state, deployment } = input;
  const { target, id } = inv;
  const version = inv.pinned?.protocolVersion ?? 0;
  const payload = encodeInvokeEvent({
    path: `/invoke/${target.service}/${target.handler}`,
    contentType: contentTypeOf(version),
    invocationId: id,
    ...(inv.role === 'service' ? {} : { key: target.key }),
    ...(deployment.additionalHeaders.length === 0
      ? {}
      : { extraHeaders: Object.fromEntries(deployment.additionalHeaders) }),
    body:
      state === undefined ? encodeBody(input, version) : withState(input, version, state, eagerStateBytesMax),
  });
  return { payload, seenEntries: inv.entries };
}

function encodeBody({ journal, ...input }: AttemptInput, version: number): Uint8Array {
  const frames = new FrameWriter();
  writeStart(frames, input, version, { entries: [], isPartial: true });
  for (const entry of journal) writeEntry(frames, entry);
  return frames.finish();
}

/** The journal has to be sent; state gets the room that is left. */
function withState(
  { journal, ...input }: AttemptInput,
  version: number,
  state: Iterable<StateEntry>,
  eagerStateBytesMax: number,
): Uint8Array {
  const entries = new FrameWriter();
  for (const entry of journal) writeEntry(entries, entry);
  const body = entries.finish();
  const frames = new FrameWriter();
  writeStart(
    frames,
    input,
    version,
    fitting(state, Math.min(eagerStateBytesMax, BODY_BYTES_MAX - body.length)),
  );
  frames.raw(body);
  return frames.finish();
}

interface EagerState {
  readonly entries: readonly StateEntry[];
  readonly isPartial: boolean;
}

/** Entries that do not fit, after which no further ones are looked at. */
const MISSED_MAX = 100;

/** The entries that fit, in order; a large one does not keep out those behind it. */
function fitting(state: Iterable<StateEntry>, bytesMax: number): EagerState {
  const entries: StateEntry[] = [];
  let isPartial = false;
  let missed = 0;
  let left = bytesMax;
  for (const entry of state) {
    // Tags and lengths take a few bytes.
    const size = Buffer.byteLength(entry[0]) + entry[1].length + 16;
    if (size > left) {
      isPartial = true;
      // The rest of a huge state need not be read to be left out.
      if (++missed === MISSED_MAX) break;
    } else {
      entries.push(entry);
      left -= size;
    }
  }
  return { entries, isPartial };
}

function writeStart(
  frames: FrameWriter,
  { inv, nowMs }: Pick<AttemptInput, 'inv' | 'nowMs'>,
  version: number,
  { entries, isPartial }: EagerState,
): void {
  frames.frame('Start', {
    id: decodeInvocationId(inv.id),
    debugId: inv.id,
    knownEntries: inv.entries,
    ...(entries.length === 0
      ? {}
      : { stateMap: entries.map(([key, value]) => ({ key: Buffer.from(key), value })) }),
    partialState: isPartial,
    key: inv.target.key,
    retryCountSinceLastStoredEntry: inv.retryCount,
    durationSinceLastStoredEntry: Math.max(0, nowMs - inv.modifiedAt),
    ...(version >= 6 ? { randomSeed: inv.randomSeed } : {}),
  });
}

/** A request that Lambda would refuse every time; sending it would only look like a passing failure. */
export function tooLarge({ payload }: AttemptRequest): FailedAttempt | undefined {
  if (payload.length <= PAYLOAD_BYTES_MAX) return undefined;
  return {
    deterministic: true,
    failure: {
      code: 'HF_JOURNAL_TOO_LARGE',
      status: 500,
      message:
        `The journal takes ${payload.length} bytes as a Lambda request, the limit is ${PAYLOAD_BYTES_MAX}. ` +
        'Keep large values outside and pass references, or split the handler.',
    },
  };
}

export function readAttempt(
  result: LambdaResult,
  arn: string,
  version: number,
  ids: IdSource,
  nowMs: number,
): AttemptOutcome {
  if (result.kind === 'throttled') {
    return {
      kind: 'throttled',
      ...(result.retryAfterMs === undefined ? {} : { retryAfterMs: result.retryAfterMs }),
    };
  }
  if (result.kind === 'failed') return failed(result.code, result.message, result);
  if (result.functionError !== undefined) {
    const error = classifyFunctionError(arn, result.functionError, result.payload);
    return error.kind === 'failed' ? failed(error.code, error.message, error) : error;
  }
  try {
    return readBody(result.payload, version, ids, nowMs);
  } catch (error) {
    if (error instanceof CodedError) return failed(error.code, error.message);
    if (error instanceof ProtocolError) return failed('RT0012', error.message);
    throw error;
  }
}

function readBody(payload: Uint8Array, version: number, ids: IdSource, nowMs: number): AttemptOutcome {
  const { statusCode, headers, body } = decodeInvokeResponse(payload);
  const head = classifyResponse(statusCode, headers, contentTypeOf(version), nowMs);
  if (head.kind === 'failed') {
    const detail = sdkErrorMessage(body);
    const message = detail === undefined ? head.message : `${head.message}: ${detail}`;
    const { failure, ...rest } = failed(head.code, message, head);
    return { ...rest, failure: { ...failure, status: head.failureCode } };
  }
  return { kind: 'answered', answer: readAnswer(decodeFrames(body), ids) };
}

function failed(
  code: string,
  message: string,
  options: { readonly retryAfterMs?: number; readonly deterministic?: boolean } = {},
): { readonly kind: 'failed' } & FailedAttempt {
  const { retryAfterMs, deterministic } = options;
  return {
    kind: 'failed',
    failure: { code, status: 500, message },
    ...(retryAfterMs === undefined ? {} : { nextRetryDelayMs: retryAfterMs }),
    ...(deterministic === undefined ? {} : { deterministic }),
  };
}
