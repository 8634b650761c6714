/**
 * Bodies that exceed a Lambda payload travel through an object store: requests in parts that the SDK fetches by
 * links, answers by a link that the SDK writes to.
 *
 * Keys: `payloads/<invocation>/<sha256>` for parts of a request, `payloads/<invocation>/answer-<random>` for answers.
 *
 * Invariants: a request's parts joined are its body; the cuts depend on the journal's beginning only, so that the
 * next attempt of an invocation, whose journal begins with this one's, finds its chunks stored; an answer is taken
 * only from the key that this attempt was given, and only if size and digest are those it was announced with;
 * what was stored for an invocation since the start is deleted after `release`, the rest by `sweep`. What is being
 * stored when it is released is deleted as soon as that is done.
 */
import { hash, webcrypto } from 'node:crypto';
import type { ObjectStore } from '../objects/object-store.ts';
import { CodedError } from '../platform/error.ts';
import type { Random } from '../platform/ports.ts';
import type { HeaderMap } from './envelope.ts';
import { type Cleanup, type CleanupPorts, createCleanup } from './offload-cleanup.ts';
import { cutBody } from './offload-parts.ts';

export interface Offload {
  /** Where this attempt may leave its answer. */
  slot(invocationId: string): Promise<AnswerSlot>;
  /** The parts of a body that is too large, its stored chunks put where they are not yet. */
  pack(invocationId: string, body: Uint8Array): Promise<Uint8Array>;
  /** The body that `headers` announce, from the slot. Rejects with RT0012, RT0019 or what the store says. */
  collect(slot: AnswerSlot, headers: HeaderMap, bytesMax: number): Promise<Uint8Array>;
  /** The invocation is over. */
  release(invocationId: string): void;
  /** Its attempt may have left an answer that nobody has read. */
  suspect(invocationId: string): void;
  /** Its attempt could not begin: what is thought to be stored may be gone, and is stored again. */
  forget(invocationId: string): void;
  /**
   * Deletes what is stored for invocations that are not active; resolves with how many there were. Rejects with
   * `HF_OBJECT_STORE`; what it has not deleted then is for the next sweep.
   */
  sweep(isActive: (invocationId: string) => boolean): Promise<number>;
  /** Stops deleting; what is left is swept after the next start. */
  close(): void;
}

export interface AnswerSlot {
  readonly invocationId: string;
  readonly key: string;
  /** For one PUT. */
  readonly url: string;
}

export interface OffloadOptions extends CleanupPorts {
  readonly store: ObjectStore;
  readonly random: Random;
  /** @default 4 MiB */
  readonly chunkBytes?: number;
  /** What of a body is sent along without being stored, at most. @default 3 MiB */
  readonly inlineBytesMax?: number;
}

export const BODY_HEADER = 'x-holdfast-body';
export const UPLOAD_HEADER = 'x-holdfast-upload';
export const BODY_SHA256_HEADER = 'x-holdfast-body-sha256';
export const BODY_BYTES_HEADER = 'x-holdfast-body-bytes';

/** What the SDK takes together of one body; more would fail in the function each time. */
export const OFFLOADED_BYTES_MAX = 64 * 1024 * 1024;
/** Longer than a Lambda function can run. */
const LINK_SECONDS = 20 * 60;
const CHUNK_BYTES = 4 * 1024 * 1024;
/** It is base64 twice, in the parts and in the event, and links and headers need room. */
const INLINE_BYTES_MAX = 3 * 1024 * 1024;
const PUTS_AT_ONCE = 4;
/** Digests that are remembered; past it everything is forgotten and may be stored once more. */
const STORED_MAX = 50_000;

type Part =
  | { readonly inline: string }
  | { readonly url: string; readonly sha256: string; readonly bytes: number };

/** A body that is being stored. */
interface Packing {
  isReleased: boolean;
}

export function createOffload(options: OffloadOptions): Offload {
  return new ThroughStore(options);
}

class ThroughStore implements Offload {
  readonly #store: ObjectStore;
  readonly #random: Random;
  readonly #chunkBytes: number;
  readonly #inlineBytesMax: number;
  readonly #cleanup: Cleanup;
  /** Invocations with objects, and the chunks known to be there. */
  readonly #stored = new Map<string, Set<string>>();
  #storedChunks = 0;
  readonly #packings = new Map<string, Set<Packing>>();

  constructor({ store, random, chunkBytes, inlineBytesMax, ...ports }: OffloadOptions) {
    this.#store = store;
    this.#random = random;
    this.#chunkBytes = chunkBytes ?? CHUNK_BYTES;
    this.#inlineBytesMax = inlineBytesMax ?? INLINE_BYTES_MAX;
    this.#cleanup = createCleanup(store, ports);
  }

