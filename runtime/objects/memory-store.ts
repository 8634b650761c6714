/** The object store in memory, for tests and the simulator. Its links are followed by `follow`. */
import type { Clock } from '../platform/ports.ts';
import { assertKey, type ObjectStore, objectStoreError } from './object-store.ts';

export interface MemoryObjectStore extends ObjectStore {
  /** What a client that has been given a link would get: the status of HTTP, and the bytes of a GET. */
  follow(
    method: string,
    link: string,
    bytes?: Uint8Array,
  ): { readonly status: number; readonly body: Uint8Array };
  readonly objects: ReadonlyMap<string, Uint8Array>;
}

const EMPTY = new Uint8Array();

export function createMemoryObjectStore(clock: Pick<Clock, 'now'>): MemoryObjectStore {
  const objects = new Map<string, Uint8Array>();
  const links = new Map<string, { method: string; key: string; untilMs: number }>();
  const keysIn = (prefix: string) => [...objects.keys()].filter(key => key.startsWith(prefix)).sort();

  function presign(method: string, key: string, seconds: number): string {
    assertKey(key);
    const link = `memory:///${key}?${links.size}`;
    links.set(link, { method, key, untilMs: clock.now() + seconds * 1000 });
    return link;
  }

  return {
    objects,
    async put(key, bytes) {
      assertKey(key);
      const found = objects.get(key);
      if (found === undefined) objects.set(key, bytes.slice());
      else if (Buffer.compare(found, bytes) !== 0) throw objectStoreError(`'${key}' holds other bytes`);
    },
    async get(key, bytesMax) {
      assertKey(key);
      const bytes = objects.get(key);
      if (bytes === undefined || bytes.length <= bytesMax) return bytes;
      throw objectStoreError(`'${key}' has ${bytes.length} bytes, ${bytesMax} are taken`);
    },
    async *list(prefix) {
      assertKey(prefix);
      yield* keysIn(prefix);
    },
    async removeAll(prefix) {
      assertKey(prefix);
      for (const key of keysIn(prefix)) objects.delete(key);
    },
    presignGet: async (key, seconds) => presign('GET', key, seconds),
    presignPut: async (key, seconds) => presign('PUT', key, seconds),
    close() {
      links.clear();
    },
    follow(method, text, bytes = EMPTY) {
      const link = links.get(text);
      if (link === undefined || link.method !== method || clock.now() > link.untilMs) {
        return { status: 403, body: EMPTY };
      }
      if (method === 'PUT') objects.set(link.key, bytes.slice());
      const body = objects.get(link.key);
      return body === undefined ? { status: 404, body: EMPTY } : { status: 200, body };
    },
  };
}
