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
 *
 * Where it reads are variables of this module, for messages are read one at a time and in one go.
 */

import { assertNesting } from './encode.ts';
import { assertAtMost, ProtocolError } from './error.ts';
import { BOOL, BYTES, STRING, TIME, UINT32, UINT64, VALUE, VOID } from './kinds.ts';
import { type Draft, EMPTY, type FieldPlan, NO_ELEMENTS, type Plan, VARINT } from './plan.ts';

/**
 * Repeated elements in one message, nested ones included. An empty header takes two bytes on the wire and
 * fifty in memory; this bounds the difference.
 */
export const MAX_ELEMENTS = 1 << 20;

const FIXED64 = 1;
const FIXED32 = 5;
/** A bit for each wire type that is not a group's or unknown. */
const KNOWN_TYPES = 0b100111;

const textDecoder = /* @__PURE__ */ new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Of UTF-8 in `bytes[from, to)`. */
export type ReadText = (bytes: Uint8Array, from: number, to: number) => string;

let input: Uint8Array = EMPTY;
let at = 0;
let elements = 0;
let textOf: ReadText;

/** `readText` may be one that knows what is to come. */
export function readWholeMessage(plan: Plan, bytes: Uint8Array, readText: ReadText = decodeText): Draft {
  input = bytes;
  at = 0;
  elements = 0;
  textOf = readText;
  return readMessage(plan, bytes.length, 0);
}

function readMessage(plan: Plan, end: number, depth: number, message: Draft = { ...plan.defaults }): Draft {
  // Those that have a member.
  let oneofs = 0;
  while (at < end) {
    const start = at;
    const tag = readVarint(end);
    if (tag > 0xffffffff || at > start + 5) malformed(TOO_LONG);
    const field = plan.byTag[tag];
    if (!field) {
      skipUnknown(plan, tag, end);
      continue;
    }
    const { kind, name, oneof } = field;
    if (oneof & oneofs)
      for (const rival of plan.fields)
        if (rival.oneof === oneof && rival !== field) delete message[rival.name];
    oneofs |= oneof;
    const from = at;
    const number = readVarint(end);
    if ((tag & 7) === VARINT) {
      put(message, field, toScalar(kind, number, from));
      continue;
    }
    const to = at + number;
    if (to > end) malformed(CUT);
    if (kind === UINT32) {
      while (at < to) {
        const from = at;
        put(message, field, toScalar(kind, readVarint(to), from));
      }
      continue;
    }
    let content: unknown;
    if (kind === STRING) content = textOf(input, at, to);
    else if (kind === BYTES)
      content = number === 0 ? EMPTY : new Uint8Array(input.buffer, input.byteOffset + at, number);
    else {
      assertNesting(depth + 1, field);
      const before = field.repeated ? undefined : (message[name] as Draft | undefined);
      const nested = readMessage(
        field.nested as Plan,
        to,
        depth + 1,
        kind === VALUE && before ? { content: before } : before,
      );
      content = kind === VALUE ? nested['content'] : kind === VOID || nested;
    }
    at = to;
    put(message, field, content);
  }
  return message;
}

function put(message: Draft, { name, repeated }: FieldPlan, value: unknown): void {
  if (!repeated) {
    message[name] = value;
    return;
  }
  assertAtMost(MAX_ELEMENTS, ++elements, 'elements', name, 'HF_PROTOCOL_TOO_LARGE');
  const list = message[name] as unknown[];
  if (list === NO_ELEMENTS) message[name] = [value];
  else list.push(value);
}

/** Of the varint in `[from, at)`, whose value is `number` where that is exact. */
function toScalar(kind: number, number: number, from: number): unknown {
  if (kind === BOOL) return number > 0;
  if (kind === TIME) return Math.min(number, Number.MAX_SAFE_INTEGER);
  if (kind === UINT32 && number <= 0xffffffff) return number;
  let exact = 0n;
  for (let i = at; i-- > from; ) exact = (exact << 7n) | BigInt((input[i] as number) & 0x7f);
  return kind === UINT64 ? exact : Number(exact & 0xffffffffn);
}

/** Exact up to 2^53, as numbers are. */
function readVarint(end: number): number {
  let number = 0;
  for (let scale = 1; at < end; scale *= 0x80) {
    const byte = input[at++] as number;
    if (byte > 1 && scale === 2 ** 63) malformed(TOO_LONG);
    number += (byte & 0x7f) * scale;
    if (byte < 0x80) return number;
  }
  return malformed(CUT);
}

/** Its tag has been read. */
function skipUnknown({ fields }: Plan, tag: number, end: number): void {
  const number = tag >>> 3;
  const wireType = tag & 7;
  if (
    number === 0 ||
    ((KNOWN_TYPES >> wireType) & 1) === 0 ||
    fields.some(known => known.tag >>> 3 === number)
  )
    malformed(`field ${number} has wire type ${wireType}`);
  const length = wireType === FIXED64 ? 8 : wireType === FIXED32 ? 4 : readVarint(end);
  if (wireType !== VARINT) at += length;
  if (at > end) malformed(CUT);
}

export function decodeText(bytes: Uint8Array, from: number, to: number): string {
  try {
    return textDecoder.decode(bytes.subarray(from, to));
  } catch {
    // The only thing `decode` of a view can report.
    return malformed('a text is not UTF-8');
  }
}

const CUT = 'it is cut short';
const TOO_LONG = 'a number is too long';

function malformed(why: string): never {
  throw new ProtocolError(
    'HF_PROTOCOL_MALFORMED',
    `A message does not decode: ${why}. Check what changes the body.`,
  );
}
