/**
 * The writing half of the codec: one message into a growing buffer.
 *
 * Invariants: the output is canonical (fields ascend, lists of integers are packed, defaults of implicit
 * fields are left out, varints are shortest), so equal messages have equal bytes; every value that does not
 * fit its field is refused with `HF_PROTOCOL_VALUE` instead of being written as another one. The one
 * exception is text: an unpaired surrogate becomes U+FFFD, as in every UTF-8 encoder of the platform, because
 * an error report must not fail on the message it carries.
 */
import { ProtocolError } from './error.ts';
import { BOOL, BYTES, MESSAGE, STRING, TIME, UINT32, UINT64, VALUE, VOID } from './kinds.ts';
import { type Draft, EMPTY, type FieldPlan, type Plan, rivalsOf, u64, u64Halves } from './plan.ts';

/** Messages inside messages, the outermost not counted. A deeper one is neither written nor read. */
export const MAX_NESTING = 1000;

/** Up to here a loop over the characters beats a call into the platform's encoder. */
const SHORT_TEXT = 48;
/** Up to here a loop over the bytes beats `Uint8Array.set`. */
const SHORT_BYTES = 16;
const FIRST_CAPACITY = 1024;
/** Below it a buffer grows fourfold: a journal of some dozen entries should not be copied five times. */
const FAST_GROWTH = 32 * 1024;

const textEncoder = new TextEncoder();

/**
 * Uninitialised memory: the caller hands out only what it has written. Node's pool makes small buffers about
 * seven times cheaper than `new Uint8Array`, whose memory is outside the heap; a plain `Uint8Array` over it,
 * because `slice` of a `Buffer` does not copy.
 */
export function allocate(length: number): Uint8Array {
  const pool = globalThis.Buffer;
  if (!pool) return new Uint8Array(length);
  const { buffer, byteOffset } = pool.allocUnsafe(length);
  return new Uint8Array(buffer, byteOffset, length);
}

/** A growing buffer: `bytes[0, at)` is written. */
export class Output {
  bytes: Uint8Array = EMPTY;
  at = 0;

  reserve(count: number): void {
    if (count > this.bytes.length - this.at) this.#grow(count);
  }

  #grow(count: number): void {
    const { length } = this.bytes;
    const larger = length < FAST_GROWTH ? length * 4 : length * 2;
    const grown = allocate(Math.max(FIRST_CAPACITY, larger, this.at + count));
    grown.set(this.bytes.subarray(0, this.at));
    this.bytes = grown;
  }

  /** Caller has reserved. */
  varint(value: number): void {
    const bytes = this.bytes;
    let rest = value;
    while (rest > 0x7f) {
      bytes[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[this.at++] = rest;
  }

  varint64(low: number, high: number): void {
    let lower = low;
    let upper = high;
    while (upper !== 0) {
      this.bytes[this.at++] = (lower & 0x7f) | 0x80;
      lower = ((lower >>> 7) | (upper << 25)) >>> 0;
      upper >>>= 7;
    }
    this.varint(lower);
  }

  /** Appends bytes as they are; reserves for itself. */
  raw(source: Uint8Array): void {
    const length = source.length;
    this.reserve(length);
    const { bytes, at } = this;
    if (length > SHORT_BYTES) bytes.set(source, at);
    else for (let i = 0; i < length; i++) bytes[at + i] = source[i] as number;
    this.at = at + length;
  }

  /**
   * Writes the length of what was written after the one byte left free for it at `start`. Nearly all are
   * below 128 bytes; a longer one is moved up, which is cheaper than measuring every message beforehand.
   */
  closeLength(start: number): void {
    const length = this.at - start - 1;
    if (length < 0x80) {
      this.bytes[start] = length;
      return;
    }
    const extra = varintSize(length) - 1;
    this.reserve(extra);
    this.bytes.copyWithin(start + 1 + extra, start + 1, this.at);
    const end = this.at + extra;
    this.at = start;
    this.varint(length);
    this.at = end;
  }
}

/** Seven bits a byte. */
const varintSize = (value: number): number => ((38 - Math.clz32(value | 1)) / 7) | 0;

/** Of the one field of a `Value`. */
const CONTENT_TAG = 0x0a;
/** The tag, the longest varint and the one byte of a length: what a field needs besides its content. */
const OVERHEAD = 24;

export function writeMessage(out: Output, plan: Plan, message: Draft, depth: number): void {
  const fields = plan.fields;
  let oneofs = 0;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i] as FieldPlan;
    const value = message[field.name];
    if (value === undefined) continue;
    if (field.oneof !== 0) {
      if ((oneofs & field.oneof) !== 0) refuse(field, `${rivalsOf(plan, field).join(' or ')} is set as well`);
      oneofs |= field.oneof;
    }
    if (field.kind === MESSAGE) writeMessages(out, field, value as Draft | readonly Draft[], depth);
    else if (field.repeated) writeList(out, field, value as readonly unknown[]);
    else writeField(out, field, value);
  }
}

