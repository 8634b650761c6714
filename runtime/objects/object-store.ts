/**
 * The port to a store of objects: bytes under keys, written once, and links that those who have no credentials can
 * follow. What is too large for a Lambda payload travels through it.
 *
 * Invariants: what `put` has resolved for is found by every later `get` and `list`; a key never changes its bytes
 * (`put` of others under it is an error); no more than `bytesMax` of an object are held. What goes wrong outside
 * rejects with `HF_OBJECT_STORE`.
 */
import { CodedError } from '../platform/error.ts';

export interface ObjectStore {
  /** Done already if the key holds the same bytes. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** Undefined: there is none. Rejects if it has more than `bytesMax`. */
  get(key: string, bytesMax: number): Promise<Uint8Array | undefined>;
  /** Keys that begin with it, in order of their bytes. What changes meanwhile may be there or not. */
  list(prefix: string): AsyncIterable<string>;
  /** Deletes every object whose key begins with it. None is no error. */
  removeAll(prefix: string): Promise<void>;
  /** A link that GET follows for so many seconds. */
  presignGet(key: string, seconds: number): Promise<string>;
  /** A link that one PUT or several follow for so many seconds; the last one counts. */
  presignPut(key: string, seconds: number): Promise<string>;
  /** Ends what is under way. */
  close(): void;
}

/** Letters, digits and a few others, so that no URL encodes a key; a segment of dots would go up in one. */
const KEY = /^(?!.*(?:^|\/)\.\.?(?:\/|$))[A-Za-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+)*\/?$/;

/** Keys are made by the program, so a bad one is its fault. */
export function assertKey(key: string): void {
  if (!KEY.test(key) || key.length > 512) throw new Error(`'${key.slice(0, 600)}' is no key of an object`);
}

export function objectStoreError(message: string, cause?: unknown): CodedError {
  return new CodedError('HF_OBJECT_STORE', message, cause === undefined ? undefined : { cause });
}
