/**
 * The reading half of the codec: one message out of bytes.
 *
 * Invariants: whatever the bytes, the outcome is a message or a `ProtocolError`; no byte outside
 * `[start, end)` is read; recursion is bounded by `MAX_NESTING`, and what is allocated by the input's length
 * and `MAX_ELEMENTS`. `bytes` and `value` fields are views into the input, not copies.
 *
 * Rules, those of protobuf: a singular scalar that occurs again is replaced, a message is merged, a list is
 * appended to; of a oneof the last member stays. Unknown fields are skipped, but for groups, which proto3 has not:
 * they are refused. `uint32` (and with it the enums)
 * is taken modulo 2^32. Stricter than some: a varint above 64 bits, a known field with another wire type and
 * text that is not UTF-8 are errors.
 */

import { MAX_NESTING, tooDeep } from './encode.ts';
import { ProtocolError } from './error.ts';
import { BOOL, BYTES, STRING, TIME, UINT32, VALUE, VOID } from './kinds.ts';
import {
  DELIMITED,
  type Draft,
  EMPTY,
  FIXED32,
  FIXED64,
  type FieldPlan,
  NO_ELEMENTS,
  type Plan,
  rivalsOf,
  u64,
  u64Halves,
  VARINT,
} from './plan.ts';

/**
 * Repeated elements in one message, nested ones included. An empty header takes two bytes on the wire and
 * fifty in memory; this bounds the difference.
 */
export const MAX_ELEMENTS = 1 << 20;

const textDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// The second results of `readVarint`. Decoding is synchronous, so one of each is enough.
let cursor = 0;
let high = 0;
let elements = 0;

export function readWholeMessage(plan: Plan, bytes: Uint8Array): Draft {
  elements = 0;
  return readMessage(plan, bytes, 0, bytes.length, 0, undefined);
}

function readMessage(
  plan: Plan,
  bytes: Uint8Array,
  start: number,
  end: number,
  depth: number,
  existing: Draft | undefined,
): Draft {
  const message = existing ?? { ...plan.defaults };
  const byTag = plan.byTag;
  // The oneofs that may have a member: unknown, hence all, when merging.
  let oneofs = existing ? -1 : 0;
  let at = start;
  while (at < end) {
    let tag = bytes[at] as number;
    if (tag < 0x80) at++;
    else {
      tag = readTag(bytes, at, end);
      at = cursor;
    }
    const field = tag < byTag.length ? byTag[tag] : undefined;
    if (!field) {
      at = skipUnknown(plan, tag, bytes, at, end);
      continue;
    }
    if (field.oneof !== 0) {
      if ((oneofs & field.oneof) !== 0) for (const rival of rivalsOf(plan, field)) delete message[rival];
      oneofs |= field.oneof;
    }
    let number = at < end ? (bytes[at] as number) : 0x80;
    if (number < 0x80) {
      at++;
      high = 0;
    } else {
      number = readVarint(bytes, at, end);
      at = cursor;
    }
    if ((tag & 7) === VARINT) {
      put(message, field, field.kind === UINT32 ? number : toScalar(field.kind, number));
      continue;
    }
    if (high !== 0 || number > end - at) return malformed(BEYOND);
    const from = at;
    at += number;
    if (field.kind === UINT32) {
      readPacked(message, field, bytes, from, at);
      continue;
    }
    let content: unknown;
    if (field.kind === STRING) content = readString(bytes, from, at);
    else if (field.kind === BYTES) content = view(bytes, from, at);
    else {
      if (depth >= MAX_NESTING) tooDeep(`decode ${field.name}`);
      const before = field.repeated ? undefined : message[field.name];
      const existing = field.kind === VALUE && before ? { content: before } : before;
      // Called from here: a level of nesting costs one frame of the stack.
      const nested = readMessage(
        field.nested as Plan,
        bytes,
        from,
        at,
        depth + 1,
        existing as Draft | undefined,
      );
      content = field.kind === VALUE ? nested['content'] : field.kind === VOID ? true : nested;
    }
    put(message, field, content);
  }
  return message;
}

function readPacked(message: Draft, field: FieldPlan, bytes: Uint8Array, from: number, to: number): void {
  for (let at = from; at < to; at = cursor) append(message, field, readVarint(bytes, at, to));
}

function put(message: Draft, field: FieldPlan, value: unknown): void {
  if (field.repeated) append(message, field, value);
  else message[field.name] = value;
}

