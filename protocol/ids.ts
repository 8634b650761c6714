/**
 * The textual form of ids: `<prefix>_1` and the raw bytes in base62, as wide as the largest value needs.
 *
 * The trap of the format: the number that is written in base62 is the raw bytes read as a *little-endian*
 * integer, although everything else here is big-endian.
 *
 * Invariants: one id has one text, so whatever does not come out of the encoder is refused; malformed text
 * is a `ProtocolError` with `HF_ID_MALFORMED`, a raw id of the wrong length a `RangeError` (a bug here).
 */
import { ProtocolError } from './error.ts';

/** Kinds of id with a 128-bit body. */
export type IdPrefix = 'dp' | 'sub' | 'snap' | 'mut' | 'vq';

export const INVOCATION_ID_BYTES = 24;
const PARTITION_KEY_BYTES = 8;
const UUID_BYTES = 16;

const VERSION = '_1';
const BASE62 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Characters that hold 8 and 16 bytes. */
const widthOf = (byteCount: number): number => (byteCount === PARTITION_KEY_BYTES ? 11 : 22);

/** Value of each ASCII character, 255 for those outside the alphabet. */
function valuesOf(alphabet: string): Uint8Array {
  const values = new Uint8Array(128).fill(255);
  for (let i = 0; i < alphabet.length; i++) values[alphabet.charCodeAt(i)] = i;
  return values;
}
// Pure, here and below, so that a bundle which only writes ids leaves out what reads them.
const BASE62_VALUES = /* @__PURE__ */ valuesOf(BASE62);
const BASE64_VALUES = /* @__PURE__ */ valuesOf(BASE64);

// Long division in plain numbers: 62^4 takes four digits off at once, and a remainder below 62^4 (< 2^24)
// in front of a 24-bit limb stays below 2^48, where the division of doubles is exact. BigInt is ten times slower.
const DIGITS = 4;
const CHUNK = 14_776_336;
const LIMB_BYTES = 3;
const LIMB = 0x1000000;
const limbs = /* @__PURE__ */ new Float64Array(6);
const codes = /* @__PURE__ */ Uint8Array.from(BASE62, character => character.charCodeAt(0));

function toBase62(raw: Uint8Array, from: number, byteCount: number): string {
  let top = 0;
  for (let i = 0; i < byteCount; i += LIMB_BYTES) {
    let limb = raw[from + i] as number;
    if (i + 1 < byteCount) limb |= (raw[from + i + 1] as number) << 8;
    if (i + 2 < byteCount) limb |= (raw[from + i + 2] as number) << 16;
    limbs[top++] = limb;
  }
  let text = '';
  for (let left = widthOf(byteCount); left > 0; left -= DIGITS) {
    let rest = 0;
    for (let i = top - 1; i >= 0; i--) {
      const value = rest * LIMB + (limbs[i] as number);
      const quotient = Math.floor(value / CHUNK);
      limbs[i] = quotient;
      rest = value - quotient * CHUNK;
    }
    while (top > 0 && limbs[top - 1] === 0) top--;
    text = fourDigits(rest | 0, left) + text;
  }
  return text;
}

/** The last `count` (at most four) digits of `value`. */
function fourDigits(value: number, count: number): string {
  const pair = (value / 3844) | 0;
  const low = value - pair * 3844;
  const a = (pair / 62) | 0;
  const b = pair - a * 62;
  const c = (low / 62) | 0;
  const d = low - c * 62;
  if (count >= 4) {
    return String.fromCharCode(
      codes[a] as number,
      codes[b] as number,
      codes[c] as number,
      codes[d] as number,
    );
  }
  if (count === 3) return String.fromCharCode(codes[b] as number, codes[c] as number, codes[d] as number);
  return String.fromCharCode(codes[c] as number, codes[d] as number);
}

function fromBase62(text: string, from: number, raw: Uint8Array, to: number, byteCount: number): void {
  const width = widthOf(byteCount);
  const count = Math.ceil(byteCount / LIMB_BYTES);
  limbs.fill(0);
  for (let i = from; i < from + width; ) {
    const end = Math.min(from + width, i + DIGITS);
    let carry = 0;
    let scale = 1;
    for (; i < end; i++) {
      carry = carry * 62 + valueAt(text, i, BASE62_VALUES);
      scale *= 62;
    }
    for (let j = 0; j < count; j++) {
      const value = (limbs[j] as number) * scale + carry;
      carry = Math.floor(value / LIMB);
      limbs[j] = value - carry * LIMB;
    }
  }
  for (let i = 0; i < byteCount; i++) {
    raw[to + i] = (limbs[(i / LIMB_BYTES) | 0] as number) >>> (8 * (i % LIMB_BYTES));
  }
  // The last limb is not filled by 8 or 16 bytes and has room for all that the digits can say.
  const used = byteCount - (count - 1) * LIMB_BYTES;
  if ((limbs[count - 1] as number) >= 2 ** (8 * used)) malformed(text, 'its value is too large');
}

