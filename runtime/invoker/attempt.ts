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
import type { AttemptFailure, Deployment, Entry, Invocation } from '../core/model.ts';
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

/** Start message, then the journal so far, in the Lambda envelope. */
export function encodeAttempt(
  inv: Invocation,
  journal: Iterable<Entry>,
  deployment: Deployment,
  nowMs: number,
): AttemptRequest {
  const { target, id } = inv;
  const version = inv.pinned?.protocolVersion ?? 0;
  const frames = new FrameWriter();
  frames.frame('Start', {
    id: decodeInvocationId(id),
    debugId: id,
    knownEntries: inv.entries,
    partialState: true,
    key: target.key,
    retryCountSinceLastStoredEntry: inv.retryCount,
    durationSinceLastStoredEntry: Math.max(0, nowMs - inv.modifiedAt),
    ...(version >= 6 ? { randomSeed: inv.randomSeed } : {}),
  });
  for (const entry of journal) writeEntry(frames, entry);
  const payload = encodeInvokeEvent({
    path: `/invoke/${target.service}/${target.handler}`,
    contentType: contentTypeOf(version),
    invocationId: id,
    ...(target.key === '' ? {} : { key: target.key }),
    ...(deployment.additionalHeaders.length === 0
      ? {}
      : { extraHeaders: Object.fromEntries(deployment.additionalHeaders) }),
    body: frames.finish(),
  });
  return { payload, seenEntries: inv.entries };
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
