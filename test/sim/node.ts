/**
 * One incarnation of the orchestrator: the real log, store, partition and engine over simulated ports. When it dies
 * nothing it scheduled runs any more; a new incarnation opens the same disk and store.
 */

import type { Command } from '../../runtime/core/command.ts';
import { openInlineLog } from '../../runtime/log/inline-log.ts';
import type { Log } from '../../runtime/log/log.ts';
import { LocalEngine } from '../../runtime/partition/local-engine.ts';
import { Partition } from '../../runtime/partition/partition.ts';
import type { ServiceDefaults } from '../../runtime/partition/registration.ts';
import type { Disk } from '../../runtime/platform/disk.ts';
import { CodedError } from '../../runtime/platform/error.ts';
import type { Clock, Logger, TimerHandle, Timers } from '../../runtime/platform/ports.ts';
import { type MemoryStoreStorage, openMemoryStore } from '../../runtime/store/memory-store.ts';
import type { Checkers } from './checkers/index.ts';
import { checkFold } from './checkers/state-checker.ts';
import { SimulatedCrash } from './disk.ts';
import type { FunctionHost, Orphan } from './function-host.ts';
import type { SimRandom } from './random.ts';
import { newLane, type Scheduled, type Scheduler } from './scheduler.ts';
import type { Sites } from './sites.ts';
import type { Trace } from './trace.ts';
import { simTransports } from './transports.ts';
import type { Report } from './violation.ts';

export interface NodeParts {
  readonly scheduler: Scheduler;
  readonly random: SimRandom;
  readonly trace: Trace;
  readonly disk: Disk;
  readonly storage: MemoryStoreStorage;
  readonly host: FunctionHost;
  readonly sites: Sites;
  readonly checkers: Checkers;
  readonly report: Report;
  /** It cannot go on, or a simulated crash struck. */
  readonly onDeath: (node: Node, cause: 'crash' | 'failure' | 'closed') => void;
  readonly isLeading: (node: Node) => boolean;
  readonly onReady: (node: Node) => void;
  readonly onOrphan: (orphan: Orphan) => void;
}

const PARTITION = 0;
const LOG = { directory: 'log', partition: PARTITION, segmentBytes: 48 * 1024, runwayBytes: 8 * 1024 };
/** Small ones, so that attempts wait for a slot. */
const CONCURRENCY_LIMITS = [2, 4, 6];
/** Small, so that larger states are sent in part. */
const EAGER_STATE_BYTES_MAX = 100;
const DRAIN_MS_MAX = 2000;
const INVOKE_TIMEOUT_MS = 3000;

export const DEFAULTS: ServiceDefaults = {
  retryPolicy: {
    initialIntervalMs: 50,
    maxIntervalMs: 2000,
    factor: 2,
    maxAttempts: 10,
    onMaxAttempts: 'pause',
  },
  idempotencyRetentionMs: 30_000,
  journalRetentionMs: 0,
  workflowRetentionMs: 30_000,
  inactivityTimeoutMs: 1000,
  // Longer than any closure of a handler takes.
  abortTimeoutMs: 2500,
};

/** What a process may end with: the disk failed; another one leads now. */
const EXPECTED: ReadonlySet<string> = new Set(['HF_LOG_FAILED', 'HF_LOG_FENCED']);

