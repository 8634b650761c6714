/** Load: closed loops of so many clients, each with one request at a time, for so long or for so many requests. */
import { Pool } from 'undici';
import { cpuMicros, type Engine } from './processes.ts';

export interface Row {
  readonly name: string;
  /** Of the n-th request. */
  readonly path: (n: number) => string;
  readonly clients: number;
  readonly expected: string;
}

/** What one engine did for one row; several add up. */
export interface Sample {
  readonly seconds: number;
  readonly latenciesMs: readonly number[];
  /** Of the orchestrator's process, all threads. */
  readonly cpuMicros: number;
}

export interface Measured {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMicrosPerInvocation: number;
}

export async function sample(engine: Engine, row: Row, seconds: number): Promise<Sample> {
  const pool = new Pool(engine.ingress, { connections: row.clients });
  try {
    const cpuBefore = cpuMicros(engine.pid);
    const latenciesMs = await drive(pool, row, seconds);
    return { seconds, latenciesMs, cpuMicros: cpuMicros(engine.pid) - cpuBefore };
  } finally {
    await pool.close();
  }
}

export function summary(samples: readonly Sample[]): Measured {
  const latencies = samples.flatMap(({ latenciesMs }) => latenciesMs).sort((a, b) => a - b);
  const sum = (of: (sample: Sample) => number): number =>
    samples.reduce((before, one) => before + of(one), 0);
  const at = (share: number): number => latencies[Math.floor(share * (latencies.length - 1))] ?? Number.NaN;
  return {
    perSecond: latencies.length / sum(({ seconds }) => seconds),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    cpuMicrosPerInvocation: sum(({ cpuMicros }) => cpuMicros) / latencies.length,
  };
}

async function drive(pool: Pool, row: Row, seconds: number): Promise<number[]> {
  const latencies: number[] = [];
  const until = performance.now() + seconds * 1000;
  let started = 0;
  const client = async (): Promise<void> => {
    while (performance.now() < until) {
      const start = performance.now();
      const { statusCode, body } = await pool.request({ method: 'POST', path: row.path(started++) });
      const text = await body.text();
      if (statusCode !== 200 || text !== row.expected)
        throw new Error(`${row.name} answered ${statusCode}: ${text}`);
      latencies.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: row.clients }, client));
  return latencies;
}

/** Sends the same so many times, each accepted before its client sends the next. */
export async function sendMany(engine: Engine, path: string, count: number, json?: string): Promise<void> {
  const clients = 64;
  const pool = new Pool(engine.ingress, { connections: clients });
  let left = count;
  const client = async (): Promise<void> => {
    while (left-- > 0) {
      const { statusCode, body } = await pool.request({
        method: 'POST',
        path: `${path}/send`,
        ...(json === undefined ? {} : { body: json, headers: { 'content-type': 'application/json' } }),
      });
      const text = await body.text();
      if (statusCode !== 202) throw new Error(`${path} answered ${statusCode}: ${text}`);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  await pool.close();
}
