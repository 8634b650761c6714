/**
 * The engine in this process, without HTTP, Lambda and disk: ids, records, apply, memtable, attempts out and answers
 * in. The functions are scripted: frames encoded once, chosen by handler and length of the journal, so that what is
 * measured is the engine and not an SDK.
 */
import { join } from 'node:path';
import { decodeMessage, encodeFrame } from '@holdfast/protocol';
import type { InvocationId } from '../../runtime/core/model.ts';
import type { LambdaClient, LambdaResult } from '../../runtime/invoker/lambda-client.ts';
import { createLambdaTransport } from '../../runtime/invoker/lambda-transport.ts';
import { createTransports } from '../../runtime/invoker/transports.ts';
import type { Log } from '../../runtime/log/log.ts';
import { LocalEngine } from '../../runtime/partition/local-engine.ts';
import { Partition } from '../../runtime/partition/partition.ts';
import { systemClock } from '../../runtime/platform/clock.ts';
import type { Logger } from '../../runtime/platform/ports.ts';
import { systemRandom } from '../../runtime/platform/random.ts';
import { systemTimers } from '../../runtime/platform/timers.ts';
import { openMemoryStore } from '../../runtime/store/memory-store.ts';
import { openSqliteStore } from '../../runtime/store/sqlite-store.ts';
import type { Store } from '../../runtime/store/store.ts';
import { tempDir } from '../e2e/harness/index.ts';

export const CHILDREN = 100;

const clock = systemClock;
const ignore = (): void => undefined;
const logger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

const asReply = (contentType: string, body: Uint8Array): LambdaResult => ({
  kind: 'response',
  payload: Buffer.from(
    JSON.stringify({
      headers: { 'content-type': contentType },
      statusCode: 200,
      isBase64Encoded: true,
      body: Buffer.from(body).toString('base64'),
    }),
  ),
});

const frames = (...parts: readonly Uint8Array[]): LambdaResult =>
  asReply('application/vnd.restate.invocation.v6', Buffer.concat(parts));

const OK = Buffer.from('"ok"');
const output = Buffer.concat([encodeFrame('OutputCommand', { value: OK }), encodeFrame('End', {})]);

/** The `index`-th call of a handler that does nothing else; each takes two completion ids. */
const call = (index: number): Uint8Array =>
  encodeFrame('CallCommand', {
    serviceName: 'Bench',
    handlerName: 'empty',
    parameter: OK,
    headers: [],
    key: '',
    invocationIdNotificationIdx: 2 * index + 1,
    resultCompletionId: 2 * index + 2,
  });
const awaiting = (calls: readonly number[]): Uint8Array =>
  encodeFrame('Suspension', {
    waitingCompletions: calls.map(index => 2 * index + 2),
    waitingSignals: [1],
  });

/** A call, the id of the callee and its result. */
const ENTRIES_PER_CALL = 3;
const all = Array.from({ length: CHILDREN }, (_, index) => index);
const called = frames(...all.map(call), awaiting(all));
const waiting = frames(awaiting(all));
const done = frames(output);
const sagaSteps = [0, 1, 2].map(index => frames(call(index), awaiting([index])));

/** What a handler answers when it is sent a journal of so many entries. */
const scripts: Readonly<Record<string, (entries: () => number) => LambdaResult>> = {
  '/invoke/Bench/empty': () => done,
  '/invoke/Account/add': (() => {
    const key = Buffer.from('balance');
    const read = encodeFrame('GetEagerStateCommand', { key, value: OK });
    const reply = frames(read, encodeFrame('SetStateCommand', { key, value: OK }), output);
    return () => reply;
  })(),
  '/invoke/Account/hold': () => frames(encodeFrame('Suspension', { waitingSignals: [1, 17] })),
  '/invoke/Bench/saga': entries => sagaSteps[(entries() - 1) / ENTRIES_PER_CALL] ?? done,
  '/invoke/Bench/children': entries => {
    const known = entries();
    if (known === 1) return called;
    return known === 1 + ENTRIES_PER_CALL * CHILDREN ? done : waiting;
  },
};

const manifest = {
  protocolMode: 'REQUEST_RESPONSE',
  minProtocolVersion: 5,
  maxProtocolVersion: 6,
  services: [
    {
      name: 'Bench',
      ty: 'SERVICE',
      journalRetention: Number(process.env['RETENTION_MS'] ?? 0),
      handlers: ['empty', 'saga', 'children'].map(name => ({ name })),
    },
    {
      name: 'Account',
      ty: 'VIRTUAL_OBJECT',
      journalRetention: Number(process.env['RETENTION_MS'] ?? 0),
      handlers: ['add', 'hold'].map(name => ({ name, ty: 'EXCLUSIVE' })),
    },
  ],
};
const discovered = asReply(
  'application/vnd.restate.endpointmanifest.v4+json',
  Buffer.from(JSON.stringify(manifest)),
);