export class Node {
  readonly startedMs: number;
  partition: Partition | undefined;
  engine: LocalEngine | undefined;
  isDead = false;
  isClosing = false;
  readonly #parts: NodeParts;
  readonly #onDown = new Set<() => void>();
  /** What it would have done while it was frozen. */
  #held: (() => void)[] | undefined;
  #log: (Log & { readonly inFlight: number }) | undefined;
  /** Position of the record that the production state applied last. */
  #applied = 0;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    this.startedMs = parts.scheduler.nowMs;
  }

  /** Everything acknowledged is applied, and nothing is on its way to the log. */
  get isQuiet(): boolean {
    return this.#log?.inFlight === 0 && this.partition?.backlog === 0;
  }

  start(): void {
    this.#guarded(() => this.#open());
  }

  /** From here on nothing of it runs. */
  die(): void {
    this.isDead = true;
    for (const tell of [...this.#onDown]) tell();
    this.#onDown.clear();
  }

  /** A clean stop, as at a deployment: stores the state, closes log and store, then ends. */
  close(): void {
    this.isClosing = true;
    const { partition } = this;
    if (partition === undefined) return;
    const drained = this.#parts.random.chance(0.5) ? partition.drain(DRAIN_MS_MAX) : Promise.resolve();
    drained
      .then(() => partition.close())
      .then(
        () => {
          if (!this.isDead) this.#parts.onDeath(this, 'closed');
        },
        // The store failed meanwhile: the process ends all the same, and the log has everything.
        (error: Error) => this.#failed(error),
      );
  }

  get isFrozen(): boolean {
    return this.#held !== undefined;
  }

  /** Stops like a process that gets no CPU: it does not know, and goes on when it is thawed. */
  freeze(): void {
    this.#held ??= [];
  }

  thaw(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    const lane = newLane();
    for (const callback of held) {
      this.#parts.scheduler.after(0, 'thawed', () => this.#guarded(callback), lane);
    }
  }

  /** Called if the node dies before the returned function is called. */
  onDown(tell: () => void): () => void {
    this.#onDown.add(tell);
    return () => this.#onDown.delete(tell);
  }

  /** An error that nothing in the process caught ends it; what is no operating error is a bug. */
  uncaught(error: unknown): void {
    if (!(error instanceof SimulatedCrash) && !(error instanceof CodedError)) throw error;
    if (error instanceof CodedError && !EXPECTED.has(error.code)) {
      this.#parts.report('L2', `the node stops with ${error.code}: ${error.message}`);
    }
    this.#parts.onDeath(this, error instanceof SimulatedCrash ? 'crash' : 'failure');
  }

  #open(): void {
    const { scheduler, random, disk, storage, checkers, host, sites, report } = this.#parts;
    const log = openInlineLog(
      disk,
      { ...LOG, opening: random.bytes(16) },
      { defer: this.#defer('log', 3), onFailure: error => this.#failed(error) },
    );
    checkers.log.recovered(log);
    const spied = checkers.spy(log);
    this.#log = spied;
    const store = openMemoryStore({ storage, defer: this.#defer('store', 40) });
    const timers = this.#timers();
    const caller = {
      isLeading: () => this.#parts.isLeading(this),
      deliver: (callback: () => void) => this.#guarded(callback),
      onDown: (tell: () => void) => this.onDown(tell),
      onOrphan: this.#parts.onOrphan,
    };
    const transports = simTransports({ host, sites, caller, timers });
    const clock: Clock = { now: () => scheduler.wallMs(), monotonicMs: () => scheduler.nowMs };
    const opening = Partition.open({
      log: spied,
      store,
      clock,
      timers,
      random,
      logger: this.#logger(),
      transports,
      eagerStateBytesMax: EAGER_STATE_BYTES_MAX,
      concurrencyLimit: random.pick(CONCURRENCY_LIMITS),
      invokeTimeoutMs: INVOKE_TIMEOUT_MS,
      defaults: DEFAULTS,
      flushIntervalMs: 300,
      onFailure: error => this.#failed(error),
      timerWindow: 4,
    });
    opening.then(
      partition =>
        this.#opened(
          partition,
          new LocalEngine({ partition, transports, clock, random, defaults: DEFAULTS }),
        ),
      (error: unknown) => report('assertion', `the partition does not open: ${String(error)}`),
    );
  }

  #opened(partition: Partition, engine: LocalEngine): void {
    if (this.isDead) return;
    const { checkers, report, onReady } = this.#parts;
    // What it has proposed while it started comes before what is proposed from here on.
    this.#applied = checkers.log.durable + partition.backlog;
    checkFold(report, partition, checkers.model, 'after recovery');
    const propose = partition.propose.bind(partition);
    partition.propose = (command: Command, done) => {
      propose(command, (outcome, at) => {
        this.#applied += 1;
        checkers.log.applied(this.#applied, command, outcome, at);
        done?.(outcome, at);
      });
    };
    this.partition = partition;
    this.engine = engine;
    onReady(this);
  }

  #failed(error: Error): void {
    const { trace, scheduler } = this.#parts;
    trace.add(scheduler.nowMs, `node failed: ${error.message}`);
    // In an event of its own, as a process ends after the handler of the error has run.
    scheduler.after(0, 'node exits', () => {
      if (!this.isDead) this.#parts.onDeath(this, 'failure');
    });
  }

  /** Turns of another thread: in order, each taking a while. */
  #defer(name: string, maxMs: number): (callback: () => void) => void {
    const lane = newLane();
    const { scheduler, random } = this.#parts;
    return callback => {
      if (!this.isDead) scheduler.after(random.float() * maxMs, name, () => this.#guarded(callback), lane);
    };
  }

  #timers(): Timers {
    const { scheduler } = this.#parts;
    const lane = newLane();
    return {
      set: (delayMs, callback) => {
        return scheduler.after(delayMs, 'timer', () => this.#guarded(callback)) as unknown as TimerHandle;
      },
      clear: handle => {
        (handle as unknown as Scheduled).run = undefined;
      },
      soon: callback => {
        if (!this.isDead) scheduler.after(0, 'turn', () => this.#guarded(callback), lane);
      },
    };
  }

  #logger(): Logger {
    const { trace, scheduler } = this.#parts;
    const add = (event: string, fields?: Readonly<Record<string, unknown>>) =>
      trace.add(scheduler.nowMs, fields === undefined ? event : `${event} ${JSON.stringify(fields)}`);
    return { debug: add, info: add, warn: add, error: add };
  }

  /** A callback of this process: it does not run when the process is dead, and its uncaught errors kill it. */
  #guarded(callback: () => void): void {
    if (this.isDead) return;
    if (this.#held !== undefined) {
      this.#held.push(callback);
      return;
    }
    try {
      callback();
    } catch (error) {
      this.uncaught(error);
    }
  }
}
