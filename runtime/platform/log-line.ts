/** How an event becomes a line: values made plain, credentials redacted, lengths bounded. Pure. */

import type { LogFields, LogLevel } from './ports.ts';

export type LogStyle = 'json' | 'pretty';

const LINE_CHARS_MAX = 16_384;
const TEXT_CHARS_MAX = 8192;
const ITEMS_MAX = 100;
const DEPTH_MAX = 6;

const REDACTED = '[redacted]';
const CREDENTIAL_NAME =
  /authori[sz]ation|cookie|passw|passphrase|secret|token|credential|signature|apikey|privatekey|accesskey|signingkey/;
/** `Bearer abc`, `Basic abc`, credentials in URLs and in the query strings AWS signs. */
const CREDENTIAL_TEXT =
  /\b(Bearer|Basic)\s+[\w.~+/=-]+|(:\/\/)[^\s/@:]*:[^\s/@]*@|(X-Amz-(?:Signature|Security-Token|Credential)=)[^&\s"]+/gi;
const RESERVED = new Set(['time', 'level', 'event']);
/** C0 except newline and tab, DEL, C1: what could steer a terminal. JSON escapes only C0. */
const CONTROL = /(?![\n\t])\p{Cc}/gu;

export function renderLine(
  style: LogStyle,
  nowMs: number,
  level: LogLevel,
  event: string,
  fields: LogFields | undefined,
): string {
  const time = timeText(nowMs);
  const name = shorten(String(event), 200);
  const plainFields = fields === undefined ? {} : plainObject(fields, 0, []);
  return style === 'json'
    ? jsonLine(time, level, name, plainFields)
    : prettyLine(time, level, name, plainFields);
}

function jsonLine(time: string, level: LogLevel, event: string, fields: PlainObject): string {
  const line = { time, level, event };
  const own = Object.entries(fields).map(([key, value]) => [RESERVED.has(key) ? `field_${key}` : key, value]);
  const text = JSON.stringify({ ...line, ...Object.fromEntries(own) });
  if (text.length <= LINE_CHARS_MAX) return `${text}\n`;
  // Escaping can double a text's length, so half the room is certain to be enough.
  const truncated = JSON.stringify(fields).slice(0, LINE_CHARS_MAX / 2 - 512);
  return `${JSON.stringify({ ...line, truncated })}\n`;
}

function prettyLine(time: string, level: LogLevel, event: string, fields: PlainObject): string {
  const stacks: string[] = [];
  const shown = Object.entries(fields).map(([key, value]) => ` ${key}=${prettyValue(value, stacks)}`);
  const line = `${time} ${level.toUpperCase().padEnd(5)} ${event}${shown.join('')}`;
  const text = [line.replaceAll('\n', ' '), ...stacks].join('\n');
  return `${shorten(text, LINE_CHARS_MAX).replace(CONTROL, '?')}\n`;
}

/** An error's stack goes below the line, where it can be read. */
function prettyValue(value: Plain, stacks: string[]): string {
  if (typeof value === 'string') return /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return JSON.stringify(value);
  const { stack, ...rest } = value as PlainObject;
  if (typeof stack !== 'string') return JSON.stringify(value);
  stacks.push(stack);
  return JSON.stringify(rest);
}

type Plain = string | number | boolean | null | readonly Plain[] | PlainObject;
type PlainObject = { readonly [name: string]: Plain };

function plain(value: unknown, depth: number, ancestors: readonly object[]): Plain {
  switch (typeof value) {
    case 'string':
      return plainText(value);
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'boolean':
      return value;
    case 'object':
      return value === null ? null : plainReference(value, depth, ancestors);
    case 'function':
      return '[function]';
    default:
      return String(value);
  }
}

function plainReference(value: object, depth: number, ancestors: readonly object[]): Plain {
  if (ancestors.includes(value)) return '[circular]';
  if (depth >= DEPTH_MAX) return '[too deep]';
  if (value instanceof Date) return timeText(value.getTime());
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  const inside = [...ancestors, value];
  if (value instanceof Error) return plainError(value, depth, inside);
  if (value instanceof Map) return plainObject(Object.fromEntries(value), depth, inside);
  if (value instanceof Set) return plain([...value], depth, ancestors);
  if (!Array.isArray(value)) return plainObject(value, depth, inside);
  const items = value.slice(0, ITEMS_MAX).map(item => plain(item, depth + 1, inside));
  return value.length > ITEMS_MAX ? [...items, `[${value.length - ITEMS_MAX} more]`] : items;
}

function plainError(error: Error, depth: number, inside: readonly object[]): PlainObject {
  return plainObject(
    {
      name: error.name,
      ...('code' in error ? { code: error.code } : {}),
      message: error.message,
      ...(error.stack === undefined ? {} : { stack: error.stack }),
      ...(error.cause === undefined ? {} : { cause: error.cause }),
      ...(error instanceof AggregateError ? { errors: error.errors } : {}),
    },
    depth,
    inside,
  );
}

/** A property that throws when it is read, or a proxy that throws at everything, becomes a text. */
function plainObject(value: object, depth: number, inside: readonly object[]): PlainObject {
  try {
    const names = Object.keys(value);
    const entries = names
      .slice(0, ITEMS_MAX)
      .map(name => [shorten(name, 200), plainField(value, name, depth, inside)] as const);
    if (names.length > ITEMS_MAX) entries.push(['…', `[${names.length - ITEMS_MAX} more]`]);
    return Object.fromEntries(entries);
  } catch (error) {
    return { unreadable: String(error) };
  }
}

function plainField(owner: object, name: string, depth: number, inside: readonly object[]): Plain {
  if (CREDENTIAL_NAME.test(name.toLowerCase().replaceAll(/[-_. ]/g, ''))) return REDACTED;
  try {
    return plain((owner as Readonly<Record<string, unknown>>)[name], depth + 1, inside);
  } catch {
    return '[unreadable]';
  }
}

function plainText(text: string): string {
  return shorten(text, TEXT_CHARS_MAX).replace(CREDENTIAL_TEXT, (_all, scheme, url, query) => {
    if (url !== undefined) return `${url}${REDACTED}@`;
    return query !== undefined ? `${query}${REDACTED}` : `${scheme} ${REDACTED}`;
  });
}

function shorten(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax)}… (${text.length} characters)`;
}

function timeText(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : String(ms);
}
