/** The orchestrator of a replay: everything but sockets, with a clock that is turned by hand. */
import { createAdmin } from '../../../runtime/admin/admin.ts';
import type { Endpoint } from '../../../runtime/core/model.ts';
import { createIngress } from '../../../runtime/ingress/ingress.ts';
import { Exchange as ClientExchange } from '../../../runtime/ingress/testing/scripted-engine.ts';
import type {
  Exchange,
  ExchangeResult,
  HandlerRequest,
  Stream,
  StreamEvents,
  Transports,
} from '../../../runtime/invoker/transport.ts';
import { MemoryLogStorage, openMemoryLog } from '../../../runtime/log/memory-log.ts';
import { LocalEngine } from '../../../runtime/partition/local-engine.ts';
import { Partition } from '../../../runtime/partition/partition.ts';
import type { ServiceDefaults } from '../../../runtime/partition/registration.ts';
import type { HttpHandler } from '../../../runtime/platform/http-handler.ts';
import type { Clock, Logger, Timers } from '../../../runtime/platform/ports.ts';
import { MemoryStoreStorage, openMemoryStore } from '../../../runtime/store/memory-store.ts';
import { SimRandom } from '../../sim/random.ts';

/** Those that the recorded server had, in so far as a scenario depends on them. */
const DEFAULTS: ServiceDefaults = {
  retryPolicy: {
    initialIntervalMs: 500,
    maxIntervalMs: 60_000,
    factor: 2,
    maxAttempts: 70,
    onMaxAttempts: 'pause',
  },
  idempotencyRetentionMs: 86_400_000,
  journalRetentionMs: 86_400_000,
  workflowRetentionMs: 86_400_000,
  inactivityTimeoutMs: 60_000,
  abortTimeoutMs: 600_000,
};

/** A request to a handler that is under way. */
export interface HandlerCall {
  readonly request: HandlerRequest;
  /** What the orchestrator has written, request body first. */
  readonly written: Uint8Array[];
  /** The orchestrator's side is closed. */
  ended: boolean;
  aborted: boolean;
  /** Of a call whose answer follows the request. */
  readonly done?: (result: ExchangeResult) => void;
  readonly events?: StreamEvents;
}

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

interface Scheduled {
  readonly at: number;
  readonly callback: () => void;
}

export interface OrchestratorOptions {
  readonly startMs: number;
  readonly protocolVersionMax: number;
  /** The discovery response of the one deployment. */
  readonly manifest: object;
  readonly address: 'lambda' | 'http1' | 'http2';
  /** In place of those whose calls are in `calls`; discoveries are answered for them as well. */
  readonly transports?: (timers: Timers) => Transports;
}

export class Orchestrator {
  readonly calls: HandlerCall[] = [];
  readonly failures: Error[] = [];
  readonly #options: OrchestratorOptions;
  readonly #log = new MemoryLogStorage();
  readonly #random = new SimRandom(7, 'conformance');
  #nowMs: number;
  #scheduled: Scheduled[] = [];
  #ingress: HttpHandler | undefined;
  #admin: HttpHandler | undefined;
  #partition: Partition | undefined;
  #engine: LocalEngine | undefined;
  readonly clock: Clock = { now: () => this.#nowMs, monotonicMs: () => this.#nowMs };
  readonly #timers: Timers = {
    set: (delayMs, callback) => {
      const timer = { at: this.#nowMs + delayMs, callback };
      this.#scheduled.push(timer);
      return timer as object;
    },
    clear: handle => {
      this.#scheduled = this.#scheduled.filter(timer => timer !== handle);
    },
    soon: callback => queueMicrotask(callback),
  };

  constructor(options: OrchestratorOptions) {
    this.#options = options;
    this.#nowMs = options.startMs;
  }

  async open(): Promise<void> {
    await this.#start();
    await this.engine.register({ address: this.#address() });
  }

  /** Anew from the log alone, as after the loss of everything else. */
  async reopen(): Promise<void> {
    await this.close();
    this.calls.length = 0;
    this.#scheduled = [];
    await this.#start();
  }

  async #start(): Promise<void> {
    const { clock } = this;
    const random = this.#random;
    const timers = this.#timers;
    const transports = this.#options.transports?.(timers) ?? this.#transports();
    const onFailure = (error: Error): void => void this.failures.push(error);
    const partition = await Partition.open({
      log: openMemoryLog(this.#log, { onFailure, defer: step => queueMicrotask(step) }),
      store: openMemoryStore({ storage: new MemoryStoreStorage() }),
      clock,
      timers,
      random,
      logger: silent,
      transports,
      eagerStateBytesMax: 1024 * 1024,
      concurrencyLimit: 100,
      invokeTimeoutMs: 900_000,
      defaults: DEFAULTS,
      flushIntervalMs: 100,
      onFailure,
    });
    this.#partition = partition;
    const { protocolVersionMax } = this.#options;
    const engine = new LocalEngine({
      partition,
      transports,
      clock,
      random,
      defaults: DEFAULTS,
      protocolVersionMax,
    });
    this.#engine = engine;
    this.#ingress = createIngress({ engine, logger: silent, clock });
    this.#admin = createAdmin({
      engine,
      logger: silent,
      clock,
      version: '0.0.0',
      ingressEndpoint: 'http://localhost:8080/',
    });
  }

  #address() {
    const { address } = this.#options;
    if (address === 'lambda') {
      return { kind: 'lambda', arn: 'arn:aws:lambda:us-east-1:123456789012:function:h:1' } as const;
    }
    return { kind: 'http', uri: 'http://203.0.113.7:9080', http: address === 'http1' ? 1 : 2 } as const;
  }

