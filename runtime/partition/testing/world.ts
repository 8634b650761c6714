/**
 * Test support: a partition in this process, over storages that outlive it, and a Lambda, HTTP endpoints and streams
 * that a test answers.
 */
import { contentTypeOf, FrameWriter } from '@holdfast/protocol';
import type { Endpoint } from '../../core/model.ts';
import type { LambdaClient, LambdaResult } from '../../invoker/lambda-client.ts';
import { createLambdaTransport } from '../../invoker/lambda-transport.ts';
import type {
  ExchangeResult,
  HandlerRequest,
  RequestIdentity,
  StreamEvents,
  Transport,
} from '../../invoker/transport.ts';
import { createTransports } from '../../invoker/transports.ts';
import type { Log } from '../../log/log.ts';
import { MemoryLogStorage, openMemoryLog } from '../../log/memory-log.ts';
import type { Clock, Logger, Random, Timers } from '../../platform/ports.ts';
import { MemoryStoreStorage, openMemoryStore } from '../../store/memory-store.ts';
import { type EngineOptions, LocalEngine } from '../local-engine.ts';
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

/** What was asked of an HTTP endpoint. */
export interface HttpCall {
  readonly endpoint: Endpoint;
  readonly request: HandlerRequest;
  readonly done: (result: ExchangeResult) => void;
}

/** A bidirectional stream, and what the orchestrator has done with it. */
export interface LiveCall {
  readonly endpoint: Endpoint;
  readonly request: HandlerRequest;
  readonly events: StreamEvents;
  readonly written: Uint8Array[];
  inputClosed: boolean;
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
  /** Every HTTP exchange, and every stream. */
  readonly httpCalls: HttpCall[] = [];
  readonly streams: LiveCall[] = [];
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

  readonly transports = createTransports(
    createLambdaTransport({ client: this.client, timers: this.timers }),
    {
      of: endpoint => this.http(endpoint),
    },
  );

  private http(endpoint: Endpoint): Transport {
    return {
      exchange: (request, _limits, done) => {
        this.httpCalls.push({ endpoint, request, done });
        return { abort: () => undefined };
      },
      stream: (request, events) => {
        const written: Uint8Array[] = [];
        const call: LiveCall = { endpoint, request, events, written, inputClosed: false, aborted: false };
        this.streams.push(call);
        return {
          write: bytes => {
            written.push(bytes);
            return true;
          },
          end: () => {
            call.inputClosed = true;
          },
          abort: () => {
            call.aborted = true;
          },
          pause: () => undefined,
          resume: () => undefined,
        };
      },
    };
  }

  /** Another opening of the same storages: a restart, when the one before has ended. */
  async open(
    options: {
      readonly concurrencyLimit?: number;
      readonly log?: Log;
      readonly identity?: RequestIdentity;
    } = {},
  ): Promise<Partition> {
    const { clock, timers, random, transports } = this;
    const onFailure = (error: Error) => void this.failures.push(error);
    const opening = Partition.open({
      log: options.log ?? openMemoryLog(this.log, { onFailure, defer: step => queueMicrotask(step) }),
      store: openMemoryStore({ storage: this.store }),
      clock,
      timers,
      random,
      logger: silent,
      transports,
      identity: options.identity,
      eagerStateBytesMax: 1024 * 1024,
      concurrencyLimit: options.concurrencyLimit ?? 10,
      invokeTimeoutMs: 1000,
      defaults: DEFAULTS,
      flushIntervalMs: 100,
      onFailure,
    });
    return await opening;
  }

  engine(
    partition: Partition,
    options: Partial<Omit<EngineOptions, 'partition' | 'transports'>> = {},
  ): LocalEngine {
    const { clock, random, transports } = this;
    return new LocalEngine({ partition, transports, clock, random, defaults: DEFAULTS, ...options });
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
  async answer(index: number, write: (frames: FrameWriter) => void, version = 6): Promise<void> {
    this.calls[index]?.done(respond(write, version));
    await settled();
  }
}

/** Long enough for everything that waits for nothing but earlier callbacks. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
}

function respond(write: (frames: FrameWriter) => void, version: number): LambdaResult {
  const frames = new FrameWriter();
  write(frames);
  const answer = {
    statusCode: 200,
    headers: { 'content-type': contentTypeOf(version) },
    isBase64Encoded: true,
    body: Buffer.from(frames.finish()).toString('base64'),
  };
  return { kind: 'response', payload: Buffer.from(JSON.stringify(answer)) };
}
