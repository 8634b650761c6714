/** A closed loop: so many clients, each with one request at a time, for so long. */
import { Pool } from 'undici';
import { cpuMicros, type Engine } from './processes.ts';

export interface Row {
  readonly handler: string;
  readonly clients: number;
  readonly seconds: number;
  readonly expected: string;
}

export interface Measured {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the orchestrator's process, all threads. */
  readonly cpuMicrosPerInvocation: number;
}

export async function measure(engine: Engine, row: Row): Promise<Measured> {
  const pool = new Pool(engine.ingress, { connections: row.clients });
  try {
    const cpuBefore = cpuMicros(engine.pid);
    const latencies = await drive(pool, row, row.seconds);
    const cpu = cpuMicros(engine.pid) - cpuBefore;
    latencies.sort((a, b) => a - b);
    const at = (share: number): number => latencies[Math.floor(share * (latencies.length - 1))] ?? Number.NaN;
    return {
      perSecond: latencies.length / row.seconds,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      cpuMicrosPerInvocation: cpu / latencies.length,
    };
  } finally {
    await pool.close();
  }
}

/** An orchestrator runs for months: what a compiler does in its first seconds is not what an invocation costs. */
export async function warmUp(engine: Engine, row: Row): Promise<void> {
  const pool = new Pool(engine.ingress, { connections: row.clients });
  await drive(pool, row, row.seconds);
  await pool.close();
}

async function drive(pool: Pool, row: Row, seconds: number): Promise<number[]> {
  const latencies: number[] = [];
  const until = performance.now() + seconds * 1000;
  const client = async (): Promise<void> => {
    while (performance.now() < until) {
      const start = performance.now();
      const { statusCode, body } = await pool.request({ method: 'POST', path: `/Bench/${row.handler}` });
      const text = await body.text();
      if (statusCode !== 200 || text !== row.expected)
        throw new Error(`${row.handler} answered ${statusCode}: ${text}`);
      latencies.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: row.clients }, client));
  return latencies;
}
