/** The format of encrypted values, and what is refused. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { aesGcmCodec } from './aes-gcm.ts';
import type { ValuePlace } from './index.ts';
import { text, utf8 } from './journal.testkit.ts';

const key = (byte: number) => new Uint8Array(32).fill(byte);
const codec = aesGcmCodec({ keys: { k1: key(1) }, current: 'k1' });
const PLACE: ValuePlace = ['run', 'inv_1test', 1];
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('the format is kept', () => {
  const value = codec.encode(utf8('"hello"'), PLACE);
  // Made by this code once; values that users have stored look like it.
  expect(hex(value)).toBe('f9026b31e5003db3dae0f9c39537f7d15678271665bcfb379840dc7bee66e572e8c9223ab2ee19');
  expect(text(codec.decode(value, PLACE) as Uint8Array)).toBe('"hello"');
});

const bytes = fc.uint8Array({ maxLength: 80 });
const place = fc.oneof(
  fc.tuple(fc.constant('run' as const), fc.string(), fc.nat()),
  fc.tuple(fc.constant('state' as const), fc.string(), fc.string(), fc.string()),
);

test('equal values of one place are equal bytes; any other value or place has another nonce', () => {
  fc.assert(
    fc.property(bytes, place, bytes, place, (value, at, otherValue, otherPlace) => {
      const one = codec.encode(value, at);
      expect(hex(codec.decode(one, at) as Uint8Array)).toBe(hex(value));
      const other = codec.encode(otherValue, otherPlace);
      const isSame = hex(value) === hex(otherValue) && JSON.stringify(at) === JSON.stringify(otherPlace);
      const nonce = (encoded: Uint8Array) => hex(encoded.subarray(4, 16));
      expect(nonce(one) === nonce(other)).toBe(isSame);
      expect(hex(codec.encode(value.slice(), at))).toBe(hex(one));
    }),
    { numRuns: 300 },
  );
});

test('no bit can be changed, none left out and none added', () => {
  const value = codec.encode(utf8('value'), PLACE);
  for (let bit = 0; bit < value.length * 8; bit++) {
    const changed = new Uint8Array(value);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(() => codec.decode(changed, PLACE), `bit ${bit}`).toThrow();
  }
  for (let length = 0; length < value.length; length++)
    expect(() => codec.decode(value.subarray(0, length), PLACE), `${length} bytes`).toThrow();
  expect(() => codec.decode(Buffer.concat([value, new Uint8Array(1)]), PLACE)).toThrow();
});

test('keys are rotated: the current one encrypts, the others decrypt', () => {
  const rotated = aesGcmCodec({ keys: { k1: key(1), k2: key(2) }, current: 'k2' });
  const old = codec.encode(utf8('old'), PLACE);
  const fresh = rotated.encode(utf8('fresh'), PLACE);
  expect(text(rotated.decode(old, PLACE) as Uint8Array)).toBe('old');
  expect(text(rotated.decode(fresh, PLACE) as Uint8Array)).toBe('fresh');
  expect(() => codec.decode(fresh, PLACE)).toThrow('there is no key "k2"');
  expect([codec.comparable?.(old, old), rotated.comparable?.(old, fresh)]).toEqual([true, false]);
});

test('another key of the same id is not the key', () => {
  const value = codec.encode(utf8('value'), PLACE);
  const other = aesGcmCodec({ keys: { k1: key(9) }, current: 'k1' });
  expect(() => other.decode(value, PLACE)).toThrow('"k1" is not the key');
});

test('plaintext is refused, unless it is accepted; what looks encrypted has to be', () => {
  const accepting = aesGcmCodec({ keys: { k1: key(1) }, current: 'k1', acceptPlaintext: true });
  for (const plain of ['', '"text"', '{}']) {
    expect(() => codec.decode(utf8(plain), PLACE)).toThrow('not encrypted');
    expect(text(accepting.decode(utf8(plain), PLACE) as Uint8Array)).toBe(plain);
    expect(accepting.comparable?.(utf8(plain), accepting.encode(utf8(plain), PLACE))).toBe(false);
  }
  const moved = accepting.encode(utf8('value'), ['run', 'inv_1test', 2]);
  expect(() => accepting.decode(moved, PLACE)).toThrow('of another place');
});

test.each([
  ['no current key', { keys: {}, current: 'k1' }, 'There is no key "k1"'],
  ['a key that is too short', { keys: { k1: key(1).subarray(1) }, current: 'k1' }, 'has 31 bytes'],
  ['a text for a key', { keys: { k1: 'k'.repeat(32) as never }, current: 'k1' }, 'a key is 32 bytes'],
  ['an id that is no text', { keys: { '\ud800': key(1) }, current: '\ud800' }, 'its id text'],
  ['an id that is too long', { keys: { ['k'.repeat(256)]: key(1) }, current: 'k' }, 'at most 255 bytes'],
])('%s is refused when the codec is made', (_name, options, message) => {
  expect(() => aesGcmCodec(options)).toThrow(message);
});
