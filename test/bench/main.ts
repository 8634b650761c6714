/**
 * `npm run bench [-- --peer restate] [--quick] [--goals]`: an empty handler and one of ten steps, through ingress,
 * local Lambda and back, then the goals (`goals.ts`); `--goals` leaves the first out. Orchestrator, Lambda and load
 * share the machine's cores; the CPU column is the orchestrator's alone. With a peer, the same function runs behind
 * it in the same run, in turn, and a table holds the ratios.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureGoals } from './goals.ts';
import { type Measured, type Row, sample, summary } from './load.ts';
import {
  type Engine,
  register,
  residentMiB,
  startHandlers,
  startHoldfast,
  startLambda,
  startRestate,
} from './processes.ts';

const RESTATE_VERSION = '1.7.12';
const { values } = parseArgs({
  options: {
    peer: { type: 'string' },
    quick: { type: 'boolean', default: false },
    goals: { type: 'boolean', default: false },
  },
});
if (values.peer !== undefined && values.peer !== 'restate')
  throw new Error(`unknown peer ${values.peer}: restate`);

const seconds = values.quick ? 2 : 5;
const row = (handler: string, clients: number, expected: string): Row => ({
  name: handler,
  path: () => `/Bench/${handler}`,
  clients,
  expected,
});
const rows: readonly Row[] = [
  row('empty', 1, '"ok"'),
  row('empty', 64, '"ok"'),
  row('tenSteps', 1, '45'),
  row('tenSteps', 64, '45'),
];

const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-marks-'));
const marksFile = join(directory, 'marks');
writeFileSync(marksFile, '');
const lambda = await startLambda([
  { name: 'bench', entry: 'test/bench/functions/restate.ts' },
  { name: 'goals', entry: 'test/bench/functions/goals.ts', env: { MARKS_FILE: marksFile } },
]);
const handlers = await startHandlers('test/bench/functions/http.ts');
const engines: Engine[] = [];
try {
  engines.push(await startHoldfast(lambda.url));
  if (values.peer === 'restate') engines.push(await startRestate(lambda.url, RESTATE_VERSION));
  for (const engine of engines)
    for (const address of [...lambda.arns, handlers.uri]) await register(engine, address);
  if (!values.goals) await compare(engines);
  const size = values.quick
    ? { seconds: 1, queued: 20_000, timers: 2_000 }
    : { seconds: 3, queued: 100_000, timers: 10_000 };
  await measureGoals(engines, { ...size, marksFile });
} finally {
  await Promise.all(engines.map(engine => engine.stop()));
  await Promise.all([lambda.stop(), handlers.stop()]);
  rmSync(directory, { recursive: true, force: true });
}

async function compare(measured: readonly Engine[]): Promise<void> {
  // An orchestrator runs for months: what a compiler does in its first seconds is not what an invocation costs.
  for (const engine of measured)
    for (const row of rows) if (row.clients > 1) await sample(engine, row, seconds);
  const results = new Map<string, Measured[]>();
  print(['engine', 'handler', 'clients', 'requests/s', 'p50 ms', 'p99 ms', 'CPU µs each']);
  for (const row of rows) {
    const ofRow: Measured[] = [];
    for (const engine of measured) {
      const result = summary([await sample(engine, row, seconds)]);
      ofRow.push(result);
      print([
        engine.name,
        row.name,
        String(row.clients),
        result.perSecond.toFixed(0),
        result.p50Ms.toFixed(1),
        result.p99Ms.toFixed(1),
        result.cpuMicrosPerInvocation.toFixed(0),
      ]);
    }
    results.set(`${row.name} at ${row.clients}`, ofRow);
  }
  for (const engine of measured)
    console.log(`${engine.name}: ${residentMiB(engine.pid).toFixed(0)} MiB resident`);
  if (measured.length > 1) printRatios(results);
}

function printRatios(results: ReadonlyMap<string, readonly Measured[]>): void {
  console.log('\nholdfast over restate: below 1 is less CPU and latency, above 1 is more throughput');
  print(['row', 'CPU', 'p50', 'throughput']);
  for (const [name, [own, peer]] of results) {
    if (own === undefined || peer === undefined) continue;
    print([
      name,
      (own.cpuMicrosPerInvocation / peer.cpuMicrosPerInvocation).toFixed(2),
      (own.p50Ms / peer.p50Ms).toFixed(2),
      (own.perSecond / peer.perSecond).toFixed(2),
    ]);
  }
}

function print(cells: readonly string[]): void {
  console.log(cells.map((cell, column) => (column < 2 ? cell.padEnd(16) : cell.padStart(12))).join(''));
}
