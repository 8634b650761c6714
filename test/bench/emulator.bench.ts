/**
 * What the Local Lambda costs: `node test/bench/emulator.bench.ts [seconds per row]`. An empty function, 1 and 16
 * clients over keep-alive connections, frozen between requests and not. The server is a process of its own, so
 * that its CPU time (environments excluded) can be read apart from the clients'.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const SECONDS = Number(process.argv[2] ?? 3);
const MAIN = resolve(import.meta.dirname, '../../runtime/invoker/emulator/main.ts');
const WARM_UP = 500;

interface Row {
  readonly freeze: boolean;
  readonly clients: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly serverCpuUs: number;
}

/** User and system time of a process so far; Linux counts it in hundredths of a second. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function invoke(agent: Agent, url: string, arn: string): Promise<void> {
  return new Promise((done, failed) => {
    const sent = request(
      `${url}/2015-03-31/functions/${arn}/invocations`,
      { method: 'POST', agent },
      response => {
        if (response.statusCode !== 200 || response.headers['x-amz-function-error'] !== undefined) {
          failed(new Error(`answered ${response.statusCode}`));
        }
        response.resume();
        response.on('end', done);
      },
    );
    sent.on('error', failed);
    sent.end('{"hello":"world"}');
  });
}

async function start(
  dir: string,
  freeze: boolean,
): Promise<{ child: ChildProcess; url: string; arn: string }> {
  const entry = join(dir, 'empty.ts');
  writeFileSync(entry, 'export const handler = async () => ({});\n');
  const path = join(dir, 'settings.json');
  writeFileSync(
    path,
    JSON.stringify({ freeze, logDir: join(dir, 'logs'), functions: [{ name: 'empty', entry }] }),
  );
  const child = spawn(process.execPath, [MAIN, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  const line = await new Promise<string>(ready => lines.once('line', ready));
  const { url, functions } = JSON.parse(line) as { url: string; functions: { versionArn: string }[] };
  return { child, url, arn: functions[0]?.versionArn ?? '' };
}

async function measure(
  server: Awaited<ReturnType<typeof start>>,
  freeze: boolean,
  clients: number,
): Promise<Row> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const loop = async (more: () => boolean, took: number[]): Promise<void> => {
    while (more()) {
      const from = performance.now();
      await invoke(agent, server.url, server.arn);
      took.push(performance.now() - from);
    }
  };
  const run = async (more: () => boolean): Promise<number[]> => {
    const took: number[] = [];
    await Promise.all(Array.from({ length: clients }, () => loop(more, took)));
    return took.sort((a, b) => a - b);
  };
  let left = WARM_UP;
  await run(() => left-- > 0);
  const pid = server.child.pid ?? 0;
  const cpuBefore = cpuMs(pid);
  const from = performance.now();
  const took = await run(() => performance.now() - from < SECONDS * 1000);
  const elapsedMs = performance.now() - from;
  agent.destroy();
  return {
    freeze,
    clients,
    perSecond: Math.round((took.length / elapsedMs) * 1000),
    p50Ms: Number(took[took.length >> 1]?.toFixed(3)),
    p99Ms: Number(took[Math.floor(took.length * 0.99)]?.toFixed(3)),
    serverCpuUs: Math.round(((cpuMs(pid) - cpuBefore) * 1000) / took.length),
  };
}

const dir = mkdtempSync(join(tmpdir(), 'emulator-bench-'));
const rows: Row[] = [];
for (const freeze of [true, false]) {
  const server = await start(dir, freeze);
  for (const clients of [1, 16]) rows.push(await measure(server, freeze, clients));
  const ended = new Promise(done => server.child.once('exit', done));
  server.child.kill('SIGTERM');
  await ended;
}
rmSync(dir, { recursive: true });
console.table(rows);
