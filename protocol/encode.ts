/**
 * The writing half of the codec: one message into a growing buffer.
 *
 * Invariants: the output is canonical (fields ascend, lists of integers are packed, defaults of implicit
 * fields are left out, varints are shortest), so equal messages have equal bytes; every value that does not
 * fit its field is refused with `HF_PROTOCOL_VALUE` instead of being written as another one. The one
 * exception is text: an unpaired surrogate becomes U+FFFD, as in every UTF-8 encoder of the platform, because
 * an error report must not fail on the message it carries.
 *
 * The buffer and its end are variables of this module, for messages are written one at a time and in one go.
 */
import { assertAtMost, ProtocolError } from './error.ts';
import { BOOL, MESSAGE, STRING, UINT64, VALUE, VOID } from './kinds.ts';
import { type Draft, EMPTY, type FieldPlan, type Plan } from './plan.ts';

/** Messages inside messages, the outermost not counted. A deeper one is neither written nor read. */
export const MAX_NESTING = 1000;

/** Up to here a loop over the characters beats a call into the platform's encoder. */
const SHORT_TEXT = 48;
/** Up to here a loop over the bytes beats `Uint8Array.set`. */
const SHORT_BYTES = 16;
const FIRST_CAPACITY = 1024;
/** A journal of some dozen entries should not be copied five times. */
const GROWTH = 4;
/** By kind, of the scalars. */
const GREATEST: readonly (number | bigint)[] = [1, 0xffffffff, Number.MAX_SAFE_INTEGER, 0xffffffffffffffffn];

const textEncoder = /* @__PURE__ */ new TextEncoder();

// What is being written to.
let buffer: Uint8Array = EMPTY;
let at = 0;

function reserve(count: number): void {
  const { length } = buffer;
  if (count <= length - at) return;
  const larger = new Uint8Array(Math.max(FIRST_CAPACITY, length * GROWTH, at + count));
  larger.set(buffer.subarray(0, at));
  buffer = larger;
}

/** A growing buffer: `bytes[0, at)` is written. What throws writes nothing. */
export class Output {
  bytes: Uint8Array = EMPTY;
  at = 0;

  /** Bytes as they are. */
  raw(source: Uint8Array): void {
    this.#open(source.length);
    buffer.set(source, at);
    at += source.length;
    this.#close();
  }

  /** A message, behind so many bytes of room. */
  message(plan: Plan, message: Draft, room: number): void {
    this.#open(room);
    at += room;
    writeMessage(plan, message, 0);
    this.#close();
  }

  #open(room: number): void {
    buffer = this.bytes;
    at = this.at;
    reserve(room);
  }
  #close(): void {
    this.bytes = buffer;
    this.at = at;
  }
}

/** The tag, the longest varint and the one byte of a length: what a field needs besides its content. */
const OVERHEAD = 24;
/** Of the one field of a `Value`. */
const CONTENT_TAG = 0x0a;

function writeMessage(plan: Plan, message: Draft, depth: number): void {
  for (const field of plan.fields) {
    const value = message[field.name];
    if (value === undefined) continue;
    if (!field.repeated) writeField(field, value, depth);
    else if (field.kind > UINT64)
      for (const each of value as readonly unknown[]) writeField(field, each, depth);
    else writePacked(field, value as readonly number[]);
  }
}

function writePacked(field: FieldPlan, list: readonly number[]): void {
  if (list.length === 0) return;
  reserve(OVERHEAD + list.length * 5);
  const start = open(field);
  for (const each of list) writeScalar(field, each);
  close(start);
}

