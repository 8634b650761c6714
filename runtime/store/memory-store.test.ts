import { expect, test } from 'vitest';
import { CodedError } from '../platform/error.ts';
import { storeConformance } from './conformance.ts';
import { crashBatch } from './crash-batch.ts';
import { MemoryStoreStorage, openMemoryStore } from './memory-store.ts';

storeConformance('the memory store', async () => {
  const storage = new MemoryStoreStorage();
  return {
    open: async () => openMemoryStore({ storage }),
    remove: async () => {},
    crashWhileWriting: async atLeast => {
      const steps: (() => void)[] = [];
      const store = openMemoryStore({ storage, defer: step => steps.push(step) });
      let acknowledged = 0;
      for (let n = 1; acknowledged < atLeast; n++) {
        store.write(crashBatch(n)).then(() => {
          acknowledged = n;
        });
        // Fewer steps run than were deferred, in an order of their own; the rest never do: the process is dead.
        if (n % 3 !== 0) steps.splice((n * 7) % steps.length, 1)[0]?.();
        await Promise.resolve();
      }
      return acknowledged;
    },
  };
});

const row = { key: Uint8Array.of(1), value: Uint8Array.of(1) };

test('a batch is committed, then acknowledged, when its steps are run', async () => {
  const steps: (() => void)[] = [];
  const store = openMemoryStore({ defer: step => steps.push(step) });
  const story: string[] = [];
  const written = store.write([row]).then(() => story.push('acknowledged'));
  story.push(store.get(row.key) === undefined ? 'invisible' : 'visible');
  steps.shift()?.();
  await Promise.resolve();
  story.push(store.get(row.key) === undefined ? 'invisible' : 'visible');
  steps.shift()?.();
  await written;
  expect(story).toEqual(['invisible', 'visible', 'acknowledged']);
});

test('after a failed commit every later one fails too', async () => {
  const storage = new MemoryStoreStorage();
  const store = openMemoryStore({ storage });
  storage.failWith(new CodedError('HF_STORE_FULL', 'the disk is full'));
  await expect(store.write([row])).rejects.toMatchObject({ code: 'HF_STORE_FULL' });
  storage.failWith(undefined);
  await expect(store.write([row])).rejects.toMatchObject({ code: 'HF_STORE_FULL' });
  expect(store.get(row.key)).toBeUndefined();
});
