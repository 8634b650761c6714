import { objectStoreConformance } from './conformance.ts';
import { createMemoryObjectStore } from './memory-store.ts';

objectStoreConformance('memory', async () => {
  let nowMs = 1_000_000;
  const store = createMemoryObjectStore({ now: () => nowMs });
  return {
    store,
    follow: async (method, link, bytes) => store.follow(method, link, bytes),
    pass(ms) {
      nowMs += ms;
    },
    close: async () => store.close(),
  };
});
