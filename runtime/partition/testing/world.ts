/** Test support: a partition in this process, over storages that outlive it, and a Lambda that a test answers. */
import { contentTypeOf, FrameWriter } from '@holdfast/protocol';
import type { LambdaClient, LambdaResult } from '../../invoker/lambda-client.ts';
import type { Log } from '../../log/log.ts';
import { MemoryLogStorage, openMemoryLog } from '../../log/memory-log.ts';
import type { Clock, Logger, Random, Timers } from '../../platform/ports.ts';
import { MemoryStoreStorage, openMemoryStore } from '../../store/memory-store.ts';
import { LocalEngine } from '../local-engine.ts';
import { Partition } from '../partition.ts';
import type { ServiceDefaults } from '../registration.ts';

export const DEFAULTS: ServiceDefaults = {
  retryPolicy: {
    initialIntervalMs: 10,
    maxIntervalMs: 10,
    factor: 1,
    maxAttempts: 3,
    onMaxAttempts: 'pause',
  },
  idempotencyRetentionMs: 1000,
  journalRetentionMs: 0,
  workflowRetentionMs: 0,
  inactivityTimeoutMs: 1000,
  abortTimeoutMs: 1000,
};

export interface Call {
  readonly arn: string;
  readonly payload: string | Uint8Array;
  readonly done: (result: LambdaResult) => void;
  aborted: boolean;
}

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

export class World {
  log = new MemoryLogStorage();
  readonly store = new MemoryStoreStorage();
  /** Every Lambda call, of all openings. */
  readonly calls: Call[] = [];
  readonly failures: Error[] = [];
  now = 1_000_000;
  private scheduled: { readonly at: number; readonly callback: () => void }[] = [];
  /** Bytes drawn at random are this number, counted up. */
  private drawn: number;
  readonly clock: Clock = { now: () => this.now, monotonicMs: () => this.now };
  readonly timers: Timers = {
    set: (delayMs, callback) => {
      const timer = { at: this.now + delayMs, callback };
      this.scheduled.push(timer);
      return timer as object;
    },
    clear: handle => {
      this.scheduled = this.scheduled.filter(timer => timer !== handle);
    },
    soon: callback => queueMicrotask(callback),
  };
  readonly random: Random = {
    bytes: length => {
      this.drawn += 1;
      return new Uint8Array(length).fill(this.drawn);
    },
    float: () => 0,
  };
  constructor(firstDrawn = 0) {
    this.drawn = firstDrawn;
  }

  readonly client: LambdaClient = {
    invoke: ({ arn, payload }, done) => {
      const call: Call = { arn, payload, done, aborted: false };
      this.calls.push(call);
      return {
        abort: () => {
          call.aborted = true;
        },
      };
    },
    stats: { connections: 0, active: 0, waiting: 0 },
    close: async () => undefined,
  };

  /** Another opening of the same storages: a restart, when the one before has ended. */
  async open(options: { readonly concurrencyLimit?: number; readonly log?: Log } = {}): Promise<Partition> {
    const { clock, timers, random, client } = this;
    const onFailure = (error: Error) => void this.failures.push(error);
    const opening = Partition.open({
      log: options.log ?? openMemoryLog(this.log, { onFailure, defer: step => queueMicrotask(step) }),
      store: openMemoryStore({ storage: this.store }),
      clock,
      timers,
      random,
      logger: silent,
      client,
      eagerStateBytesMax: 1024 * 1024,
      concurrencyLimit: options.concurrencyLimit ?? 10,
      invokeTimeoutMs: 1000,
      defaults: DEFAULTS,
      flushIntervalMs: 100,
      onFailure,
    });
    return await opening;
  }

  engine(partition: Partition, lookUpFunction?: (arn: string) => Promise<unknown>): LocalEngine {
    const { clock, random, client } = this;
    const optional = lookUpFunction === undefined ? {} : { lookUpFunction };
    return new LocalEngine({ partition, client, clock, random, defaults: DEFAULTS, ...optional });
  }

  /** Lets time pass, and what it makes due run. */
  async pass(ms: number): Promise<void> {
    this.now += ms;
    const due = this.scheduled.filter(({ at }) => at <= this.now);
    this.scheduled = this.scheduled.filter(({ at }) => at > this.now);
    for (const { callback } of due) callback();
    await settled();
  }

  /** Answers a call as a handler would. */
  async answer(index: number, write: (frames: FrameWriter) => void): Promise<void> {
    this.calls[index]?.done(respond(write));
    await settled();
  }
}

/** Long enough for everything that waits for nothing but earlier callbacks. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
}

function respond(write: (frames: FrameWriter) => void): LambdaResult {
  const frames = new FrameWriter();
  write(frames);
  const answer = {
    statusCode: 200,
    headers: { 'content-type': contentTypeOf(6) },
    isBase64Encoded: true,
    body: Buffer.from(frames.finish()).toString('base64'),
  };
  return { kind: 'response', payload: Buffer.from(JSON.stringify(answer)) };
}
