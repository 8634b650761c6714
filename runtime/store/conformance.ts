/**
 * What every `Store` does, as tests over a factory. An implementation calls `storeConformance` in its own test
 * file and says how one of its stores is opened, opened again, and killed in the middle of writing.
 */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CRASH_BATCH_ROWS, crashBatch } from './crash-batch.ts';
import { compareKeys } from './keys.ts';
import type { Store, Write } from './store.ts';

/** Where one store lives; opening it again finds the same rows. */
export interface StorePlace {
  open(): Promise<Store>;
  /**
   * Opens the store in what stands for a process of its own, writes `crashBatch(1)`, `crashBatch(2)`, ... without
   * waiting for each, and kills it in the middle once `atLeast` are acknowledged. The number acknowledged.
   */
  crashWhileWriting(atLeast: number): Promise<number>;
  remove(): Promise<void>;
}

const text = new TextEncoder();
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const put = (key: Uint8Array, value: Uint8Array): Write => ({ key, value });
const drop = (key: Uint8Array): Write => ({ key, value: undefined });
const FIRST = bytes();
const LAST = new Uint8Array(16).fill(0xff);

/** The `n` of the newest batch in the store; fails if it is not there whole. */
function wholeBatch(store: Store): number {
  const rows = store.scan(text.encode('a'), text.encode('c'));
  if (rows.length === 0) return 0;
  const numbers = new Set(rows.map(({ value }) => new DataView(value.buffer, value.byteOffset).getUint32(0)));
  expect(rows).toHaveLength(CRASH_BATCH_ROWS);
  expect([...numbers]).toHaveLength(1);
  return [...numbers][0] as number;
}

export function storeConformance(name: string, newPlace: () => Promise<StorePlace>): void {
  describe(`${name} is a store`, () => {
    let place: StorePlace;
    let store: Store;

    beforeEach(async () => {
      place = await newPlace();
      store = await place.open();
    });

    afterEach(async () => {
      await store.close();
      await place.remove();
    });

    rowTests(() => store);
    scanTests(() => store);

    test('rows are there after closing and opening; close writes what is queued', async () => {
      const written = [store.write([put(bytes(1), bytes(1))]), store.write([put(bytes(2), bytes(2))])];
      await store.close();
      await Promise.all(written);
      store = await place.open();
      expect(store.scan(FIRST, LAST)).toEqual([put(bytes(1), bytes(1)), put(bytes(2), bytes(2))]);
    });

    test('the newest opening is the only writer', async () => {
      const older = store;
      await older.write([put(bytes(1), bytes(1))]);
      store = await place.open();
      await expect(older.write([put(bytes(1), bytes(2))])).rejects.toMatchObject({ code: 'HF_STORE_FENCED' });
      await expect(older.write([])).rejects.toMatchObject({ code: 'HF_STORE_FENCED' });
      await store.write([put(bytes(2), bytes(3))]);
      expect(store.scan(FIRST, LAST)).toEqual([put(bytes(1), bytes(1)), put(bytes(2), bytes(3))]);
      await older.close();
    });

    test.each([1, 10, 60])('a crash after %i acknowledged batches leaves whole ones', async atLeast => {
      await store.close();
      const acknowledged = await place.crashWhileWriting(atLeast);
      store = await place.open();
      expect(acknowledged).toBeGreaterThanOrEqual(atLeast);
      expect(wholeBatch(store)).toBeGreaterThanOrEqual(acknowledged);
    });

    test('reads during writes see whole batches, in order, and every acknowledged one', async () => {
      let acknowledged = 0;
      let seen = 0;
      const written: Promise<void>[] = [];
      for (let n = 1; n <= 100; n++) {
        written.push(
          store.write(crashBatch(n)).then(() => {
            acknowledged = n;
          }),
        );
      }
      while (seen < 100) {
        const atLeast = Math.max(seen, acknowledged);
        seen = wholeBatch(store);
        expect(seen).toBeGreaterThanOrEqual(atLeast);
        await new Promise(resolve => setImmediate(resolve));
      }
      await Promise.all(written);
    });
  });
}

