/**
 * A codec that encrypts all values with AES-256-GCM, under keys that the server never sees. Own entry point:
 * `@holdfast/sdk-lambda/aes-gcm`.
 *
 * An encrypted value is
 *
 *     0xF9 | bytes of the key id | key id | nonce (12) | ciphertext | tag (16)
 *
 * The first byte is the version of this format; no UTF-8 text contains it, so JSON is never mistaken for an encrypted value.
 *
 * Invariants:
 * - The associated data are version, key id and place (`ValuePlace`), as JSON: a value is read only where it was written.
 * - The nonce is an HMAC, under a key of its own, of associated data and plaintext. Two different values under one key
 *   have the same nonce with probability 2^-96, and replay gets the bytes that were recorded. What that tells is that a
 *   value is the same as another one of the same place.
 * - The format outlives versions of this code: a golden vector holds it.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';
import { SdkUsageError } from './coded-error.ts';
import type { JournalValueCodec, ValuePlace } from './value-codec.ts';

export interface AesGcmOptions {
  /** 32 random bytes each, by id. The id, at most 255 bytes of it, is stored with every value. */
  readonly keys: Readonly<Record<string, Uint8Array>>;
  /** The id of the key to encrypt with. The others are for values that were encrypted with them. */
  readonly current: string;
  /**
   * Values that are not encrypted are read as they are: those from before encryption was switched on, and those of
   * callers who cannot encrypt. Whoever can write to the journal can then replace values with others, so only for as long
   * as there are such values.
   *
   * @default false
   */
  readonly acceptPlaintext?: boolean;
}

const CIPHER = 'aes-256-gcm';
const VERSION = 0xf9;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ID_BYTES_MAX = 255;

interface Key {
  readonly id: string;
  /** Version, length and id, as every value starts. */
  readonly head: Buffer;
  readonly encryption: Buffer;
  readonly nonces: Buffer;
}

/**
 * Synchronous, as its caller wants it. Throws `HF_SDK_CODEC` when keys are missing or of the wrong size. What a value
 * cannot be decoded for (`HF_SDK_CODEC` again, and the attempt is retried) is a key that is not there, another key under the
 * same id, a value that was changed or is of another place, and plaintext.
 */
export function aesGcmCodec(options: AesGcmOptions): JournalValueCodec {
  const keys = new Map(Object.entries(options.keys).map(([id, bytes]) => [id, keyOf(id, bytes)]));
  const current = keys.get(options.current);
  if (!current)
    throw new SdkUsageError('HF_SDK_CODEC', `There is no key "${options.current}" to encrypt with.`);
  const plaintext = (value: Uint8Array): Uint8Array => {
    if (options.acceptPlaintext !== true)
      throw new Error('it is not encrypted, and acceptPlaintext is not set');
    return value;
  };
  return {
    encode: (value, place) => encrypt(current, value, place),
    decode(value, place) {
      if (value[0] !== VERSION) return plaintext(value);
      const id = idOf(value);
      const key = keys.get(id);
      if (!key) throw new Error(`there is no key "${id}"`);
      return decrypt(key, value, place);
    },
    // Under one key equal values are equal bytes. Of two, after a rotation, nothing can be said.
    comparable: (recorded, issued) => recorded[0] === VERSION && idOf(recorded) === idOf(issued),
  };
}

function keyOf(id: string, bytes: Uint8Array): Key {
  const idBytes = Buffer.from(id);
  // From JavaScript it may be a text, of which only some have the entropy of a key. An id comes back from its bytes.
  const isKey = bytes instanceof Uint8Array && bytes.length === KEY_BYTES;
  if (!isKey || idBytes.length > ID_BYTES_MAX || idBytes.toString() !== id)
    throw new SdkUsageError(
      'HF_SDK_CODEC',
      `Key "${id}" has ${bytes.length} bytes; a key is ${KEY_BYTES} bytes, and its id text of at most ${ID_BYTES_MAX} bytes.`,
    );
  const derived = (purpose: string) =>
    Buffer.from(hkdfSync('sha256', bytes, '', `holdfast values ${purpose}`, KEY_BYTES));
  return {
    id,
    head: Buffer.concat([Uint8Array.of(VERSION, idBytes.length), idBytes]),
    encryption: derived('encryption'),
    nonces: derived('nonces'),
  };
}

const idOf = (value: Uint8Array): string =>
  Buffer.from(value.buffer, value.byteOffset, value.length).toString('utf8', 2, 2 + (value[1] ?? 0));

const associated = (key: Key, place: ValuePlace): string => JSON.stringify([VERSION, key.id, ...place]);

function encrypt(key: Key, value: Uint8Array, place: ValuePlace): Uint8Array {
  const data = associated(key, place);
  // No JSON array is the beginning of another one: what is data and what is value is unambiguous.
  const nonce = createHmac('sha256', key.nonces).update(data).update(value).digest().subarray(0, NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key.encryption, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(data));
  const body = cipher.update(value);
  cipher.final();
  return Buffer.concat([key.head, nonce, body, cipher.getAuthTag()]);
}

function decrypt(key: Key, value: Uint8Array, place: ValuePlace): Uint8Array {
  const from = key.head.length + NONCE_BYTES;
  const to = value.length - TAG_BYTES;
  if (to < from) throw new Error('it is cut short');
  const nonce = value.subarray(key.head.length, from);
  const decipher = createDecipheriv(CIPHER, key.encryption, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(associated(key, place)));
  decipher.setAuthTag(value.subarray(to));
  const plain = decipher.update(value.subarray(from, to));
  try {
    decipher.final();
  } catch {
    // What OpenSSL says is no help.
    throw new Error(
      `it was changed, or is of another place, or "${key.id}" is not the key that it was encrypted with`,
    );
  }
  return plain;
}