function append(message: Draft, field: FieldPlan, element: unknown): void {
  if (++elements > MAX_ELEMENTS) {
    throw new ProtocolError(
      'HF_PROTOCOL_TOO_LARGE',
      `Cannot decode ${field.name}: more than ${MAX_ELEMENTS} repeated elements. Send fewer.`,
    );
  }
  const list = message[field.name] as unknown[];
  if (list === NO_ELEMENTS) message[field.name] = [element];
  else list.push(element);
}

function view(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return from === to ? EMPTY : new Uint8Array(bytes.buffer, bytes.byteOffset + from, to - from);
}

/** Of a varint kind other than `uint32`, with the upper half in `high`. */
function toScalar(kind: number, low: number): unknown {
  if (kind === BOOL) return low !== 0 || high !== 0;
  if (kind === TIME) return high < 0x200000 ? high * 0x100000000 + low : Number.MAX_SAFE_INTEGER;
  u64Halves[0] = low;
  u64Halves[1] = high;
  return u64[0];
}

/** The low 32 bits; the others in `high`, the position behind it in `cursor`. */
function readVarint(bytes: Uint8Array, start: number, end: number): number {
  let low = 0;
  let shift = 0;
  high = 0;
  for (let at = start; at < end; shift += 7) {
    const byte = bytes[at++] as number;
    if (shift < 28) low |= (byte & 0x7f) << shift;
    else if (shift === 28) {
      low |= byte << 28;
      high = (byte & 0x7f) >>> 4;
    } else high |= (byte & 0x7f) << (shift - 32);
    if (byte < 0x80) {
      if (shift === 63 && byte > 1) break;
      cursor = at;
      high >>>= 0;
      return low >>> 0;
    }
    if (shift === 63) break;
  }
  return malformed(shift >= 63 ? 'a number has more than 64 bits' : 'it ends inside a number');
}

function readTag(bytes: Uint8Array, start: number, end: number): number {
  const tag = readVarint(bytes, start, end);
  return high !== 0 || cursor - start > 5 ? malformed('a tag has more than 32 bits') : tag;
}

/** The position behind the field whose tag ends before `at`. */
function skipUnknown(plan: Plan, tag: number, bytes: Uint8Array, at: number, end: number): number {
  const number = tag >>> 3;
  const wireType = tag & 7;
  if (number === 0) malformed('a field has number 0');
  for (const { tag: known, name } of plan.fields) {
    if (known >>> 3 === number) malformed(`${name} has wire type ${wireType}`);
  }
  let to = at;
  if (wireType === VARINT || wireType === DELIMITED) {
    const length = readVarint(bytes, at, end);
    to = wireType === VARINT ? cursor : high === 0 ? cursor + length : Number.POSITIVE_INFINITY;
  } else if (wireType === FIXED64) to += 8;
  else if (wireType === FIXED32) to += 4;
  else malformed(`a field has wire type ${wireType}`);
  return to > end ? malformed(BEYOND) : to;
}

/** Names, header keys and state keys come again and again; up to this length they are looked up. */
const KNOWN_TEXT = 24;
/** By a hash of the bytes; all of them ASCII. */
const knownTexts: string[] = new Array(512).fill('');

/**
 * Making a string costs more than reading its bytes, so a short one is first looked for among those seen
 * lately. A collision only costs the time: the characters are compared.
 */
function readString(bytes: Uint8Array, from: number, to: number): string {
  const length = to - from;
  if (length > KNOWN_TEXT) return decodeText(bytes, from, to);
  let hash = length;
  let seen = 0;
  for (let at = from; at < to; at++) {
    const code = bytes[at] as number;
    seen |= code;
    hash = (Math.imul(hash, 31) + code) | 0;
  }
  if (seen > 0x7f) return decodeText(bytes, from, to);
  const slot = (hash ^ (hash >>> 9)) & 511;
  const known = knownTexts[slot] as string;
  if (isText(known, bytes, from, length)) return known;
  const codes = new Array<number>(length);
  for (let i = 0; i < length; i++) codes[i] = bytes[from + i] as number;
  const text = String.fromCharCode.apply(null, codes);
  knownTexts[slot] = text;
  return text;
}

function isText(text: string, bytes: Uint8Array, from: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== bytes[from + i]) return false;
  return true;
}

function decodeText(bytes: Uint8Array, from: number, to: number): string {
  try {
    return textDecoder.decode(bytes.subarray(from, to));
  } catch {
    // The only thing `decode` of a view can report.
    return malformed('a string is not UTF-8');
  }
}

const BEYOND = 'a length reaches beyond the end';

function malformed(why: string): never {
  throw new ProtocolError(
    'HF_PROTOCOL_MALFORMED',
    `Cannot decode a message: ${why}. Check that nothing rewrites the body.`,
  );
}