function rowTests(store: () => Store): void {
  test('an empty value is a value, an absent one deletes; an empty key is a key', async () => {
    await store().write([put(bytes(1), bytes()), put(bytes(2), bytes(2)), put(bytes(), bytes(3))]);
    await store().write([drop(bytes(2)), drop(bytes(9))]);
    expect(store().get(bytes(1))).toEqual(bytes());
    expect(store().get(bytes(2))).toBeUndefined();
    expect(store().get(bytes())).toEqual(bytes(3));
    expect(store().get(bytes(9))).toBeUndefined();
  });

  test('the last write to a key in a batch counts; an empty batch resolves', async () => {
    const one = bytes(1);
    await store().write([
      put(one, bytes(1)),
      drop(one),
      put(one, bytes(2)),
      put(bytes(2), bytes(1)),
      drop(bytes(2)),
    ]);
    await store().write([]);
    expect(store().scan(FIRST, LAST)).toEqual([put(one, bytes(2))]);
  });

  test('big values come back unchanged, and keys that are views of something larger', async () => {
    const big = Uint8Array.from({ length: 1 << 20 }, (_, i) => (i * 31) >> 3);
    const around = bytes(7, 7, 1, 2, 7, 7);
    await store().write([put(around.subarray(2, 4), big)]);
    expect(Buffer.compare(store().get(bytes(1, 2)) ?? bytes(), big)).toBe(0);
    expect(store().get(around.subarray(2, 4))).toHaveLength(1 << 20);
  });

  test('a batch of 10,000 rows', async () => {
    const key = (n: number) => bytes(n >> 8, n & 0xff);
    const batch = Array.from({ length: 10_000 }, (_, n) => put(key((n * 7919) % 10_000), bytes(n & 0xff)));
    await store().write(batch);
    const rows = store().scan(FIRST, LAST);
    expect(rows.map(row => row.key)).toEqual(Array.from({ length: 10_000 }, (_, n) => key(n)));
  });

  test('random batches leave what a map would hold', async () => {
    const model = new Map<string, Write>();
    let seed = 42;
    const draw = (below: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % below;
    };
    const alphabet = [0, 1, 0x7f, 0x80, 0xff];
    const randomKey = () => Uint8Array.from({ length: draw(6) }, () => alphabet[draw(5)] as number);
    for (let round = 0; round < 60; round++) {
      const batch = Array.from({ length: draw(40) }, () =>
        draw(3) === 0 ? drop(randomKey()) : put(randomKey(), bytes(round, draw(256))),
      );
      for (const write of batch) model.set(write.key.join(), write);
      await store().write(batch);
      const [from, to] = [randomKey(), randomKey()].sort(compareKeys) as [Uint8Array, Uint8Array];
      const expected = [...model.values()]
        .filter(({ key, value }) => value && compareKeys(key, from) >= 0 && compareKeys(key, to) < 0)
        .sort((a, b) => compareKeys(a.key, b.key));
      expect(store().scan(from, to)).toEqual(expected);
    }
  });
}

function scanTests(store: () => Store): void {
  const keys = [
    bytes(),
    bytes(0),
    bytes(0, 0),
    bytes(1),
    bytes(0x7f),
    bytes(0x80),
    bytes(0x80, 1),
    bytes(0xff),
  ];
  const cases: [from: Uint8Array, to: Uint8Array, limit: number | undefined, from: number, to: number][] = [
    [FIRST, LAST, undefined, 0, 8],
    [FIRST, bytes(), undefined, 0, 0],
    [bytes(1), bytes(1), undefined, 0, 0],
    [bytes(0x80), bytes(1), undefined, 0, 0],
    [bytes(0), bytes(1), undefined, 1, 3],
    [bytes(0, 1), bytes(0x80), undefined, 3, 5],
    [bytes(0x80), bytes(0x81), undefined, 5, 7],
    [FIRST, LAST, 3, 0, 3],
    [bytes(1), LAST, 0, 0, 0],
    [bytes(1), bytes(0x80), 100, 3, 5],
  ];

  test.each(cases)('scan from %s to %s, at most %s', async (from, to, limit, first, end) => {
    await store().write(keys.toReversed().map(key => put(key, key)));
    expect(
      store()
        .scan(from, to, limit)
        .map(row => row.key),
    ).toEqual(keys.slice(first, end));
  });
}
