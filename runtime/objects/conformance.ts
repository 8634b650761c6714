/** What every object store does, as tests over a factory. Ships with the port. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ObjectStore } from './object-store.ts';

export interface ObjectStorePlace {
  readonly store: ObjectStore;
  /** Follows a link, as a client without credentials. */
  follow(method: string, link: string, bytes?: Uint8Array): Promise<{ status: number; body: Uint8Array }>;
  /** Its clock goes on; undefined: the double does not look at the time or the signature of a link. */
  readonly pass: ((ms: number) => void) | undefined;
  close(): Promise<void>;
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const plain = (found: Uint8Array | undefined) => (found === undefined ? undefined : [...found]);

async function keysOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of store.list(prefix)) keys.push(key);
  return keys;
}

export function objectStoreConformance(name: string, open: () => Promise<ObjectStorePlace>): void {
  describe(`${name} is an object store`, () => {
    let place: ObjectStorePlace;
    beforeEach(async () => {
      place = await open();
    });
    afterEach(() => place.close());

    writeTests(() => place.store);
    listTests(() => place.store);
    linkTests(() => place);
  });
}

function writeTests(store: () => ObjectStore): void {
  test('what was put is got, byte for byte; what was not is not there', async () => {
    const large = new Uint8Array(300_000).map((_, i) => (i * 31) >> 3);
    await store().put('a/large', large);
    await store().put('a/empty', bytes());
    expect(Buffer.compare((await store().get('a/large', 300_000)) ?? bytes(), large)).toBe(0);
    expect(plain(await store().get('a/empty', 0))).toEqual([]);
    expect(await store().get('a/none', 100)).toBeUndefined();
  });

  test('a view into a larger buffer is stored as the view', async () => {
    await store().put('view', bytes(1, 2, 3, 4).subarray(1, 3));
    expect(plain(await store().get('view', 2))).toEqual([2, 3]);
  });

  test('putting the same again succeeds, other bytes under the key are refused and change nothing', async () => {
    await store().put('k', bytes(1, 2));
    await store().put('k', bytes(1, 2));
    for (const other of [bytes(1, 3), bytes(1), bytes(1, 2, 3)]) {
      await expect(store().put('k', other)).rejects.toMatchObject({ code: 'HF_OBJECT_STORE' });
    }
    expect(plain(await store().get('k', 9))).toEqual([1, 2]);
  });

  test('many writers of one key at once: those with the bytes that won succeed', async () => {
    const writes = Array.from({ length: 8 }, (_, i) => store().put('race', bytes(i % 2)));
    const outcomes = await Promise.allSettled(writes);
    const [value] = (await store().get('race', 1)) ?? [];
    outcomes.map(({ status }, i) => expect(status).toBe(i % 2 === value ? 'fulfilled' : 'rejected'));
  });

  test('no more is read than is allowed', async () => {
    await store().put('k', bytes(1, 2, 3));
    expect(plain(await store().get('k', 3))).toEqual([1, 2, 3]);
    await expect(store().get('k', 2)).rejects.toMatchObject({ code: 'HF_OBJECT_STORE' });
  });

  test('a key that would have to be encoded is a mistake of the program', async () => {
    for (const key of ['', '/a', 'a//b', 'a/../b', './a', 'a b', 'ä', 'a?b', 'x'.repeat(600)]) {
      await expect(store().put(key, bytes())).rejects.toThrow(/no key/);
    }
  });
}

function listTests(store: () => ObjectStore): void {
  test('lists what begins with a prefix, in order, over any number of pages', async () => {
    const keys = Array.from({ length: 25 }, (_, i) => `p/${String(i).padStart(2, '0')}`);
    await Promise.all([...keys].reverse().map(key => store().put(key, bytes(1))));
    await store().put('p-other', bytes(1));
    await store().put('q/1', bytes(1));
    expect(await keysOf(store(), 'p/')).toEqual(keys);
    expect(await keysOf(store(), 'none/')).toEqual([]);
  });

  test('removes what begins with a prefix and nothing else; removing nothing is no error', async () => {
    const keys = Array.from({ length: 25 }, (_, i) => `p/1/${i}`);
    await Promise.all([...keys, 'p/10', 'p/2'].map(key => store().put(key, bytes(1))));
    await store().removeAll('p/1/');
    expect(await keysOf(store(), 'p/')).toEqual(['p/10', 'p/2']);
    await store().removeAll('p/1/');
    // What was removed may be written anew.
    await store().put('p/1/0', bytes(2));
    expect(plain(await store().get('p/1/0', 1))).toEqual([2]);
  });
}

function linkTests(open: () => ObjectStorePlace): void {
  test('a link lets read and another one write, again and again', async () => {
    const { store, follow } = open();
    const write = await store.presignPut('inv_1/answer-a', 60);
    for (const each of [bytes(1), bytes(2, 3)]) expect((await follow('PUT', write, each)).status).toBe(200);
    const read = await store.presignGet('inv_1/answer-a', 60);
    expect(await follow('GET', read)).toEqual({ status: 200, body: bytes(2, 3) });
    expect(plain(await store.get('inv_1/answer-a', 10))).toEqual([2, 3]);
    expect((await follow('GET', await store.presignGet('none', 60))).status).toBe(404);
  });

  test('a link is good for its method and its key only', async () => {
    const { store, follow, pass } = open();
    if (pass === undefined) return;
    await store.put('a', bytes(1));
    await store.put('b', bytes(2));
    const read = await store.presignGet('a', 60);
    expect((await follow('PUT', read, bytes(9))).status).toBe(403);
    expect((await follow('GET', read.replace(/\/a\?/, '/b?'))).status).toBe(403);
    expect((await follow('GET', await store.presignPut('a', 60))).status).toBe(403);
    expect(plain(await store.get('a', 1))).toEqual([1]);
  });

  test('a link ends with its time', async () => {
    const { store, follow, pass } = open();
    if (pass === undefined) return;
    await store.put('a', bytes(1));
    const read = await store.presignGet('a', 60);
    pass(58_000);
    expect((await follow('GET', read)).status).toBe(200);
    pass(4000);
    expect((await follow('GET', read)).status).toBe(403);
  });
}