/** One nested message or a list of them. Nothing lies between it and `writeMessage`: a level costs two calls. */
function writeMessages(out: Output, field: FieldPlan, value: Draft | readonly Draft[], depth: number): void {
  const list = (field.repeated ? value : [value]) as readonly Draft[];
  if (list.length > 0 && depth >= MAX_NESTING) tooDeep(`encode ${field.name}`);
  for (let i = 0; i < list.length; i++) {
    out.reserve(OVERHEAD);
    out.varint(field.tag);
    const start = out.at++;
    writeMessage(out, field.nested as Plan, list[i] as Draft, depth + 1);
    out.closeLength(start);
  }
}

function writeList(out: Output, field: FieldPlan, list: readonly unknown[]): void {
  if (field.kind > UINT64) {
    for (let i = 0; i < list.length; i++) writeField(out, field, list[i]);
  } else if (list.length > 0) {
    out.reserve(OVERHEAD + list.length * 5);
    out.varint(field.tag);
    const start = out.at++;
    for (let i = 0; i < list.length; i++) out.varint(uint32(field, list[i] as number));
    out.closeLength(start);
  }
}

function writeField(out: Output, field: FieldPlan, value: unknown): void {
  const { kind, tag, explicit } = field;
  if (kind === STRING) {
    if (explicit || value !== '') writeString(out, tag, value as string);
    return;
  }
  out.reserve(OVERHEAD);
  if (kind <= UINT64) {
    writeScalar(out, field, value);
    return;
  }
  const content = kind === VOID ? EMPTY : (value as Uint8Array);
  // Of text, which serializers in JavaScript may return, zeros would be written.
  if (!ArrayBuffer.isView(content)) refuse(field, 'not a Uint8Array');
  const { length } = content;
  if (!explicit && kind === BYTES && length === 0) return;
  out.varint(tag);
  if (kind === VALUE && length > 0) {
    // The message around its content, which is left out when it is empty.
    out.varint(1 + varintSize(length) + length);
    out.varint(CONTENT_TAG);
  }
  out.varint(length);
  out.raw(content);
}

function writeScalar(out: Output, field: FieldPlan, value: unknown): void {
  // Zero of any kind, not NaN, which is refused below.
  // biome-ignore lint/suspicious/noDoubleEquals: 0, 0n and false are the defaults, and all equal 0
  if (!field.explicit && value == 0) return;
  out.varint(field.tag);
  if (field.kind === UINT32) {
    out.varint(uint32(field, value as number));
  } else if (field.kind === BOOL) {
    out.varint(value === true ? 1 : 0);
  } else if (field.kind === TIME) {
    const time = value as number;
    if (!Number.isSafeInteger(time) || time < 0) outside(field, time, 53);
    out.varint64(time >>> 0, Math.floor(time / 0x100000000));
  } else {
    const exact = value as bigint;
    if (exact < 0n || exact > 0xffffffffffffffffn) outside(field, exact, 64);
    u64[0] = exact;
    out.varint64(u64Halves[0] as number, u64Halves[1] as number);
  }
}

function writeString(out: Output, tag: number, text: string): void {
  const length = text.length;
  out.reserve(OVERHEAD + length * 3);
  out.varint(tag);
  const bytes = out.bytes;
  const start = out.at;
  if (length <= SHORT_TEXT) {
    let i = 0;
    for (; i < length; i++) {
      const character = text.charCodeAt(i);
      if (character > 0x7f) break;
      bytes[start + 1 + i] = character;
    }
    if (i === length) {
      bytes[start] = length;
      out.at = start + 1 + length;
      return;
    }
  }
  out.at = start + 1 + textEncoder.encodeInto(text, bytes.subarray(start + 1)).written;
  out.closeLength(start);
}

function uint32(field: FieldPlan, value: number): number {
  if (value >>> 0 !== value) outside(field, value, 32);
  return value;
}

export function tooDeep(what: string): never {
  throw new ProtocolError(
    'HF_PROTOCOL_NESTING',
    `Cannot ${what}: nested deeper than ${MAX_NESTING} levels. Combine in a list.`,
  );
}

const outside = (field: FieldPlan, value: unknown, bits: number): never =>
  refuse(field, `${value} is no integer from 0 to 2^${bits}-1`);

function refuse(field: FieldPlan, why: string): never {
  throw new ProtocolError('HF_PROTOCOL_VALUE', `Cannot encode ${field.name}: ${why}.`);
}
