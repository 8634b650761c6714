/**
 * How ingress answers: the CORS headers that every response carries, results, and errors.
 *
 * Invariants: every error is JSON with a code, a message and its source, `ingress` for what never reached a
 * handler and `invocation` for how an invocation ended; a caller tells the two apart by `x-restate-error-source`.
 */
import type { Failure, HandlerOutput, Header } from '../core/model.ts';
import type { Reply } from '../partition/engine.ts';
import type { HttpReply } from '../platform/http-handler.ts';
import { formatInstantOffset } from '../platform/rfc3339.ts';

/** Thrown where a request turns out not to be acceptable; not an `Error`, because nobody wants its stack. */
export class Refusal {
  readonly status: number;
  readonly message: string;
  constructor(status: number, message: string) {
    this.status = status;
    this.message = message;
  }
}

/** A client to answer: the reply and the origin of the page that asks, if it is one. */
export interface Caller {
  readonly reply: HttpReply;
  readonly origin: string | undefined;
}

const CORS = [
  'access-control-allow-credentials',
  'true',
  'vary',
  'origin, access-control-request-method, access-control-request-headers',
];

/** What pages of other origins may read. The client of the SDK needs all of them. */
const EXPOSED = 'x-restate-id, x-restate-error-source, retry-after, idempotency-expires';

function cors(origin: string | undefined): string[] {
  const headers = CORS.slice();
  if (origin !== undefined) {
    headers.push('access-control-allow-origin', origin);
    headers.push('access-control-expose-headers', EXPOSED);
  }
  return headers;
}

/** Any origin may call with any method and headers, and asks first. */
export function sendPreflight(caller: Caller, method: string | undefined, names: string | undefined): void {
  const headers = cors(caller.origin);
  if (method !== undefined) headers.push('access-control-allow-methods', method);
  if (names !== undefined) headers.push('access-control-allow-headers', names);
  caller.reply.send(200, headers);
}

export function sendEmpty(caller: Caller, status: number): void {
  caller.reply.send(status, cors(caller.origin));
}

export function sendJson(caller: Caller, status: number, body: unknown, id?: string): void {
  const headers = cors(caller.origin);
  headers.push('content-type', 'application/json');
  if (id !== undefined) headers.push('x-restate-id', id);
  caller.reply.send(status, headers, JSON.stringify(body));
}

/** Headers and body of an error that no handler caused; also what the listener sends by itself. */
export function ingressError(status: number, message: string, origin?: string): [string[], string] {
  const headers = cors(origin);
  headers.push('content-type', 'application/json', 'x-restate-error-source', 'ingress');
  if (status === 429 || status === 503) headers.push('retry-after', '1');
  return [headers, JSON.stringify({ code: status, message, source: 'ingress' })];
}

export function sendRefusal(caller: Caller, refusal: Refusal): void {
  const [headers, body] = ingressError(refusal.status, refusal.message, caller.origin);
  caller.reply.send(refusal.status, headers, body);
}

/** `output` describes what the handler returns, if it is still known. */
export function sendResult(caller: Caller, reply: Reply, output: HandlerOutput | undefined): void {
  const { id, result, expiresAt } = reply;
  if (result.kind === 'failure') {
    sendFailure(caller, id, result.failure, expiresAt);
    return;
  }
  const headers = cors(caller.origin);
  const contentType = output === undefined ? DEFAULT_OUTPUT : output.contentType;
  if (contentType !== undefined && (result.value.byteLength > 0 || output?.setContentTypeIfEmpty === true)) {
    // A manifest may say anything; a value that is no header would make the answer impossible to send.
    if (SENDABLE.test(contentType)) headers.push('content-type', contentType);
  }
  headers.push('x-restate-id', id);
  if (expiresAt !== undefined) headers.push('idempotency-expires', formatInstantOffset(expiresAt));
  caller.reply.send(200, headers, result.value);
}

/** What a handler returns that does not say so. */
const DEFAULT_OUTPUT = 'application/json';
const SENDABLE = /^[\x20-\x7e]+$/;

export function sendFailure(caller: Caller, id: string, failure: Failure, expiresAt?: number): void {
  const headers = cors(caller.origin);
  headers.push('content-type', 'application/json', 'x-restate-error-source', 'invocation');
  headers.push('x-restate-id', id);
  if (expiresAt !== undefined) headers.push('idempotency-expires', formatInstantOffset(expiresAt));
  const body = {
    code: failure.code,
    message: failure.message,
    ...(failure.metadata !== undefined && failure.metadata.length > 0
      ? { metadata: asRecord(failure.metadata) }
      : {}),
    source: 'invocation',
  };
  caller.reply.send(statusOf(failure.code), headers, JSON.stringify(body));
}

function asRecord(pairs: readonly Header[]): Record<string, string> {
  const record: Record<string, string> = Object.create(null);
  for (const [name, value] of pairs) record[name] = value;
  return record;
}

/**
 * The code of a failure is the status, where HTTP can carry it: 1xx is no final answer, 204, 205 and 304 have no
 * body to say what went wrong in, and HTTP/2 ends at 599.
 */
export function statusOf(code: number): number {
  const carries = Number.isInteger(code) && code >= 200 && code <= 599;
  return carries && code !== 204 && code !== 205 && code !== 304 ? code : 500;
}
