/**
 * `node test/bench/engine.bench.ts [--only NAME] [--store sqlite] [--seconds N]`: the engine alone,
 * without HTTP, Lambda and disk (`engine-kit.ts`). What is left of an invocation's CPU after this is sockets, the
 * log's thread and the store. The rows run in turn, several rounds of them, so that their ratios hold on a machine
 * that is busy with other things; with `--only` a profile shows one of them.
 */

import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { CHILDREN, type Drive, drive, type EngineInProcess, openEngine, submit } from './engine-kit.ts';

const KEYS = 10_000;
const QUEUED = 100_000;
const ROUNDS = 3;
const WARM_UP_SECONDS = 0.7;

interface Row extends Drive {
  readonly name: string;
}

const noKey = (): string => '';
const rows: readonly Row[] = [
  { name: 'empty call', service: 'Bench', handler: 'empty', clients: 64, key: noKey },
  {
    name: 'object call',
    service: 'Account',
    handler: 'add',
    clients: 64,
    key: n => `key-${(n * 7919) % KEYS}`,
  },
  { name: 'hot key', service: 'Account', handler: 'add', clients: 64, key: () => 'hot' },
  { name: 'saga of 3 calls', service: 'Bench', handler: 'saga', clients: 64, key: noKey },
  {
    name: `${CHILDREN} child calls`,
    service: 'Bench',
    handler: 'children',
    clients: 4,
    key: noKey,
  },
];

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    store: { type: 'string', default: 'memory' },
    seconds: { type: 'string', default: '1' },
  },
});
const seconds = Number(values.seconds);
if (values.store !== 'memory' && values.store !== 'sqlite') throw new Error('--store is memory or sqlite');

interface Sum {
  invocations: number;
  micros: number;
  calls: number;
}

async function measureRow({ engine, client }: EngineInProcess, row: Row, sum: Sum): Promise<void> {
  const calls = client.calls;
  const before = process.cpuUsage();
  sum.invocations += await drive(engine, row, seconds);
  const { user, system } = process.cpuUsage(before);
  sum.micros += user + system;
  sum.calls += client.calls - calls;
}

async function compare(open: EngineInProcess): Promise<void> {
  const chosen = rows.filter(({ name }) => values.only === undefined || name === values.only);
  const sums = new Map(chosen.map(row => [row, { invocations: 0, micros: 0, calls: 0 }]));
  for (const row of chosen) await drive(open.engine, row, WARM_UP_SECONDS);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [row, sum] of sums) await measureRow(open, row, sum);
  }
  let empty: number | undefined;
  for (const [{ name }, { invocations, micros, calls }] of sums) {
    const each = micros / invocations;
    empty ??= each;
    const ratio = `${(each / empty).toFixed(2)} times the first row`;
    const perInvocation = (calls / invocations).toFixed(2);
    console.log(
      `${name.padEnd(16)}${each.toFixed(1).padStart(9)} µs${perInvocation.padStart(8)} Lambda calls  ${ratio}`,
    );
  }
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  // What the first finds unreachable may hold what the second then finds.
  for (let i = 0; i < 3; i++) gc();
}

function heldBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Memory of invocations that wait for their key, after the memtable is stored; needs a store that is on disk. */
async function measureQueue(open: EngineInProcess): Promise<void> {
  const accept = (handler: string, key: string): Promise<void> =>
    new Promise(resolve => submit(open.engine, 'Account', handler, key, () => resolve()));
  const settle = async (): Promise<void> => {
    // Two flushes, because the generation flushed last is kept for reading.
    for (let i = 0; i < 2; i++) {
      await accept('add', `settle-${i}`);
      while (open.partition.state.dirty > 0) await new Promise(resolve => setTimeout(resolve, 50));
      await new Promise(resolve => setTimeout(resolve, 200));
    }
  };
  await accept('hold', 'queue');
  await settle();
  const before = heldBytes();
  for (let n = 0; n < QUEUED; n += 1000) {
    await Promise.all(Array.from({ length: 1000 }, () => accept('add', 'queue')));
  }
  await settle();
  const each = (heldBytes() - before) / QUEUED;
  console.log(`queued on one key ${each.toFixed(1)} bytes of memory each, of ${QUEUED}, goal 200`);
}

const compared = await openEngine(values.store);
await compare(compared);
await compared.close();
if (values.only === undefined) {
  const queued = await openEngine('sqlite');
  await measureQueue(queued);
  await queued.close();
}
process.exit(0);
