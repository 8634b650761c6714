/**
 * `npm run bench [-- --peer restate] [--quick]`: an empty handler and one of ten steps, through ingress, local Lambda
 * and back. Orchestrator, Lambda and load share the machine's cores; the CPU column is the orchestrator's alone. With
 * a peer, the same function runs behind it in the same run, in turn, and the last table holds the ratios.
 */
import { parseArgs } from 'node:util';
import { type Measured, measure, type Row, warmUp } from './load.ts';
import {
  type Engine,
  type LocalLambda,
  register,
  residentMiB,
  startHoldfast,
  startLambda,
  startRestate,
} from './processes.ts';

const RESTATE_VERSION = '1.7.12';
const { values } = parseArgs({
  options: { peer: { type: 'string' }, quick: { type: 'boolean', default: false } },
});
if (values.peer !== undefined && values.peer !== 'restate')
  throw new Error(`unknown peer ${values.peer}: restate`);

const seconds = values.quick ? 3 : 8;
const rows: readonly Row[] = [
  { handler: 'empty', clients: 1, seconds, expected: '"ok"' },
  { handler: 'empty', clients: 64, seconds, expected: '"ok"' },
  { handler: 'tenSteps', clients: 1, seconds, expected: '45' },
  { handler: 'tenSteps', clients: 64, seconds, expected: '45' },
];

const lambda = await startLambda('test/bench/functions/restate.ts');
const engines: Engine[] = [];
try {
  engines.push(await startHoldfast(lambda.url));
  if (values.peer === 'restate') engines.push(await startRestate(lambda.url, RESTATE_VERSION));
  await report(engines, lambda);
} finally {
  await Promise.all(engines.map(engine => engine.stop()));
  await lambda.stop();
}

async function report(measured: readonly Engine[], { arn }: LocalLambda): Promise<void> {
  for (const engine of measured) {
    await register(engine, arn);
    for (const row of rows) if (row.clients > 1) await warmUp(engine, row);
  }
  const results = new Map<string, Measured[]>();
  print(['engine', 'handler', 'clients', 'requests/s', 'p50 ms', 'p99 ms', 'CPU µs each']);
  for (const row of rows) {
    const ofRow: Measured[] = [];
    for (const engine of measured) {
      const result = await measure(engine, row);
      ofRow.push(result);
      print([
        engine.name,
        row.handler,
        String(row.clients),
        result.perSecond.toFixed(0),
        result.p50Ms.toFixed(1),
        result.p99Ms.toFixed(1),
        result.cpuMicrosPerInvocation.toFixed(0),
      ]);
    }
    results.set(`${row.handler} at ${row.clients}`, ofRow);
  }
  for (const engine of measured)
    console.log(`${engine.name}: ${residentMiB(engine.pid).toFixed(0)} MiB resident`);
  if (measured.length < 2) return;
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