function writeField(field: FieldPlan, value: unknown, depth: number): void {
  const { kind, explicit } = field;
  if (kind === STRING) {
    if (explicit || value !== '') writeText(field, value as string);
  } else if (kind <= UINT64) {
    // Zero of any kind, not NaN, which is refused.
    // biome-ignore lint/suspicious/noDoubleEquals: 0, 0n and false are the defaults, and all equal 0
    if (!explicit && value == 0) return;
    reserve(OVERHEAD);
    writeVarint(field.tag);
    writeScalar(field, value as number);
  } else if (kind === MESSAGE) {
    assertNesting(depth + 1, field);
    reserve(OVERHEAD);
    const start = open(field);
    writeMessage(field.nested as Plan, value as Draft, depth + 1);
    close(start);
  } else writeBytes(field, kind === VOID ? EMPTY : (value as Uint8Array));
}

function writeBytes(field: FieldPlan, content: Uint8Array): void {
  // Of text, which serializers in JavaScript may return, zeros would be written.
  if (!ArrayBuffer.isView(content)) refuse(field.name, 'not a Uint8Array');
  const { length } = content;
  if (!field.explicit && length === 0) return;
  reserve(OVERHEAD + length);
  writeVarint(field.tag);
  if (field.kind === VALUE && length > 0) {
    // The message around its content, which is left out when it is empty.
    writeVarint(1 + varintSize(length) + length);
    writeVarint(CONTENT_TAG);
  }
  writeVarint(length);
  if (length > SHORT_BYTES) buffer.set(content, at);
  else for (let i = 0; i < length; i++) buffer[at + i] = content[i] as number;
  at += length;
}

function writeText(field: FieldPlan, text: string): void {
  const { length } = text;
  reserve(OVERHEAD + length * 3);
  const start = open(field);
  const bytes = buffer;
  let i = 0;
  for (; i < length && i < SHORT_TEXT; i++) {
    const character = text.charCodeAt(i);
    if (character > 0x7f) break;
    bytes[start + 1 + i] = character;
  }
  at += i;
  if (i < length) at += textEncoder.encodeInto(text.slice(i), bytes.subarray(at)).written;
  close(start);
}

function writeScalar(field: FieldPlan, value: number | bigint): void {
  const { kind } = field;
  // What is not `true` is false.
  const number = kind === BOOL ? Number((value as unknown) === true) : value;
  const greatest = GREATEST[kind] as number | bigint;
  if (!(number >= 0 && number <= greatest && (kind === UINT64 || Number.isInteger(number))))
    refuse(field.name, `${value} is no integer from 0 to ${greatest}`);
  let rest = number;
  // Seven bits a byte, the lowest first. What is left after two of them is exact as a number.
  for (; rest > Number.MAX_SAFE_INTEGER; rest = BigInt(rest) >> 7n)
    buffer[at++] = Number(BigInt(rest) & 0x7fn) | 0x80;
  for (rest = Number(rest); rest > 0x7fffffff; rest = Math.floor(rest / 0x80))
    buffer[at++] = (rest & 0x7f) | 0x80;
  writeVarint(rest);
}

/** Of at most 32 bits. */
function writeVarint(value: number): void {
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) buffer[at++] = (rest & 0x7f) | 0x80;
  buffer[at++] = rest;
}

const varintSize = (value: number): number => ((38 - Math.clz32(value | 1)) / 7) | 0;

/** Writes the tag, and leaves a byte for the length; returns where that is. */
function open({ tag }: FieldPlan): number {
  writeVarint(tag);
  return at++;
}

/**
 * Writes the length of what was written since `open`. Nearly all are below 128 bytes; a longer one is moved up, which
 * is cheaper than measuring every message beforehand.
 */
function close(start: number): void {
  const length = at - start - 1;
  if (length < 0x80) {
    buffer[start] = length;
    return;
  }
  const size = varintSize(length);
  reserve(size);
  buffer.copyWithin(start + size, start + 1, at);
  at = start;
  writeVarint(length);
  at += length;
}

export const assertNesting = (levels: number, { name }: FieldPlan): void =>
  assertAtMost(MAX_NESTING, levels, 'levels', name, 'HF_PROTOCOL_NESTING');

/** The value that the field was given. */
export function refuse(name: string, why: string): never {
  throw new ProtocolError('HF_PROTOCOL_VALUE', `Cannot encode ${name}: ${why}.`);
}