function valueAt(text: string, at: number, values: Uint8Array): number {
  const code = text.charCodeAt(at);
  const value = code < 128 ? (values[code] as number) : 255;
  if (value === 255) malformed(text, `character ${at + 1} is not in the alphabet`);
  return value;
}

export function encodeInvocationId(raw: Uint8Array): string {
  expectLength(raw, INVOCATION_ID_BYTES);
  const partitionKey = toBase62(raw, 0, PARTITION_KEY_BYTES);
  return `inv${VERSION}${partitionKey}${toBase62(raw, PARTITION_KEY_BYTES, UUID_BYTES)}`;
}

export function decodeInvocationId(text: string): Uint8Array {
  const start = bodyStart(text, 'inv', widthOf(PARTITION_KEY_BYTES) + widthOf(UUID_BYTES));
  const raw = new Uint8Array(INVOCATION_ID_BYTES);
  fromBase62(text, start, raw, 0, PARTITION_KEY_BYTES);
  fromBase62(text, start + widthOf(PARTITION_KEY_BYTES), raw, PARTITION_KEY_BYTES, UUID_BYTES);
  return raw;
}

/** `raw` is 16 bytes. */
export function encodeId(prefix: IdPrefix, raw: Uint8Array): string {
  expectLength(raw, UUID_BYTES);
  return `${prefix}${VERSION}${toBase62(raw, 0, UUID_BYTES)}`;
}

export function decodeId(prefix: IdPrefix, text: string): Uint8Array {
  const start = bodyStart(text, prefix, widthOf(UUID_BYTES));
  const raw = new Uint8Array(UUID_BYTES);
  fromBase62(text, start, raw, 0, UUID_BYTES);
  return raw;
}

/**
 * `sign_1` and base64url of the invocation's id with the signal's index behind it. The id is whatever the start
 * message carried: a handler treats it as opaque, so any length is taken.
 */
export function encodeAwakeableId(rawInvocationId: Uint8Array, signalIndex: number): string {
  const index = [24, 16, 8, 0].map(shift => signalIndex >>> shift);
  const base64 = btoa(String.fromCharCode(...Uint8Array.of(...rawInvocationId, ...index)));
  return `sign${VERSION}${base64.replace(/[+/=]/g, found => ({ '+': '-', '/': '_' })[found] ?? '')}`;
}

const AWAKEABLE_BYTES = INVOCATION_ID_BYTES + 4;
/** The characters of so many bytes, without padding. */
const AWAKEABLE_WIDTH = 38;

/** Padding is accepted. The legacy `prom_1` form names a journal entry instead of a signal and is refused. */
export function decodeAwakeableId(text: string): { invocationId: Uint8Array; signalIndex: number } {
  const padded = text.endsWith('==') ? text.slice(0, -2) : text;
  const start = bodyStart(padded, 'sign', AWAKEABLE_WIDTH);
  const bytes = new Uint8Array(AWAKEABLE_BYTES);
  let held = 0;
  let bits = 0;
  let to = 0;
  for (let at = start; at < padded.length; at++) {
    held = ((held << 6) | valueAt(padded, at, BASE64_VALUES)) & 0x3fff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[to++] = held >>> bits;
    }
  }
  if ((held & ((1 << bits) - 1)) !== 0) malformed(text, 'its last character has unused bits set');
  const index = new DataView(bytes.buffer).getUint32(INVOCATION_ID_BYTES);
  return { invocationId: bytes.subarray(0, INVOCATION_ID_BYTES), signalIndex: index };
}

/** Checks prefix, version and length; returns where the body starts. */
function bodyStart(text: string, prefix: string, width: number): number {
  const start = prefix.length + VERSION.length;
  if (!text.startsWith(prefix) || !text.startsWith(VERSION, prefix.length)) {
    malformed(text, `it does not start with ${prefix}${VERSION}`);
  }
  if (text.length !== start + width) malformed(text, `it has not ${start + width} characters`);
  return start;
}

function expectLength(raw: Uint8Array, length: number): void {
  if (raw.length !== length) throw new RangeError(`a raw id of ${raw.length} bytes in place of ${length}`);
}

function malformed(text: string, why: string): never {
  // Ids come from callers: not all of an arbitrarily long one is repeated in logs and replies.
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  throw new ProtocolError('HF_ID_MALFORMED', `${JSON.stringify(shown)} is not a valid id: ${why}.`);
}
