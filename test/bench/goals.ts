/**
 * The performance goals, each a ratio of two things measured in the same run, in turn, several rounds of them: a
 * machine that is busy with something else slows both.
 */
import { measureQueue, measureTimers } from './backlog.ts';
import { type Measured, type Row, type Sample, sample, summary } from './load.ts';
import type { Engine } from './processes.ts';

const ROUNDS = 3;
const KEYS = 10_000;

const empty: Row = { name: 'empty call', path: () => '/Goals/empty', clients: 64, expected: '"ok"' };
const manyKeys: Row = {
  name: 'object call',
  // Another key each time, in an order without locality.
  path: n => `/Account/key-${(n * 7919) % KEYS}/add`,
  clients: 64,
  expected: '"ok"',
};
const hotKey: Row = { name: 'hot key', path: () => '/Account/hot/add', clients: 64, expected: '"ok"' };
const saga: Row = { name: 'saga of 3 calls', path: () => '/Goals/saga', clients: 64, expected: '"ok"' };
const children: Row = {
  name: '100 child calls',
  path: () => '/Goals/children',
  clients: 4,
  expected: '"ok"',
};
const steps: Row = { name: '10 steps, Lambda', path: () => '/Steps/ten', clients: 64, expected: '45' };
const liveSteps: Row = {
  name: '10 steps, HTTP/2',
  path: () => '/LiveSteps/ten',
  clients: 64,
  expected: '45',
};
const rows = [empty, manyKeys, hotKey, saga, children, steps, liveSteps];

type Results = ReadonlyMap<Row, Measured>;

interface Goal {
  readonly name: string;
  readonly ratio: (results: Results) => number;
  readonly bound: { readonly atMost: number } | { readonly atLeast: number };
}

const of = (results: Results, row: Row): Measured => {
  const found = results.get(row);
  if (found === undefined) throw new Error(`${row.name} was not measured`);
  return found;
};
const cpuOverEmpty =
  (row: Row) =>
  (results: Results): number =>
    of(results, row).cpuMicrosPerInvocation / of(results, empty).cpuMicrosPerInvocation;

const goals: readonly Goal[] = [
  { name: 'object call, CPU over empty', ratio: cpuOverEmpty(manyKeys), bound: { atMost: 1.3 } },
  { name: 'saga of 3 calls, CPU over empty', ratio: cpuOverEmpty(saga), bound: { atMost: 8 } },
  { name: '100 child calls, CPU over empty', ratio: cpuOverEmpty(children), bound: { atMost: 110 } },
  {
    name: '10 steps, CPU over HTTP/2 over Lambda',
    ratio: results =>
      of(results, liveSteps).cpuMicrosPerInvocation / of(results, steps).cpuMicrosPerInvocation,
    bound: { atMost: 1 / 3 },
  },
  {
    name: 'hot key, throughput over many keys',
    ratio: results => of(results, hotKey).perSecond / of(results, manyKeys).perSecond,
    bound: { atLeast: 0.5 },
  },
];

export interface GoalsOptions {
  /** Of a row in one round. */
  readonly seconds: number;
  readonly queued: number;
  readonly timers: number;
  readonly marksFile: string;
}

export async function measureGoals(engines: readonly Engine[], options: GoalsOptions): Promise<void> {
  const samples = new Map(engines.map(engine => [engine, new Map<Row, Sample[]>()]));
  for (const engine of engines) for (const row of rows) await sample(engine, row, options.seconds);
  for (let round = 0; round < ROUNDS; round++) {
    for (const row of rows) {
      for (const engine of engines) {
        const ofEngine = samples.get(engine);
        const before = ofEngine?.get(row) ?? [];
        ofEngine?.set(row, [...before, await sample(engine, row, options.seconds)]);
      }
    }
  }
  for (const [engine, ofEngine] of samples) {
    const results = new Map([...ofEngine].map(([row, of]) => [row, summary(of)]));
    console.log(`\n${engine.name}`);
    printRows(results);
    for (const { name, ratio, bound } of goals) printGoal(name, ratio(results), bound);
    await measureBacklog(engine, options);
  }
}

async function measureBacklog(engine: Engine, { queued, timers, marksFile }: GoalsOptions): Promise<void> {
  const late = await measureTimers(engine, timers, marksFile);
  const ms = (value: number): string => `${value.toFixed(0)} ms`;
  console.log(
    `${timers} timers due at once: median ${ms(late.medianLateMs)} late, last ${ms(late.lastLateMs)}; ` +
      `drain of as many empty sends ${ms(late.drainMs)}`,
  );
  printGoal('last timer, lateness over the drain', late.lastLateMs / late.drainMs, { atMost: 1 });
  const queue = await measureQueue(engine, queued);
  console.log(
    `${queued} queued on one key: accepted ${queue.acceptedPerSecond.toFixed(0)}/s, ` +
      `${queue.storedBytesEach.toFixed(0)} bytes each on disk, ${queue.heldMiB.toFixed(0)} MiB held in all`,
  );
  printGoal('queued on one key, bytes of memory each', queue.memoryBytesEach, { atMost: 200 });
}

function printRows(results: Results): void {
  const cells = ['row', 'clients', 'requests/s', 'p50 ms', 'p99 ms', 'CPU µs each'];
  console.log(cells.map((cell, column) => (column === 0 ? cell.padEnd(18) : cell.padStart(12))).join(''));
  for (const [{ name, clients }, { perSecond, p50Ms, p99Ms, cpuMicrosPerInvocation }] of results) {
    const numbers = [clients, perSecond.toFixed(0), p50Ms.toFixed(1), p99Ms.toFixed(1)];
    const line = [...numbers, cpuMicrosPerInvocation.toFixed(0)].map(cell => String(cell).padStart(12));
    console.log(name.padEnd(18) + line.join(''));
  }
}

function printGoal(name: string, value: number, bound: Goal['bound']): void {
  const met = 'atMost' in bound ? value <= bound.atMost : value >= bound.atLeast;
  const goal = 'atMost' in bound ? `at most ${bound.atMost}` : `at least ${bound.atLeast}`;
  console.log(`${name.padEnd(42)}${value.toFixed(2).padStart(9)}  goal ${goal}: ${met ? 'met' : 'NOT MET'}`);
}
