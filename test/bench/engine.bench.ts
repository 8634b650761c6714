/**
 * `node test/bench/engine.bench.ts`: the engine alone, without HTTP, Lambda and disk: ids, records, apply, memtable,
 * attempts out and answers in. What is left of an invocation's CPU after this is sockets, the log's thread and the store.
 */
import { encodeFrame } from '@holdfast/protocol';
import type { InvokerOptions } from '../../runtime/invoker/invoker.ts';
import type { Log } from '../../runtime/log/log.ts';
import { LocalEngine } from '../../runtime/partition/local-engine.ts';
import { Partition } from '../../runtime/partition/partition.ts';
import { systemClock } from '../../runtime/platform/clock.ts';
import { systemRandom } from '../../runtime/platform/random.ts';
import { systemTimers } from '../../runtime/platform/timers.ts';
import { openMemoryStore } from '../../runtime/store/memory-store.ts';

const CLIENTS = 64;
const SECONDS = 3;
const clock = systemClock;
const timers = systemTimers(clock);
const random = systemRandom();
const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
const kept = Number(process.env['RETENTION_MS'] ?? 0);

const manifest = {
  protocolMode: 'REQUEST_RESPONSE',
  minProtocolVersion: 5,
  maxProtocolVersion: 6,
  services: [{ name: 'Bench', ty: 'SERVICE', journalRetention: kept, handlers: [{ name: 'empty' }] }],
};
const answer = Buffer.concat([
  encodeFrame('OutputCommand', { value: Buffer.from('"ok"') }),
  encodeFrame('End', {}),
]);
const reply = (contentType: string, body: Uint8Array): Uint8Array =>
  Buffer.from(
    JSON.stringify({
      headers: { 'content-type': contentType },
      statusCode: 200,
      isBase64Encoded: true,
      body: Buffer.from(body).toString('base64'),
    }),
  );
const discovered = reply(
  'application/vnd.restate.endpointmanifest.v4+json',
  Buffer.from(JSON.stringify(manifest)),
);
const answered = reply('application/vnd.restate.invocation.v6', answer);

const client = {
  invoke(request: { payload: string | Uint8Array }, done: (result: never) => void) {
    const isDiscovery = request.payload.length < 700 && Buffer.from(request.payload).includes('/discover');
    setImmediate(() => done({ kind: 'response', payload: isDiscovery ? discovered : answered } as never));
    return { abort: () => undefined };
  },
} as unknown as InvokerOptions['client'] & ConstructorParameters<typeof LocalEngine>[0]['client'];

const defaults = {
  retryPolicy: { initialIntervalMs: 50, maxIntervalMs: 1000, factor: 2, onMaxAttempts: 'pause' as const },
  idempotencyRetentionMs: 0,
  journalRetentionMs: 0,
  workflowRetentionMs: 0,
  inactivityTimeoutMs: 0,
  abortTimeoutMs: 0,
};
/** A log that forgets: the records of a benchmark need no memory. */
let position = 0;
const log: Log = {
  epoch: 1,
  durable: 0,
  append(records, onDurable) {
    const first = position + 1;
    position += records.length;
    setImmediate(() => onDurable(first));
  },
  read: () => [],
  close: () => Promise.resolve(),
};

function fail(error: Error): void {
  throw error;
}

const partition = await Partition.open({
  log,
  store: openMemoryStore(),
  clock,
  timers,
  random,
  logger: silent,
  client,
  concurrencyLimit: 1000,
  invokeTimeoutMs: 1000,
  defaults,
  flushIntervalMs: 1000,
  onFailure: fail,
});
const engine = new LocalEngine({ partition, client, clock, random, defaults });
await engine.register({ arn: 'arn:aws:lambda:us-east-1:123456789012:function:bench:1' });

const request = {
  target: { service: 'Bench', handler: 'empty', key: '' },
  headers: [
    ['x-restate-ingress-path', '/Bench/empty'],
    ['content-type', 'application/json'],
  ] as const,
  body: Buffer.from('"hello"'),
};

async function drive(seconds: number): Promise<number> {
  const until = performance.now() + seconds * 1000;
  let count = 0;
  await Promise.all(
    Array.from(
      { length: CLIENTS },
      () =>
        new Promise<void>(resolve => {
          const next = (): void => {
            if (performance.now() > until) {
              resolve();
              return;
            }
            engine.invoke(request, outcome => {
              if (!('id' in outcome)) throw new Error(outcome.kind);
              engine.awaitResult(outcome.id, () => {
                count += 1;
                setImmediate(next);
              });
            });
          };
          next();
        }),
    ),
  );
  return count;
}

await drive(1);
const before = process.cpuUsage();
const count = await drive(SECONDS);
const { user, system } = process.cpuUsage(before);
console.log(
  `${count} empty invocations, ${((user + system) / count).toFixed(1)} µs of CPU each, retention ${kept} ms`,
);
process.exit(0);
