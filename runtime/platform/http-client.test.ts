import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createHttpPool, type HttpOutcome, type HttpPool, type HttpPoolOptions } from './http-client.ts';
import type { TimerHandle } from './ports.ts';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

const ports = {
  clock: { now: () => Date.now(), monotonicMs: () => performance.now() },
  timers: {
    set: (delayMs: number, callback: () => void) => setTimeout(callback, delayMs) as unknown as TimerHandle,
    clear: (handle: TimerHandle) => clearTimeout(handle as unknown as NodeJS.Timeout),
    soon: (callback: () => void) => void setImmediate(callback),
  },
};

/** A server that answers with the body it got, and a pool for it. */
async function echo(options: Partial<HttpPoolOptions>): Promise<{ pool: HttpPool; seen: string[] }> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', chunk => (text += chunk));
    request.on('end', () => {
      seen.push(text);
      response.end(text);
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const pool = createHttpPool({ origin: `http://127.0.0.1:${port}`, ...ports, tickMs: 20, ...options });
  open.push(
    () => pool.close(),
    async () => void server.close(),
  );
  return { pool, seen };
}

function send(pool: HttpPool, text: string): Promise<HttpOutcome> {
  const body = Buffer.from(text);
  const request = { method: 'POST', path: '/', headers: [], body, timeoutMs: 5000, maxResponseBytes: 1000 };
  return new Promise(resolve => pool.request(request, resolve));
}

test('a burst opens connections at a pace, within the bound, and every request is answered', async () => {
  const { pool } = await echo({ maxConnections: 20, maxConnecting: 4 });
  const answers = Array.from({ length: 100 }, (_, i) => send(pool, String(i)));
  expect(pool.stats).toEqual({ connections: 4, active: 100, waiting: 96 });
  const texts = (await Promise.all(answers)).map(
    a => a.kind === 'response' && Buffer.from(a.body).toString(),
  );
  expect(texts).toEqual(Array.from({ length: 100 }, (_, i) => String(i)));
  expect(pool.stats.connections).toBeLessThanOrEqual(20);
});

test('the pace is that of connecting, not of answers that take minutes', async () => {
  const server = createServer(() => undefined);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const pool = createHttpPool({ origin: `http://127.0.0.1:${port}`, ...ports, maxConnecting: 2 });
  open.push(
    () => pool.close(),
    async () => void server.close(),
  );
  for (let i = 0; i < 10; i++) void send(pool, 'x');
  await expect.poll(() => pool.stats).toEqual({ connections: 10, active: 10, waiting: 0 });
});

test('connections that cannot be opened free their places', async () => {
  const { pool } = await echo({ origin: 'http://127.0.0.1:1', maxConnections: 2, maxConnecting: 1 });
  const outcomes = await Promise.all(Array.from({ length: 10 }, () => send(pool, 'x')));
  expect(outcomes.map(outcome => outcome.kind)).toEqual(Array(10).fill('broken'));
  expect(pool.stats).toEqual({ connections: 0, active: 0, waiting: 0 });
});

test('calls given up while they wait make room, also when all of them are', async () => {
  const { pool, seen } = await echo({ maxConnections: 1 });
  const request = {
    method: 'POST',
    path: '/',
    headers: [],
    body: null,
    timeoutMs: 5000,
    maxResponseBytes: 10,
  };
  const called: number[] = [];
  const calls = Array.from({ length: 5 }, (_, i) => pool.request(request, () => called.push(i)));
  for (const call of calls.reverse()) call.abort();
  calls[0]?.abort();
  expect(pool.stats).toEqual({ connections: 0, active: 0, waiting: 0 });
  expect(await send(pool, 'after')).toMatchObject({ kind: 'response', status: 200 });
  expect({ called, seen }).toEqual({ called: [], seen: ['after'] });
});

test('a header that HTTP does not allow is an outcome, reported in a later turn', async () => {
  const { pool } = await echo({});
  const headers = ['x-token', 'a\nb'];
  const request = { method: 'POST', path: '/', headers, body: null, timeoutMs: 5000, maxResponseBytes: 10 };
  const outcomes: HttpOutcome[] = [];
  pool.request(request, outcome => outcomes.push(outcome));
  expect(outcomes).toEqual([]);
  await expect.poll(() => outcomes).toMatchObject([{ kind: 'broken', reason: 'UND_ERR_INVALID_ARG' }]);
  expect(await send(pool, 'next')).toMatchObject({ kind: 'response' });
});