  async slot(invocationId: string): Promise<AnswerSlot> {
    const name = Buffer.from(this.#random.bytes(16)).toString('hex');
    const key = `${prefixOf(invocationId)}answer-${name}`;
    return { invocationId, key, url: await this.#store.presignPut(key, LINK_SECONDS) };
  }

  async pack(invocationId: string, body: Uint8Array): Promise<Uint8Array> {
    const pieces = cutBody(body, this.#chunkBytes, this.#inlineBytesMax);
    const parts: Part[] = new Array(pieces.length);
    const queue = pieces.entries();
    const packing = this.#begin(invocationId);
    const work = async (): Promise<void> => {
      for (const [i, { bytes, stored }] of queue) {
        if (packing.isReleased) return;
        parts[i] = stored ? await this.#storedPart(invocationId, bytes) : { inline: base64(bytes) };
      }
    };
    // The others go on after one has failed, and what they have stored must not be missed.
    const ends = await Promise.allSettled(Array.from({ length: PUTS_AT_ONCE }, work));
    this.#ended(invocationId, packing);
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    return Buffer.from(JSON.stringify({ parts }));
  }

  #begin(invocationId: string): Packing {
    const packing = { isReleased: false };
    const others = this.#packings.get(invocationId);
    if (others === undefined) this.#packings.set(invocationId, new Set([packing]));
    else others.add(packing);
    return packing;
  }

  #ended(invocationId: string, packing: Packing): void {
    const all = this.#packings.get(invocationId);
    all?.delete(packing);
    if (all?.size === 0) this.#packings.delete(invocationId);
    if (packing.isReleased) this.#remove(invocationId);
  }

  #remove(invocationId: string): void {
    const chunks = this.#stored.get(invocationId);
    if (chunks === undefined) return;
    this.#stored.delete(invocationId);
    this.#storedChunks -= chunks.size;
    this.#cleanup.remove(prefixOf(invocationId));
  }

  async collect(slot: AnswerSlot, headers: HeaderMap, bytesMax: number): Promise<Uint8Array> {
    const { sha256, length } = announced(headers, bytesMax);
    this.#chunksOf(slot.invocationId);
    const body = await this.#store.get(slot.key, length);
    if (body === undefined) throw refused('it is not in the object store, where it was said to be');
    if (body.length !== length) throw refused(`it has ${body.length} bytes in place of ${length}`);
    if ((await digest(body)) !== sha256) throw refused('its digest is another than announced');
    return body;
  }

  release(invocationId: string): void {
    for (const packing of this.#packings.get(invocationId) ?? []) packing.isReleased = true;
    this.#remove(invocationId);
  }

  suspect(invocationId: string): void {
    this.#chunksOf(invocationId);
  }

  forget(invocationId: string): void {
    const chunks = this.#chunksOf(invocationId);
    this.#storedChunks -= chunks.size;
    chunks.clear();
  }

  async sweep(isActive: (invocationId: string) => boolean): Promise<number> {
    let last = '';
    let swept = 0;
    for await (const key of this.#store.list(ROOT)) {
      const id = key.slice(ROOT.length).split('/', 1)[0] ?? '';
      // The keys of one invocation lie together.
      if (id === last) continue;
      last = id;
      if (isActive(id)) this.#chunksOf(id);
      else {
        await this.#store.removeAll(prefixOf(id));
        swept++;
      }
    }
    return swept;
  }

  close(): void {
    this.#cleanup.close();
  }

  async #storedPart(invocationId: string, bytes: Uint8Array): Promise<Part> {
    const sha256 = await digest(bytes);
    const key = `${prefixOf(invocationId)}${sha256}`;
    if (!this.#chunksOf(invocationId).has(sha256)) {
      await this.#store.put(key, bytes);
      this.#remember(invocationId, sha256);
    }
    return { url: await this.#store.presignGet(key, LINK_SECONDS), sha256, bytes: bytes.length };
  }

  #chunksOf(invocationId: string): Set<string> {
    let chunks = this.#stored.get(invocationId);
    if (chunks === undefined) {
      chunks = new Set();
      this.#stored.set(invocationId, chunks);
    }
    return chunks;
  }

  #remember(invocationId: string, sha256: string): void {
    if (this.#storedChunks >= STORED_MAX) {
      for (const each of this.#stored.values()) each.clear();
      this.#storedChunks = 0;
    }
    const chunks = this.#chunksOf(invocationId);
    this.#storedChunks -= chunks.size;
    this.#storedChunks += chunks.add(sha256).size;
  }
}

const ROOT = 'payloads/';
const prefixOf = (invocationId: string): string => `${ROOT}${invocationId}/`;

function announced(headers: HeaderMap, bytesMax: number): { sha256: string; length: number } {
  const sha256 = headers[BODY_SHA256_HEADER] ?? '';
  const text = headers[BODY_BYTES_HEADER] ?? '';
  if (!/^[0-9a-f]{64}$/.test(sha256) || !/^\d{1,15}$/.test(text)) {
    throw refused(`${BODY_SHA256_HEADER} or ${BODY_BYTES_HEADER} is malformed`);
  }
  const length = Number(text);
  if (length <= bytesMax) return { sha256, length };
  throw new CodedError(
    'RT0019',
    `The answer is too large: it has ${length} bytes, the limit is ${bytesMax}.`,
  );
}

function refused(reason: string): CodedError {
  return new CodedError('RT0012', `The answer that was left in the object store cannot be taken: ${reason}.`);
}

/** Small pieces here, large ones on a thread: 4 MiB take milliseconds. */
async function digest(bytes: Uint8Array): Promise<string> {
  if (bytes.length < 64 * 1024) return hash('sha256', bytes, 'hex');
  const found = await webcrypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return Buffer.from(found).toString('hex');
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}
