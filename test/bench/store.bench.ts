/**
 * The SQLite store under load: `node test/bench/store.bench.ts`. Rows have keys of 24 bytes in random order and
 * values of 200 bytes; batches have 5,000 rows, two under way; beside them the main thread reads single rows.
 *
 * CPU of the writer is what the process used beyond the main thread, so it includes the garbage collector's
 * helpers.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packBatch } from '../../runtime/store/packed-batch.ts';
import { openSqliteStore } from '../../runtime/store/sqlite-store.ts';
import type { Store, Write } from '../../runtime/store/store.ts';

const ROWS = 100_000;
const BATCH_ROWS = 5000;
const RUN_MS = 3000;

function keyOf(n: number): Uint8Array {
  const key = new Uint8Array(24);
  new DataView(key.buffer).setUint32(4, Math.imul(n, 2_654_435_761));
  return key;
}

function batchOf(start: number): Write[] {
  return Array.from({ length: BATCH_ROWS }, (_, i) => {
    const value = new Uint8Array(200);
    new DataView(value.buffer).setUint32(0, start + i);
    return { key: keyOf((start + i) % ROWS), value };
  });
}

const microseconds = (usage: NodeJS.CpuUsage): number => usage.user + usage.system;
const percentile = (sorted: readonly number[], share: number): string =>
  (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN).toFixed(1);

async function fill(store: Store): Promise<void> {
  for (let start = 0; start < ROWS; start += BATCH_ROWS) await store.write(batchOf(start));
}

/** What handing a batch over costs the main thread, beside the structured clone it avoids. */
function handOver(): void {
  const batch = batchOf(0);
  const costs = [
    ['packed and moved', () => void move(packBatch(batch))],
    ['structured clone', () => void structuredClone(batch)],
  ] as const;
  for (const [name, run] of costs) {
    for (let i = 0; i < 20; i++) run();
    const startMs = performance.now();
    for (let i = 0; i < 40; i++) run();
    const each = ((performance.now() - startMs) * 1000) / (40 * BATCH_ROWS);
    console.log(`hand over, ${name}: ${each.toFixed(3)} µs an entry`);
  }
}

function move(buffer: ArrayBuffer): ArrayBuffer {
  return structuredClone(buffer, { transfer: [buffer] });
}

async function writeAndRead(store: Store, reads: boolean): Promise<void> {
  const batches = Array.from({ length: 20 }, (_, i) => batchOf(i * BATCH_ROWS));
  const readUs: number[] = [];
  let entries = 0;
  let underWay = 0;
  let next = 0;
  const before = { process: process.cpuUsage(), main: process.threadCpuUsage() };
  const startMs = performance.now();
  while (performance.now() - startMs < RUN_MS || underWay > 0) {
    while (underWay < 2 && performance.now() - startMs < RUN_MS) {
      underWay += 1;
      const batch = batches[next++ % batches.length] ?? [];
      store.write(batch).then(() => {
        underWay -= 1;
        entries += batch.length;
      });
    }
    // A paced reader: 20 reads, then the rest of a millisecond for whatever else the event loop has.
    for (let i = 0; reads && i < 20; i++) {
      const key = keyOf((readUs.length * 7919) % ROWS);
      const readStartMs = performance.now();
      if (store.get(key) === undefined) throw new Error('a row is missing');
      readUs.push((performance.now() - readStartMs) * 1000);
    }
    await new Promise(resolve => setTimeout(resolve, 1));
  }
  const seconds = (performance.now() - startMs) / 1000;
  const main = microseconds(process.threadCpuUsage(before.main));
  const writer = microseconds(process.cpuUsage(before.process)) - main;
  readUs.sort((a, b) => a - b);
  console.log(
    `${reads ? 'with reads' : 'writes only'}: ${Math.round(entries / seconds)} entries/s, CPU an entry:`,
    `writer ${(writer / entries).toFixed(2)} µs, main thread ${(main / entries).toFixed(2)} µs`,
  );
  if (!reads) return;
  console.log(
    `  ${Math.round(readUs.length / seconds)} reads/s: p50 ${percentile(readUs, 0.5)} µs,`,
    `p99 ${percentile(readUs, 0.99)} µs, max ${percentile(readUs, 1)} µs`,
  );
}

function readQuietly(store: Store): void {
  const startMs = performance.now();
  for (let i = 0; i < ROWS; i++) store.get(keyOf(i));
  const getUs = ((performance.now() - startMs) * 1000) / ROWS;
  const scanStartMs = performance.now();
  const found = store.scan(new Uint8Array(), new Uint8Array(24).fill(0xff)).length;
  const scanUs = ((performance.now() - scanStartMs) * 1000) / found;
  console.log(`no writes: get ${getUs.toFixed(2)} µs; scan of ${found} rows ${scanUs.toFixed(2)} µs a row`);
}

const directory = mkdtempSync(join(tmpdir(), 'holdfast-store-bench-'));
try {
  const store = await openSqliteStore({ path: join(directory, 'store.db') });
  handOver();
  await fill(store);
  readQuietly(store);
  await writeAndRead(store, false);
  await writeAndRead(store, true);
  await store.close();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
