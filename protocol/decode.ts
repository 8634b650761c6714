/**
 * The reading half of the codec: one message out of bytes.
 *
 * Invariants: whatever the bytes, the outcome is a message or a `ProtocolError`; no byte outside
 * `[start, end)` is read; recursion is bounded by `MAX_NESTING`, and what is allocated by the input's length
 * and `MAX_ELEMENTS`. `bytes` and `value` fields are views into the input, not copies.
 *
 * Rules, those of protobuf: a singular scalar that occurs again is replaced, a message is merged, a list is
 * appended to; of a oneof the last member stays. Unknown fields are skipped. `uint32` (and with it the enums)
 * is taken modulo 2^32. Stricter than some: a varint above 64 bits, a known field with another wire type and
 * text that is not UTF-8 are errors.
 */

import { MAX_NESTING, tooDeep } from './encode.ts';
import { ProtocolError } from './error.ts';
import {
  BOOL,
  BYTES,
  DELIMITED,
  type Draft,
  EMPTY,
  END_GROUP,
  FIXED32,
  FIXED64,
  type FieldPlan,
  MESSAGE,
  NO_ELEMENTS,
  type Plan,
  START_GROUP,
  STRING,
  TIME,
  UINT32,
  VARINT,
  VOID,
  valuePlan,
  voidPlan,
} from './plan.ts';

/**
 * Repeated elements in one message, nested ones included. An empty header takes two bytes on the wire and
 * fifty in memory; this bounds the difference.
 */
export const MAX_ELEMENTS = 1 << 20;

const textDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const word = new DataView(new ArrayBuffer(8));

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
  let oneofs = existing === undefined ? 0 : -1;
  let at = start;
  while (at < end) {
    let tag = bytes[at] as number;
    if (tag < 0x80) at++;
    else {
      tag = readTag(bytes, at, end);
      at = cursor;
    }
    const field = tag < byTag.length ? byTag[tag] : undefined;
    if (field === undefined) {
      at = skipUnknown(plan, tag, bytes, at, end, depth);
      continue;
    }
    if (field.oneof !== 0) {
      if ((oneofs & field.oneof) !== 0) for (const rival of field.rivals) delete message[rival];
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
    if (high !== 0 || number > end - at) return malformed('a length reaches beyond the end');
    const from = at;
    at += number;
    if (field.kind === UINT32) {
      readPacked(message, field, bytes, from, at);
      continue;
    }
    const before = field.repeated ? undefined : message[field.name];
    let content: unknown;
    if (field.kind === MESSAGE) {
      // Called from here and not from `readContent`: a level of nesting costs one frame of the stack.
      if (depth >= MAX_NESTING) tooDeep(`decode ${field.name}`);
      content = readMessage(field.nested as Plan, bytes, from, at, depth + 1, before as Draft | undefined);
    } else content = readContent(field.kind, bytes, from, at, depth, before);
    put(message, field, content);
  }
  return message;
}

/** The content of a length-delimited field that is no message; `before` is what an earlier occurrence left. */
function readContent(
  kind: number,
  bytes: Uint8Array,
  from: number,
  to: number,
  depth: number,
  before: unknown,
): unknown {
  if (kind === STRING) return readString(bytes, from, to);
  if (kind === BYTES) return view(bytes, from, to);
  if (kind === VOID) {
    readMessage(voidPlan, bytes, from, to, depth, undefined);
    return true;
  }
  const merged = before === undefined ? undefined : { content: before };
  return readMessage(valuePlan, bytes, from, to, depth, merged)['content'];
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
      `Cannot decode ${field.name}: the message has more than ${MAX_ELEMENTS} repeated elements. Send fewer of them.`,
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
  word.setUint32(0, high);
  word.setUint32(4, low);
  return word.getBigUint64(0);
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
function skipUnknown(
  plan: Plan,
  tag: number,
  bytes: Uint8Array,
  at: number,
  end: number,
  depth: number,
): number {
  for (const { tag: known, name } of plan.fields) {
    if (known >>> 3 === tag >>> 3) malformed(`${name} has wire type ${tag & 7}`);
  }
  return skip(tag, bytes, at, end, depth);
}

function skip(tag: number, bytes: Uint8Array, at: number, end: number, depth: number): number {
  if (tag < 8) return malformed('a field has number 0');
  let to = at;
  switch (tag & 7) {
    case VARINT:
      readVarint(bytes, at, end);
      return cursor;
    case FIXED64:
      to += 8;
      break;
    case FIXED32:
      to += 4;
      break;
    case DELIMITED: {
      const length = readVarint(bytes, at, end);
      to = high === 0 ? cursor + length : Number.POSITIVE_INFINITY;
      break;
    }
    case START_GROUP:
      return skipGroup(tag, bytes, at, end, depth + 1);
    default:
      return malformed(`a field has wire type ${tag & 7}`);
  }
  return to > end ? malformed('a length reaches beyond the end') : to;
}

function skipGroup(group: number, bytes: Uint8Array, start: number, end: number, depth: number): number {
  if (depth > MAX_NESTING) tooDeep('decode an unknown group');
  let at = start;
  while (at < end) {
    const tag = readTag(bytes, at, end);
    at = cursor;
    if ((tag & 7) !== END_GROUP) at = skip(tag, bytes, at, end, depth);
    else return tag >>> 3 === group >>> 3 ? at : malformed('a group ends with the number of another');
  }
  return malformed('it ends inside a group');
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

function malformed(why: string): never {
  throw new ProtocolError(
    'HF_PROTOCOL_MALFORMED',
    `Cannot decode a message: ${why}. Check that the peer speaks the negotiated protocol version and that nothing between rewrites the body.`,
  );
}
