/**
 * What the segmented log costs. Usage: node test/bench/log.bench.ts [directory]
 *
 * Each append is one record of 600 bytes. "main" is the CPU of the main thread alone (this loop included), per
 * group commit and per record; "process" is the CPU of the whole process, the writer's thread included.
 */

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openFileLog } from '../../runtime/log/file-log.ts';

const RECORD_BYTES = 600;
const WARM_UP_MS = 500;
const MEASURED_MS = 1500;
const IDLE_MS = 3000;

const parent = process.argv[2] ?? os.tmpdir();
const directory = fs.mkdtempSync(path.join(parent, 'holdfast-log-bench-'));
const totalUs = ({ user, system }: NodeJS.CpuUsage): number => user + system;
const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

const log = await openFileLog({
  directory,
  partition: 0,
  random: { bytes: length => randomBytes(length), float: Math.random },
  onFailure: error => {
    throw error;
  },
});

/** Keeps `inFlight` appends waiting for `durationMs`. */
function load(inFlight: number, durationMs: number) {
  const latenciesMs: number[] = [];
  const end = performance.now() + durationMs;
  let waiting = 0;
  let commits = 0;
  let turn = -1;
  return new Promise<{ latenciesMs: number[]; commits: number }>(resolve => {
    const append = (): void => {
      const start = performance.now();
      waiting += 1;
      log.append([new Uint8Array(RECORD_BYTES)], () => {
        const now = performance.now();
        latenciesMs.push(now - start);
        waiting -= 1;
        // `durable` moves once per group commit.
        if (log.durable !== turn) commits += 1;
        turn = log.durable;
        if (now < end) append();
        else if (waiting === 0) resolve({ latenciesMs, commits });
      });
    };
    for (let index = 0; index < inFlight; index++) append();
  });
}

const rows: Record<string, string | number>[] = [];
for (const inFlight of [1, 64, 1024]) {
  await load(inFlight, WARM_UP_MS);
  const [mainBefore, processBefore, before] = [
    process.threadCpuUsage(),
    process.cpuUsage(),
    performance.now(),
  ];
  const { latenciesMs, commits } = await load(inFlight, MEASURED_MS);
  const mainUs = totalUs(process.threadCpuUsage(mainBefore));
  const processUs = totalUs(process.cpuUsage(processBefore));
  const elapsedMs = performance.now() - before;
  latenciesMs.sort((a, b) => a - b);
  const quantile = (q: number) => (latenciesMs[Math.floor(latenciesMs.length * q)] ?? 0).toFixed(3);
  const records = latenciesMs.length;
  rows.push({
    'in flight': inFlight,
    'records/s': Math.round((records / elapsedMs) * 1000),
    'p50 ms': quantile(0.5),
    'p99 ms': quantile(0.99),
    'records/commit': (records / commits).toFixed(1),
    'main µs/commit': (mainUs / commits).toFixed(1),
    'main µs/record': (mainUs / records).toFixed(2),
    'process µs/commit': (processUs / commits).toFixed(1),
    'process µs/record': (processUs / records).toFixed(2),
  });
}
console.table(rows);

// Long enough for the mark and the runway to be done before it is measured.
await sleep(2000);
const idleBefore = process.cpuUsage();
await sleep(IDLE_MS);
console.log(`idle CPU: ${(totalUs(process.cpuUsage(idleBefore)) / IDLE_MS).toFixed(2)} µs per ms`);

await log.close();
const reopenStart = performance.now();
const bytes = fs
  .readdirSync(directory)
  .reduce((sum, name) => sum + fs.statSync(path.join(directory, name)).size, 0);
let count = 0;
const again = await openFileLog({
  directory,
  partition: 0,
  random: { bytes: length => randomBytes(length), float: Math.random },
  onFailure: error => {
    throw error;
  },
});
const openedMs = performance.now() - reopenStart;
const readStart = performance.now();
for (const _ of again.read(1)) count += 1;
const readMs = performance.now() - readStart;
console.log(
  `${(bytes / 2 ** 20).toFixed(0)} MiB: opened in ${openedMs.toFixed(0)} ms; ` +
    `${count} records read in ${readMs.toFixed(0)} ms (${Math.round(count / readMs)} per ms)`,
);
await again.close();
fs.rmSync(directory, { recursive: true });
