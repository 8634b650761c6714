/**
 * Damage to bodies of frames: between frames, in their headers, and in the fields of their messages, whose lengths
 * are made to fit again, so that the change reaches the reader of the message and not only that of the header.
 */
import { nameOfType } from '@holdfast/protocol';
import type { SimRandom } from '../sim/random.ts';
import { concat, mutateBytes } from './mutate-bytes.ts';

const HEADER_BYTES = 8;
const TYPES: readonly number[] = Array.from({ length: 0x10000 }, (_, type) => type).filter(
  type => nameOfType(type) !== undefined,
);

interface Piece {
  readonly type: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** The frames that are whole, and what is left. */
function split(body: Uint8Array): { readonly pieces: Piece[]; readonly rest: Uint8Array } {
  const view = viewOf(body);
  const pieces: Piece[] = [];
  let at = 0;
  while (body.length - at >= HEADER_BYTES) {
    const end = at + HEADER_BYTES + view.getUint32(at + 4);
    if (end > body.length) break;
    const payload = body.subarray(at + HEADER_BYTES, end);
    pieces.push({ type: view.getUint16(at), flags: view.getUint16(at + 2), payload });
    at = end;
  }
  return { pieces, rest: body.subarray(at) };
}

function join(pieces: readonly Piece[], rest: Uint8Array): Uint8Array {
  const parts = pieces.flatMap(({ type, flags, payload }) => {
    const header = new Uint8Array(HEADER_BYTES);
    const view = viewOf(header);
    view.setUint16(0, type);
    view.setUint16(2, flags);
    view.setUint32(4, payload.length);
    return [header, payload];
  });
  return concat(...parts, rest);
}

/** A field as it lies on the wire: tag and content; of delimited ones the content without its length. */
interface WireField {
  readonly number: number;
  readonly wireType: number;
  readonly content: Uint8Array;
}

function varintEnd(bytes: Uint8Array, at: number): number | undefined {
  for (let end = at; end < Math.min(bytes.length, at + 10); end++) {
    if ((bytes[end] as number) < 0x80) return end + 1;
  }
  return undefined;
}

function varintValue(bytes: Uint8Array, from: number, to: number): number {
  let value = 0;
  for (let i = to - 1; i >= from; i--) value = value * 128 + ((bytes[i] as number) & 0x7f);
  return value;
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let left = Math.max(0, Math.floor(value));
  while (left >= 0x80 && bytes.length < 9) {
    bytes.push((left % 128) | 0x80);
    left = Math.floor(left / 128);
  }
  bytes.push(left & 0x7f);
  return Uint8Array.from(bytes);
}

const FIXED: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

/** Undefined where the bytes are no message. */
function fieldsOf(message: Uint8Array): WireField[] | undefined {
  const fields: WireField[] = [];
  let at = 0;
  while (at < message.length) {
    const tagEnd = varintEnd(message, at);
    if (tagEnd === undefined) return undefined;
    const tag = varintValue(message, at, tagEnd);
    const wireType = tag % 8;
    let from = tagEnd;
    let to = varintEnd(message, from);
    if (wireType === 2 && to !== undefined) {
      const length = varintValue(message, from, to);
      from = to;
      to = from + length;
    } else if (wireType !== 0) {
      const size = FIXED[wireType];
      to = size === undefined ? undefined : from + size;
    }
    if (to === undefined || to > message.length) return undefined;
    fields.push({ number: Math.floor(tag / 8), wireType, content: message.subarray(from, to) });
    at = to;
  }
  return fields;
}

function joinFields(fields: readonly WireField[]): Uint8Array {
  return concat(
    ...fields.flatMap(({ number, wireType, content }) => {
      const tag = varint(number * 8 + wireType);
      return wireType === 2 ? [tag, varint(content.length), content] : [tag, content];
    }),
  );
}

const NUMBERS = [0, 1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 14, 15, 16, 17, 99, 2 ** 28] as const;
const VALUES = [0, 1, 2, 16, 17, 127, 128, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53, 2 ** 63] as const;
const TEXTS = ['', 'x', '\u0000', 'é', 'a'.repeat(300), 'inv_1', 'sign_1', 'prom_1'].map(text =>
  Buffer.from(text),
);

function mutateContent(random: SimRandom, field: WireField, other: Uint8Array): Uint8Array {
  if (field.wireType === 0) return varint(random.chance(0.7) ? random.pick(VALUES) : random.uint32());
  if (field.wireType !== 2) return mutateBytes(random, field.content, other);
  const isNested = field.content.length > 1 && fieldsOf(field.content) !== undefined;
  if (isNested && random.chance(0.6)) return mutateMessage(random, field.content, other);
  return random.chance(0.3) ? random.pick(TEXTS) : mutateBytes(random, field.content, other);
}

/** Wrapped into itself again and again: a future of a future of … */
function nest(random: SimRandom, field: WireField): WireField {
  let content = field.content;
  for (let depth = random.int(1, 150); depth > 0; depth--) {
    content = joinFields([{ number: field.number, wireType: 2, content }]);
  }
  return { number: field.number, wireType: 2, content };
}

function mutateMessage(random: SimRandom, message: Uint8Array, other: Uint8Array): Uint8Array {
  const fields = fieldsOf(message);
  if (fields === undefined || fields.length === 0) return mutateBytes(random, message, other);
  const i = random.int(0, fields.length - 1);
  const field = fields[i] as WireField;
  const how = random.int(0, 9);
  if (how === 0) fields.splice(i, 1);
  else if (how === 1) fields.push(field);
  else if (how === 2) fields.splice(random.int(0, fields.length), 0, field);
  else if (how === 3) fields[i] = { ...field, number: random.pick(NUMBERS) };
  else if (how === 4) fields[i] = { ...field, wireType: random.int(0, 7) };
  else if (how === 5) fields[i] = nest(random, field);
  else if (how === 6) fields.push(...(fieldsOf(other) ?? []));
  else fields[i] = { ...field, content: mutateContent(random, field, other) };
  return joinFields(fields);
}

export function mutateFrames(random: SimRandom, input: Uint8Array, other: Uint8Array): Uint8Array {
  const { pieces, rest } = split(input);
  if (pieces.length === 0 || random.chance(0.1)) return mutateBytes(random, input, other);
  const others = split(other).pieces;
  const i = random.int(0, pieces.length - 1);
  const piece = pieces[i] as Piece;
  const donor = others.length === 0 ? piece : random.pick(others);
  const how = random.int(0, 11);
  if (how === 0) pieces.splice(i, 1);
  else if (how === 1) pieces.splice(random.int(0, pieces.length), 0, piece);
  else if (how === 2) pieces.splice(random.int(0, pieces.length), 0, donor);
  else if (how === 3) pieces[i] = donor;
  else if (how === 4) pieces[i] = { ...piece, type: random.pick(TYPES) };
  else if (how === 5) pieces[i] = { ...piece, flags: random.pick([0, 1, 0x8000, 0x7fff, 0xffff]) };
  else if (how === 6) pieces.reverse();
  else pieces[i] = { ...piece, payload: mutateMessage(random, piece.payload, donor.payload) };
  return join(pieces, rest);
}