  get engine(): LocalEngine {
    if (this.#engine === undefined) throw new Error('the orchestrator is not open');
    return this.#engine;
  }

  /** Ingress, or admin for what operators ask. */
  ask(
    method: string,
    url: string,
    headers: readonly (readonly [string, string])[],
    body: string,
  ): ClientExchange {
    const isAdmin = /^\/(invocations|deployments|services|query)\b/.test(url);
    const handler = isAdmin ? this.#admin : this.#ingress;
    if (handler === undefined) throw new Error('the orchestrator is not open');
    const given = isAdmin ? [['host', 'localhost:9070'] as const, ...headers] : headers;
    return new ClientExchange(handler, method, url, given, body);
  }

  /** Turns the clock to the next timer; false: there is none within `limitMs`. */
  async passToNextTimer(limitMs: number): Promise<boolean> {
    const next = Math.min(...this.#scheduled.map(({ at }) => at));
    if (!(next - this.#nowMs <= limitMs)) return false;
    this.#nowMs = Math.max(next, this.#nowMs);
    const due = this.#scheduled.filter(({ at }) => at <= this.#nowMs);
    this.#scheduled = this.#scheduled.filter(({ at }) => at > this.#nowMs);
    for (const { callback } of due) callback();
    await settled();
    return true;
  }

  async close(): Promise<void> {
    await this.#partition?.close();
  }

  #transports(): Transports {
    return { of: (_endpoint: Endpoint) => ({ exchange: this.#exchange, stream: this.#stream }) };
  }

  readonly #exchange = (
    request: HandlerRequest,
    _limits: unknown,
    done: (result: ExchangeResult) => void,
  ): Exchange => {
    if (request.path === '/discover') {
      const headers = { 'content-type': 'application/vnd.restate.endpointmanifest.v4+json' };
      const body = Buffer.from(JSON.stringify(this.#options.manifest));
      queueMicrotask(() => done({ kind: 'response', status: 200, headers, body }));
      return { abort: () => undefined };
    }
    const call: HandlerCall = { request, written: [request.body], ended: true, aborted: false, done };
    this.calls.push(call);
    return { abort: () => abort(call) };
  };

  readonly #stream = (request: HandlerRequest, events: StreamEvents): Stream => {
    const call: HandlerCall = { request, written: [request.body], ended: false, aborted: false, events };
    this.calls.push(call);
    return {
      write: bytes => {
        // The codec reuses its memory.
        call.written.push(Uint8Array.from(bytes));
        return true;
      },
      end: () => {
        call.ended = true;
      },
      pause: () => undefined,
      resume: () => undefined,
      abort: () => abort(call),
    };
  };
}

function abort(call: HandlerCall): void {
  call.aborted = true;
}

/** Long enough for everything that waits for nothing but earlier callbacks. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await Promise.resolve();
}