/** `known_entries` of the start message, the first frame of the body. */
function knownEntries(payload: Buffer): number {
  const from = payload.indexOf('"body":"') + 8;
  const length = Buffer.from(payload.toString('latin1', from, from + 12), 'base64').readUInt32BE(4);
  const chars = 4 * Math.ceil((8 + length) / 3);
  const start = Buffer.from(payload.toString('latin1', from, from + chars), 'base64');
  return decodeMessage('Start', start.subarray(8, 8 + length)).knownEntries;
}

/** Counts the calls of functions and answers each in a later turn. */
const noHttp = (): never => {
  throw new Error('there are no HTTP deployments here');
};

class ScriptedClient implements LambdaClient {
  readonly stats = { connections: 0, active: 0, waiting: 0 };
  calls = 0;

  close(): Promise<void> {
    return Promise.resolve();
  }

  invoke({ payload }: { payload: string | Uint8Array }, finish: (result: LambdaResult) => void) {
    this.calls += 1;
    const bytes = Buffer.from(payload as Uint8Array);
    setImmediate(() => finish(this.answer(bytes)));
    return { abort: ignore };
  }

  private answer(bytes: Buffer): LambdaResult {
    const path = bytes.toString('latin1', 9, bytes.indexOf(0x22, 9));
    if (path === '/discover') return discovered;
    const script = scripts[path];
    if (script === undefined) throw new Error(`there is no script for ${path}`);
    return script(() => knownEntries(bytes));
  }
}

/** A log that forgets: the records of a benchmark need no memory. */
function forgetfulLog(): Log {
  let position = 0;
  return {
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
}

const defaults = {
  retryPolicy: { initialIntervalMs: 50, maxIntervalMs: 1000, factor: 2, onMaxAttempts: 'pause' as const },
  idempotencyRetentionMs: 0,
  journalRetentionMs: 0,
  workflowRetentionMs: 0,
  inactivityTimeoutMs: 0,
  abortTimeoutMs: 0,
};

export interface EngineInProcess {
  readonly engine: LocalEngine;
  readonly partition: Partition;
  readonly client: { readonly calls: number };
  close(): Promise<void>;
}

export async function openEngine(kind: 'memory' | 'sqlite'): Promise<EngineInProcess> {
  const directory = tempDir('holdfast-engine-bench');
  const store: Store =
    kind === 'memory'
      ? openMemoryStore()
      : await openSqliteStore({ path: join(directory.path, 'store.sqlite') });
  const timers = systemTimers(clock);
  const random = systemRandom();
  const client = new ScriptedClient();
  const transports = createTransports(createLambdaTransport({ client, timers }), { of: noHttp });
  const partition = await Partition.open({
    log: forgetfulLog(),
    store,
    clock,
    timers,
    random,
    logger,
    transports,
    eagerStateBytesMax: 1024 * 1024,
    concurrencyLimit: 1000,
    invokeTimeoutMs: 1000,
    defaults,
    flushIntervalMs: 1000,
    onFailure: error => {
      throw error;
    },
  });
  const engine = new LocalEngine({ partition, transports, clock, random, defaults });
  await engine.register({
    address: { kind: 'lambda', arn: 'arn:aws:lambda:us-east-1:123456789012:function:bench:1' },
  });
  const close = async (): Promise<void> => {
    await partition.close();
    directory.remove();
  };
  return { engine, partition, client, close };
}

const HEADERS = [
  ['x-restate-ingress-path', '/Bench/empty'],
  ['content-type', 'application/json'],
] as const;
const BODY = Buffer.from('"hello"');

/** Proposes an invocation; `done` gets its id when it is durable. */
export function submit(
  engine: LocalEngine,
  service: string,
  handler: string,
  key: string,
  done: (id: InvocationId) => void,
): void {
  engine.invoke({ target: { service, handler, key }, headers: HEADERS, body: BODY }, outcome => {
    if (!('id' in outcome)) throw new Error(`${service}/${handler} was answered ${outcome.kind}`);
    done(outcome.id);
  });
}

export interface Drive {
  readonly service: string;
  readonly handler: string;
  readonly clients: number;
  /** Key of the n-th invocation; empty for a service. */
  readonly key: (n: number) => string;
}

/** A closed loop for so long; how many invocations ended. */
export async function drive(engine: LocalEngine, what: Drive, seconds: number): Promise<number> {
  const until = performance.now() + seconds * 1000;
  let started = 0;
  let ended = 0;
  const client = (resolve: () => void): void => {
    const next = (): void => {
      if (performance.now() > until) {
        resolve();
        return;
      }
      submit(engine, what.service, what.handler, what.key(started++), id => {
        engine.awaitResult(id, () => {
          ended += 1;
          setImmediate(next);
        });
      });
    };
    next();
  };
  await Promise.all(Array.from({ length: what.clients }, () => new Promise<void>(client)));
  return ended;
}
