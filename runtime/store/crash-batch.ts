/** What the conformance suite writes while a process is killed; apart, for processes without a test runner. */

import type { Write } from './store.ts';

export const CRASH_BATCH_ROWS = 51;

const text = new TextEncoder();

/** Batch `n` writes `n` into the position row and into every other row: a batch in parts cannot agree. */
export function crashBatch(n: number): Write[] {
  const value = new Uint8Array(200);
  new DataView(value.buffer).setUint32(0, n);
  const batch = [{ key: text.encode('a-position'), value }];
  for (let i = 1; i < CRASH_BATCH_ROWS; i++) batch.push({ key: text.encode(`b-row-${i}`), value });
  return batch;
}
