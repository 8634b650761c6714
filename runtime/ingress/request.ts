/**
 * Reads what a request says beside its body: path segments, query, headers. Everything is checked here, once;
 * what a caller wrote is repeated in an error only in part.
 */
import { type Header, KEY_LENGTH_MAX } from '../core/model.ts';
import { parseDurationMs } from '../platform/duration.ts';
import type { HttpRequest } from '../platform/http-handler.ts';
import { Refusal } from './answers.ts';

const IDEMPOTENCY_KEY_LENGTH_MAX = 1024;
export const NAME_LENGTH_MAX = 255;
/** 100 years: later than anybody waits, and still a date. */
const DELAY_MS_MAX = 100 * 365.25 * 24 * 3600 * 1000;

/** Text of a caller, short enough to repeat. */
export function shown(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

export function badPath(path: string, why?: string): Refusal {
  return new Refusal(400, `bad path: ${shown(path)}${why === undefined ? '' : ` (${why})`}`);
}

/** The decoded segments of a path; slashes at its end do not count. */
export function pathSegments(path: string): string[] {
  let end = path.length;
  while (end > 1 && path.charCodeAt(end - 1) === 0x2f) end -= 1;
  if (path.charCodeAt(0) !== 0x2f || end === 1) throw badPath(path, 'expected /service/handler');
  // Bytes that are not ASCII arrive as Latin-1: taken as they are they would name another key than the one meant.
  if (NOT_ASCII.test(path)) throw badPath(path, 'a character that is not ASCII must be percent-encoded');
  const segments = path.slice(1, end).split('/');
  const encoded = path.includes('%');
  for (let i = 0; i < segments.length; i++) {
    const segment = segments[i] as string;
    if (segment === '') throw badPath(path, 'a segment is empty');
    if (encoded) segments[i] = decode(segment, () => badPath(path, 'malformed percent-encoding'));
  }
  return segments;
}

function decode(text: string, refusal: () => Refusal): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw refusal();
  }
}

/** The value of a query parameter that may be given once. */
export function queryParameter(query: string, name: string): string | undefined {
  let found: string | undefined;
  if (query === '') return undefined;
  for (const part of query.split('&')) {
    const equals = part.indexOf('=');
    const key = equals < 0 ? part : part.slice(0, equals);
    if (key !== name) continue;
    if (found !== undefined) throw new Refusal(400, `the query parameter ${name} is given more than once`);
    const value = equals < 0 ? '' : part.slice(equals + 1).replaceAll('+', ' ');
    found = decode(
      value,
      () => new Refusal(400, `the query parameter ${name} has malformed percent-encoding`),
    );
  }
  return found;
}

/** How long a send waits; undefined: not at all. */
export function delayOf(query: string): number | undefined {
  const text = queryParameter(query, 'delay');
  if (text === undefined) return undefined;
  const delayMs = parseDurationMs(text);
  if (delayMs === undefined) {
    throw new Refusal(
      400,
      `bad delay query parameter '${shown(text)}': write an ISO 8601 duration such as PT10S, or 500ms, 10s, 1h`,
    );
  }
  if (delayMs > DELAY_MS_MAX) throw new Refusal(400, 'the delay query parameter is longer than 100 years');
  return delayMs === 0 ? undefined : Math.ceil(delayMs);
}

export interface RequestHeaders {
  /** What the handler sees, the path first. */
  readonly forwarded: readonly Header[];
  readonly contentType: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly limitKey: string | undefined;
}

type HeaderUse = 'drop' | 'contentType' | 'idempotencyKey' | 'limitKey';
/**
 * Headers with a meaning here; all others are forwarded as they are. Credentials are not: what is forwarded is
 * journaled, and a journal outlives the request by its retention.
 */
const HEADER_USES: ReadonlyMap<string, HeaderUse> = new Map<string, HeaderUse>([
  ['connection', 'drop'],
  ['host', 'drop'],
  ['idempotency-expires', 'drop'],
  ['authorization', 'drop'],
  ['proxy-authorization', 'drop'],
  ['cookie', 'drop'],
  // Ours comes first; a second one could only be there to be mistaken for it.
  ['x-restate-ingress-path', 'drop'],
  ['idempotency-key', 'idempotencyKey'],
  ['content-type', 'contentType'],
  ['x-restate-limit-key', 'limitKey'],
]);

export function readHeaders(request: HttpRequest): RequestHeaders {
  const path = request.query === '' ? request.path : `${request.path}?${request.query}`;
  const forwarded: Header[] = [['x-restate-ingress-path', path]];
  let contentType: string | undefined;
  let idempotencyKey: string | undefined;
  let limitKey: string | undefined;
  for (const header of request.headers) {
    const use = HEADER_USES.get(header[0]);
    if (use === undefined) {
      forwarded.push(header);
    } else if (use === 'contentType') {
      contentType = once(header, contentType);
      forwarded.push(header);
    } else if (use === 'idempotencyKey') {
      idempotencyKey = checkedIdempotencyKey(once(header, idempotencyKey), 'the header idempotency-key');
    } else if (use === 'limitKey') {
      limitKey = once(header, limitKey);
      forwarded.push(header);
    }
  }
  return { forwarded, contentType, idempotencyKey, limitKey };
}

function once(header: Header, before: string | undefined): string {
  if (before !== undefined) throw new Refusal(400, `the header ${header[0]} is given more than once`);
  return header[1];
}

const VISIBLE_ASCII = /^[\x20-\x7e]+$/;
const NOT_ASCII = /[^\x21-\x7e]/;

/** The key of a virtual object or workflow as it may be used: any text that has a UTF-8 form. */
export function checkedKey(key: string): string {
  if (!key.isWellFormed())
    throw new Refusal(400, 'the key is not well-formed Unicode: it has a lone surrogate');
  if (key.length > KEY_LENGTH_MAX) {
    throw new Refusal(400, `the key is longer than ${KEY_LENGTH_MAX} characters`);
  }
  return key;
}

/** An idempotency key as it may be used; `what` names it in the error. */
export function checkedIdempotencyKey(key: string, what: string): string {
  if (key.length > IDEMPOTENCY_KEY_LENGTH_MAX) {
    throw new Refusal(400, `${what} is longer than ${IDEMPOTENCY_KEY_LENGTH_MAX} characters`);
  }
  if (!VISIBLE_ASCII.test(key)) {
    throw new Refusal(400, `${what} must be one or more visible ASCII characters`);
  }
  return key;
}
