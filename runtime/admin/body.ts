/**
 * JSON bodies of requests. What is no JSON of the expected shape is 422 in plain text, as it is for clients of the
 * Restate admin API; what is well formed and not acceptable is 400.
 */
import { type HttpRequest, headerOf } from '../platform/http-handler.ts';
import { Refusal, refuse, text } from './answers.ts';

export type Body = Readonly<Record<string, unknown>>;

/** Room for everything but the state of an object. */
export const BODY_BYTES_MAX = 1024 * 1024;

export function unreadable(why: string): Refusal {
  return new Refusal(text(422, `cannot read the JSON body: ${why}`));
}

/** A form or text body is what a page of another origin can send without being asked for permission. */
export function readBody(request: HttpRequest, bytesMax = BODY_BYTES_MAX): Body {
  const contentType = headerOf(request, 'content-type') ?? '';
  if (!/^application\/(json|[^;]*\+json)\s*(;|$)/i.test(contentType)) {
    throw new Refusal(text(415, 'send the body with content-type: application/json'));
  }
  const bytes = request.takeBody();
  if (bytes.byteLength > bytesMax) throw refuse(413, `the body has more than ${bytesMax} bytes`);
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    // Bytes that are no UTF-8 are a TypeError.
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    throw unreadable(error.message);
  }
  return asObject(body, 'it');
}

export function asObject(value: unknown, what: string): Body {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw unreadable(`${what} is not an object`);
  }
  return value as Body;
}

/** A misspelt setting must not look as if it were applied. */
export function onlyFields(body: Body, known: readonly string[], within = ''): void {
  const unknown = Object.keys(body).filter(field => !known.includes(field));
  if (unknown.length === 0) return;
  const names = unknown.slice(0, 10).map(field => `'${within}${field.slice(0, 100)}'`);
  throw refuse(400, `The request has unknown fields: ${names.join(', ')}. Known are: ${known.join(', ')}.`);
}

/** `null` stands for an absent field. */
export function fieldOf(body: Body, field: string): unknown {
  return body[field] ?? undefined;
}

export function flag(body: Body, field: string): boolean | undefined {
  const value = fieldOf(body, field);
  if (value === undefined || typeof value === 'boolean') return value;
  throw unreadable(`"${field}" is not true or false`);
}

export function textField(body: Body, field: string): string | undefined {
  const value = fieldOf(body, field);
  if (value === undefined || typeof value === 'string') return value;
  throw unreadable(`"${field}" is not a string`);
}

export function strings(body: Body, field: string): Readonly<Record<string, string>> | undefined {
  const value = fieldOf(body, field);
  if (value === undefined) return undefined;
  const record: Record<string, string> = Object.create(null);
  for (const [name, member] of Object.entries(asObject(value, `"${field}"`))) {
    if (name === '__proto__') throw unreadable(`"${field}" must not have "__proto__"`);
    if (typeof member !== 'string') throw unreadable(`"${field}" holds something other than strings`);
    record[name] = member;
  }
  return record;
}
