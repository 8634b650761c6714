/**
 * The JSON envelope around an invocation of a handler behind Lambda: the event that goes in, the object that
 * comes out. Pure.
 *
 * Invariants: an event has exactly the keys that every SDK reads, its header names are lower case, and it is
 * plain ASCII, so that its length in characters is its length in bytes. A response is taken whole or refused
 * with RT0012: wrong types, invalid base64 and header names that differ only in case are errors, never guesses.
 */

import { isUtf8 } from 'node:buffer';
import { CodedError } from '../platform/error.ts';

export type HeaderMap = Readonly<Record<string, string>>;

export interface InvokeResponse {
  readonly statusCode: number;
  /** Lower-case names; no prototype. */
  readonly headers: HeaderMap;
  readonly body: Uint8Array;
}

/**
 * Bounds on the headers of a response; an SDK sends three. Names and values together, in characters.
 */
const HEADERS_MAX = 128;
const HEADER_CHARS_MAX = 32 * 1024;

const EVENT_END = '","isBase64Encoded":true}';

/** What goes into an event; a transport's `HandlerRequest` is one. */
export interface EventRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Lower-case names, written in their order. */
  readonly headers: HeaderMap;
  readonly body: Uint8Array;
}

/** Built by concatenation and written once: `JSON.stringify` would copy a body of megabytes three times more. */
export function encodeEvent(request: EventRequest): Uint8Array {
  const head = eventHead(request);
  const { body } = request;
  const base64 = Buffer.from(body.buffer, body.byteOffset, body.length).toString('base64');
  const bytes = Buffer.allocUnsafe(head.length + base64.length + EVENT_END.length);
  bytes.write(head, 0, 'latin1');
  bytes.write(base64, head.length, 'latin1');
  bytes.write(EVENT_END, head.length + base64.length, 'latin1');
  return bytes;
}

/** How long the event is, without building it: a body may have hundreds of megabytes. */
export function eventBytes(request: EventRequest): number {
  return eventHead(request).length + Math.ceil(request.body.length / 3) * 4 + EVENT_END.length;
}

function eventHead({ method, path, headers }: EventRequest): string {
  let head = `{"path":${jsonString(path)},"httpMethod":"${method}","headers":{`;
  let separator = '';
  for (const name in headers) {
    head += separator + memberName(name) + jsonString(headers[name] ?? '');
    separator = ',';
  }
  return `${head}},"body":"`;
}

/** Names of headers are few, and the same for every call. */
const MEMBER_NAMES_MAX = 1000;
const memberNames = new Map<string, string>();

function memberName(name: string): string {
  let text = memberNames.get(name);
  if (text === undefined) {
    text = `${jsonString(name)}:`;
    if (memberNames.size < MEMBER_NAMES_MAX) memberNames.set(name, text);
  }
  return text;
}

/** Characters that JSON takes as they are, in ASCII: space to tilde without quote and backslash. */
const PLAIN = /^[ !#-[\]-~]*$/;

function jsonString(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Throws RT0012 with what is wrong. */
export function decodeInvokeResponse(bytes: Uint8Array): InvokeResponse {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (buffer.length >= LARGE_BYTES_MIN) {
    const response = decodeBodyLast(buffer);
    if (response !== undefined) return response;
  }
  if (!isUtf8(buffer)) throw malformed('it is not UTF-8');
  return fromObject(parseJson(buffer.toString()));
}

/** From here on, keeping the body out of `JSON.parse` is measurable; at 3 MB it saves two thirds. */
const LARGE_BYTES_MIN = 16 * 1024;
const BODY_LAST = ',"body":"';

/**
 * A response whose last member is a base64 body, as the TypeScript SDK writes it: the text before the body is
 * parsed with an empty body in its place, and the body is decoded from where it lies. Unescaped quotes occur in
 * JSON only as delimiters, so the first match is a member name; if it is not one of the outermost object, or
 * something follows the body, what remains is not valid JSON or base64 and the ordinary way decides.
 */
function decodeBodyLast(buffer: Buffer): InvokeResponse | undefined {
  const at = buffer.subarray(0, HEADER_CHARS_MAX).indexOf(BODY_LAST, 0, 'latin1');
  const start = at + BODY_LAST.length;
  const end = buffer.length - 2;
  // A quote at the very end may be the one that opens the body.
  if (at < 0 || end < start || buffer[end] !== 0x22 || buffer[end + 1] !== 0x7d) return undefined;
  const head = buffer.subarray(0, start);
  if (!isUtf8(head)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(`${head.toString()}"}`);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (!isObject(value) || value['isBase64Encoded'] !== true) return undefined;
  const body = decodeBase64(buffer.toString('latin1', start, end));
  return body === undefined ? undefined : { ...fromObject(value), body };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw malformed('it is not JSON');
    throw error;
  }
}

function fromObject(value: unknown): InvokeResponse {
  if (!isObject(value)) throw malformed('it is not a JSON object');
  // Own members only: "__proto__" in the input is one, and "constructor" is not.
  const member = (name: string): unknown => (Object.hasOwn(value, name) ? value[name] : undefined);
  const statusCode = member('statusCode');
  if (typeof statusCode !== 'number' || !Number.isInteger(statusCode)) {
    throw malformed("'statusCode' is missing or not an integer");
  }
  if (statusCode < 100 || statusCode > 999) throw malformed(`'statusCode' is ${statusCode}`);
  const encoded = member('isBase64Encoded') ?? false;
  if (typeof encoded !== 'boolean') throw malformed("'isBase64Encoded' is not a boolean");
  const text = member('body') ?? '';
  if (typeof text !== 'string') throw malformed("'body' is not a string");
  const body = encoded ? decodeBase64(text) : Buffer.from(text);
  if (body === undefined) throw malformed("'body' is not valid base64");
  return { statusCode, headers: headerMap(member('headers') ?? {}), body };
}

function headerMap(value: unknown): HeaderMap {
  if (!isObject(value)) throw malformed("'headers' is not an object");
  const headers: Record<string, string> = Object.create(null);
  const names = Object.keys(value);
  if (names.length > HEADERS_MAX) throw malformed(`it has more than ${HEADERS_MAX} headers`);
  let chars = 0;
  for (const name of names) {
    const text = value[name];
    if (typeof text !== 'string') throw malformed(`header '${name.slice(0, 100)}' is not a string`);
    const lower = name.toLowerCase();
    if (lower in headers) throw malformed(`header '${lower.slice(0, 100)}' occurs twice`);
    chars += name.length + text.length;
    if (chars > HEADER_CHARS_MAX) throw malformed(`its headers exceed ${HEADER_CHARS_MAX} characters`);
    headers[lower] = text;
  }
  return headers;
}

/**
 * Standard, padded base64, or undefined. `Buffer` skips what it does not know and takes the URL-safe alphabet
 * too, so a complete decoding is recognized by its length, and `-` and `_` are looked for.
 */
function decodeBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== (text.length / 4) * 3 - padding) return undefined;
  return text.includes('-') || text.includes('_') ? undefined : bytes;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(reason: string): CodedError {
  return new CodedError(
    'RT0012',
    `The function's response is malformed: ${reason}. Is its handler that of a Restate or Holdfast SDK?`,
  );
}
