import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ProtocolError } from './error.ts';
import {
  decodeAwakeableId,
  decodeId,
  decodeInvocationId,
  encodeAwakeableId,
  encodeId,
  encodeInvocationId,
} from './ids.ts';
import { readVector } from './vectors.testkit.ts';

const vector = readVector('ids.json') as unknown as {
  readonly invocation_ids: readonly { readonly id_bytes_hex: string; readonly invocation_id: string }[];
  readonly awakeable: {
    readonly id_bytes_hex: string;
    readonly signal_index: number;
    readonly awakeable_id: string;
  };
};
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
  return 'none';
}

test('the captured ids, both ways', () => {
  expect(vector.invocation_ids.length).toBe(40);
  for (const { id_bytes_hex, invocation_id } of vector.invocation_ids) {
    expect(encodeInvocationId(fromHex(id_bytes_hex))).toBe(invocation_id);
    expect(hex(decodeInvocationId(invocation_id))).toBe(id_bytes_hex);
  }
  const { id_bytes_hex, signal_index, awakeable_id } = vector.awakeable;
  expect(encodeAwakeableId(fromHex(id_bytes_hex), signal_index)).toBe(awakeable_id);
  for (const text of [awakeable_id, `${awakeable_id}==`]) {
    const { invocationId, signalIndex } = decodeAwakeableId(text);
    expect([hex(invocationId), signalIndex]).toEqual([id_bytes_hex, signal_index]);
  }
});

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** The definition: the bytes as a little-endian number, in base 62. */
function slowBase62(raw: Uint8Array, width: number): string {
  let value = BigInt(`0x${hex(raw.slice().reverse())}`);
  let text = '';
  for (; text.length < width; value /= 62n) text = (ALPHABET[Number(value % 62n)] ?? '') + text;
  return text;
}

const rawId = (length: number) =>
  fc.oneof(
    fc.uint8Array({ minLength: length, maxLength: length }),
    // Long runs of zeros and ones: carries and leading zeros.
    fc
      .array(fc.constantFrom(0, 255, 1), { minLength: length, maxLength: length })
      .map(bytes => Uint8Array.from(bytes)),
  );

test('any id is the base62 of its little-endian value, and comes back', () => {
  fc.assert(
    fc.property(rawId(24), rawId(16), fc.integer({ min: 0, max: 0xffffffff }), (id, short, index) => {
      const text = `inv_1${slowBase62(id.subarray(0, 8), 11)}${slowBase62(id.subarray(8), 22)}`;
      expect(encodeInvocationId(id)).toBe(text);
      expect(decodeInvocationId(text)).toEqual(id);
      expect(encodeId('dp', short)).toBe(`dp_1${slowBase62(short, 22)}`);
      expect(decodeId('dp', encodeId('dp', short))).toEqual(short);
      const awakeable = encodeAwakeableId(id, index);
      const both = Buffer.concat([id, Uint8Array.of(index >>> 24, index >>> 16, index >>> 8, index)]);
      expect(awakeable).toBe(`sign_1${both.toString('base64url')}`);
      expect(decodeAwakeableId(awakeable)).toEqual({ invocationId: id, signalIndex: index });
      // A handler on another server may have been given an id of another length.
      expect(encodeAwakeableId(short, index)).toBe(
        `sign_1${Buffer.concat([short, both.subarray(24)]).toString('base64url')}`,
      );
    }),
    { seed: 20261120, numRuns: 1500 },
  );
});

const largest64 = slowBase62(new Uint8Array(8).fill(255), 11);
const largest128 = slowBase62(new Uint8Array(16).fill(255), 22);
const next = (text: string) =>
  text.slice(0, -1) + (ALPHABET[ALPHABET.indexOf(text.at(-1) ?? '') + 1] ?? 'no successor');
const zero = (width: number) => '0'.repeat(width);
const sign = vector.awakeable.awakeable_id;

const malformed: readonly [what: string, decode: () => unknown][] = [
  ['empty', () => decodeInvocationId('')],
  ['prefix only', () => decodeInvocationId('inv_1')],
  ['another kind', () => decodeInvocationId(`dp_1${zero(33)}`)],
  ['another version', () => decodeInvocationId(`inv_2${zero(33)}`)],
  ['one too short', () => decodeInvocationId(`inv_1${zero(32)}`)],
  ['one too long', () => decodeInvocationId(`inv_1${zero(34)}`)],
  ['a character outside the alphabet', () => decodeInvocationId(`inv_1${zero(20)}_${zero(12)}`)],
  ['a character beyond ASCII', () => decodeInvocationId(`inv_1${zero(20)}\u0130${zero(12)}`)],
  ['a partition key of 2^64', () => decodeInvocationId(`inv_1${next(largest64)}${zero(22)}`)],
  ['the largest 11 digits', () => decodeInvocationId(`inv_1${'Z'.repeat(11)}${zero(22)}`)],
  ['a uuid of 2^128', () => decodeInvocationId(`inv_1${zero(11)}${next(largest128)}`)],
  ['the largest 22 digits', () => decodeId('sub', `sub_1${'Z'.repeat(22)}`)],
  ['a deployment as subscription', () => decodeId('sub', `dp_1${zero(22)}`)],
  ['a deployment too short', () => decodeId('dp', `dp_1${zero(21)}`)],
  ['a legacy awakeable', () => decodeAwakeableId(sign.replace('sign', 'prom'))],
  ['an awakeable too short', () => decodeAwakeableId(sign.slice(0, -1))],
  ['an awakeable too long', () => decodeAwakeableId(`${sign}A`)],
  ['one character of padding', () => decodeAwakeableId(`${sign}=`)],
  ['unused bits set', () => decodeAwakeableId(`${sign.slice(0, -1)}R`)],
  ['the other base64 alphabet', () => decodeAwakeableId(`${sign.slice(0, -2)}+Q`)],
];

test.each(malformed)('refused: %s', (_, decode) => {
  expect(codeOf(decode)).toBe('HF_ID_MALFORMED');
});

test('the largest values are ids', () => {
  expect(hex(decodeInvocationId(`inv_1${largest64}${largest128}`))).toBe('f'.repeat(48));
  expect(hex(decodeInvocationId(`inv_1${zero(33)}`))).toBe('0'.repeat(48));
});

test('raw ids of the wrong length are bugs of the caller', () => {
  expect(() => encodeInvocationId(new Uint8Array(23))).toThrow(RangeError);
  expect(() => encodeId('dp', new Uint8Array(24))).toThrow(RangeError);
});
