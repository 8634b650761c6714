/**
 * One attempt as pure functions: what goes out, and what the answer means. Nothing here waits or knows a clock.
 */
import {
  contentTypeOf,
  decodeFrames,
  decodeInvocationId,
  type Frame,
  FrameWriter,
  ProtocolError,
} from '@holdfast/protocol';
import type { AttemptFailure, Deployment, Endpoint, Entry, Invocation, StateEntry } from '../core/model.ts';
import { type Answer, type IdSource, readAnswer } from '../format/answer.ts';
import { writeEntry } from '../format/entries.ts';
import { CodedError } from '../platform/error.ts';
import { classifyResponse, sdkErrorMessage } from './classify-response.ts';
import { PAYLOAD_BYTES_MAX } from './lambda-client.ts';
import type {
  ExchangeResult,
  HandlerRequest,
  HandlerResponse,
  RequestIdentity,
  TransportFailure,
} from './transport.ts';

export interface AttemptRequest {
  readonly request: HandlerRequest;
  /** Journal entries it carries. */
  readonly seenEntries: number;
}

export interface FailedAttempt {
  readonly failure: AttemptFailure;
  readonly nextRetryDelayMs?: number;
  /** The same attempt would fail the same way. */
  readonly deterministic?: boolean;
}

type AnsweredOutcome = { readonly kind: 'answered'; readonly answer: Answer };
export type FailedOutcome = { readonly kind: 'failed' } & FailedAttempt;
export type EndedAttempt = AnsweredOutcome | FailedOutcome;
export type AttemptOutcome = EndedAttempt | { readonly kind: 'throttled'; readonly retryAfterMs?: number };

export interface AttemptInput {
  readonly inv: Invocation;
  readonly journal: Iterable<Entry>;
  readonly deployment: Deployment;
  /** State of its key; undefined: none is sent, and the handler asks for what it reads. */
  readonly state: Iterable<StateEntry> | undefined;
  readonly nowMs: number;
  /** Signs what is sent. */
  readonly identity: RequestIdentity | undefined;
}

/** What Lambda allows is base64 in JSON, and envelope and headers need their share. */
const LAMBDA_BODY_BYTES_MAX = Math.floor((PAYLOAD_BYTES_MAX * 3) / 4) - 64 * 1024;

/** Start message, then the journal so far. */
export function encodeAttempt(input: AttemptInput, eagerStateBytesMax: number): AttemptRequest {
  const { inv, state, deployment, identity } = input;
  const { target, id } = inv;
  const version = inv.pinned?.protocolVersion ?? 0;
  const contentType = contentTypeOf(version);
  const path = `/invoke/${target.service}/${target.handler}`;
  const key = inv.role === 'service' ? undefined : target.key;
  const headers: Record<string, string> = {
    'content-type': contentType,
    accept: contentType,
    'x-restate-invocation-id': id,
  };
  if (key !== undefined) headers['x-restate-service-key'] = encodeURIComponent(key.toWellFormed());
  if (identity !== undefined) Object.assign(headers, identity.headersFor(path, key));
  for (const [name, value] of deployment.additionalHeaders) headers[name] = value;
  const room = bodyBytesMax(deployment.endpoint);
  const stateBytesMax = (journalBytes: number) => Math.min(eagerStateBytesMax, room - journalBytes);
  const body =
    state === undefined ? encodeBody(input, version) : withState(input, version, state, stateBytesMax);
  return { request: { method: 'POST', path, headers, body, invocationId: id }, seenEntries: inv.entries };
}

const bodyBytesMax = ({ kind }: Endpoint): number =>
  kind === 'lambda' ? LAMBDA_BODY_BYTES_MAX : Number.POSITIVE_INFINITY;

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
  stateBytesMax: (journalBytes: number) => number,
): Uint8Array {
  const entries = new FrameWriter();
  for (const entry of journal) writeEntry(entries, entry);
  const body = entries.finish();
  const frames = new FrameWriter();
  writeStart(frames, input, version, fitting(state, stateBytesMax(body.length)));
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
    ...(version >= 7 ? asCalled(inv) : {}),
  });
}

/** What its caller gave, as the handler may look at it. */
const asCalled = ({ target: { scope }, limitKey, idempotencyKey }: Invocation) => ({
  ...(scope === undefined ? {} : { scope }),
  ...(limitKey === undefined ? {} : { limitKey }),
  ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
});

/** What is held of an answer, or of a part of one: an answer is one record of the log. */
export const ANSWER_BYTES_MAX = 48 * 2 ** 20;

export function readAttempt(
  result: ExchangeResult,
  version: number,
  ids: IdSource,
  nowMs: number,
): AttemptOutcome {
  if (result.kind === 'throttled') return result;
  if (result.kind === 'failed') return failed(result.code, result.message, result);
  const refused = refusedBy(result, version, nowMs);
  if (refused !== undefined) return refused;
  return readFrames(() => decodeFrames(result.body), ids, version);
}

/** A head that is not that of an answer. */
export function refusedBy(
  { status, headers, body }: HandlerResponse,
  version: number,
  nowMs: number,
): FailedOutcome | undefined {
  const head = classifyResponse(status, headers, contentTypeOf(version), nowMs);
  if (head.kind !== 'failed') return undefined;
  const detail = sdkErrorMessage(body);
  const message = detail === undefined ? head.message : `${head.message}: ${detail}`;
  const { failure, ...rest } = failed(head.code, message, head);
  return { ...rest, failure: { ...failure, status: head.failureCode } };
}

/** An answer, or a part of one; what is no answer is a failed attempt. */
export function readFrames(
  decode: () => readonly Frame[],
  ids: IdSource,
  version: number,
): AnsweredOutcome | FailedOutcome {
  try {
    return { kind: 'answered', answer: readAnswer(decode(), ids, version) };
  } catch (error) {
    if (error instanceof CodedError)
      return failed(error.code, error.message, { deterministic: error.code === TOO_DEEP });
    if (error instanceof ProtocolError) return failed(...codeOf(error));
    throw error;
  }
}

const TOO_DEEP = 'RT0025';

function codeOf({ code, message }: ProtocolError): Parameters<typeof failed> {
  if (code === 'HF_PROTOCOL_NESTING') return [TOO_DEEP, message, { deterministic: true }];
  return [code === 'HF_PROTOCOL_TOO_LARGE' ? 'RT0003' : 'RT0012', message];
}

function failed(
  code: string,
  message: string,
  options: Pick<TransportFailure, 'retryAfterMs' | 'deterministic' | 'stack'> = {},
): { readonly kind: 'failed' } & FailedAttempt {
  const { retryAfterMs, deterministic, stack } = options;
  return {
    kind: 'failed',
    failure: { code, status: 500, message, ...(stack === undefined ? {} : { stack }) },
    ...(retryAfterMs === undefined ? {} : { nextRetryDelayMs: retryAfterMs }),
    ...(deterministic === undefined ? {} : { deterministic }),
  };
}
