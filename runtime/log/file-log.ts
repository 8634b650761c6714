/**
 * The log over segment files, written by a thread of its own. The main thread's part: positions, acknowledgements,
 * and the ring to the writer. An adapter; formats and recovery are elsewhere.
 *
 * Invariants: L1, L3. The directory lock is held from before recovery until after the last write, so one opening at
 * a time exists, in whatever process. Appends of one turn are published together; the main thread makes no system
 * call per record.
 */

import assert from 'node:assert/strict';
import { Worker } from 'node:worker_threads';
import { type DirectoryLock, lockDirectory } from '../platform/directory-lock.ts';
import { CodedError } from '../platform/error.ts';
import { nodeDisk } from '../platform/node-disk.ts';
import type { Random } from '../platform/ports.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { failed, locked, unavailable } from './errors.ts';
import type { Log, LogOptions, LogRecord, Position } from './log.ts';
import { readLog } from './recover.ts';
import { createRingMemory, type RingMemory, RingProducer } from './ring.ts';
import { OPENING_ID_BYTES, RECORD_BYTES_MAX } from './segment-format.ts';
import type { WorkerReport, WorkerStart } from './segment-worker.ts';

export interface FileLogOptions extends LogOptions {
  /** Created where missing. One log per directory. */
  readonly directory: string;
  readonly partition: number;
  /** @default 64 MiB; a file grows towards it by the runway, not at once */
  readonly segmentBytes?: number;
  /** How far ahead of the records the file is allocated, and the reserve on a full disk. @default 8 MiB */
  readonly runwayBytes?: number;
  /**
   * The disk was found full while the runway (half of it at least) is still free, or has room again. New work should
   * be refused until then; appends go on until the runway is used up, which is `HF_LOG_FAILED`.
   */
  readonly onSpaceLow?: (isLow: boolean) => void;
  readonly random: Random;
}

const MIB = 1024 * 1024;
const RING_BYTES = MIB;

// Sources run as they are; a build has compiled its neighbours too.
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const workerUrl = new URL(`./segment-worker.${extension}`, import.meta.url);

/** Throws `HF_LOG_UNAVAILABLE`, `HF_LOG_LOCKED`, `HF_LOG_DAMAGED`, `HF_LOG_VERSION`, `HF_LOG_FAILED`. */
export async function openFileLog(options: FileLogOptions): Promise<Log> {
  const { directory, partition } = options;
  const lock = ownDirectory(directory);
  const start: WorkerStart = {
    settings: {
      directory,
      partition,
      segmentBytes: options.segmentBytes ?? 64 * MIB,
      runwayBytes: options.runwayBytes ?? 8 * MIB,
      opening: options.random.bytes(OPENING_ID_BYTES),
    },
    ring: createRingMemory(RING_BYTES),
  };
  const worker = new Worker(workerUrl, {
    workerData: start,
    execArgv: [],
    name: `holdfast-log-${partition}`,
  });
  const exited = new Promise<void>(resolve => worker.once('exit', () => resolve()));
  try {
    return await opened(worker, ({ epoch, durable }) => {
      return new FileLog(options, { worker, exited, lock, epoch, durable, ring: start.ring });
    });
  } catch (error) {
    await exited;
    lock.release();
    throw error;
  }
}

function ownDirectory(directory: string): DirectoryLock {
  let lock: DirectoryLock | undefined;
  try {
    nodeDisk.makeDirectory(directory);
    lock = lockDirectory(directory);
  } catch (error) {
    throw unavailable(directory, error);
  }
  if (lock === undefined) throw locked(directory);
  return lock;
}

/** What `create` makes of the worker's first report; made at once, so that it hears the next one. */
const opened = (worker: Worker, create: (report: Opened) => Log): Promise<Log> =>
  new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (report: WorkerReport) => {
      worker.off('error', reject);
      assert(typeof report === 'object' && report.kind !== 'space', 'a report before the opening');
      if (report.kind === 'opened') resolve(create(report));
      else reject(new CodedError(report.code, report.message));
    });
  });

type Opened = Extract<WorkerReport, { kind: 'opened' }>;

interface Parts {
  readonly worker: Worker;
  readonly exited: Promise<void>;
  readonly lock: DirectoryLock;
  readonly epoch: number;
  readonly durable: Position;
  readonly ring: RingMemory;
}

class FileLog implements Log {
  readonly epoch: number;
  readonly #options: FileLogOptions;
  readonly #parts: Parts;
  readonly #ring: RingProducer;
  readonly #acknowledgements: Acknowledgements;
  #durable: Position;
  /** Records that found no room in the ring. */
  #overflow: Uint8Array[] = [];
  #isPublishing = false;
  #isClosing = false;
  /** The writer has been told to end. */
  #isStopped = false;
  #failure: CodedError | undefined;
  /** Called when nothing is left to write, or nothing can be. */
  #onSettled: (() => void) | undefined;

  constructor(options: FileLogOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
    this.epoch = parts.epoch;
    this.#durable = parts.durable;
    this.#acknowledgements = new Acknowledgements(parts.durable);
    this.#ring = new RingProducer(parts.ring, parts.worker);
    parts.worker.on('message', (report: WorkerReport) => this.#receive(report));
    parts.worker.on('error', error => this.#fail(failed(error)));
    parts.worker.on('exit', () => {
      if (!this.#isStopped) this.#fail(failed(new Error('the writer thread ended')));
    });
  }

  get durable(): Position {
    return this.#durable;
  }

  append(records: readonly Uint8Array[], onDurable: (first: Position) => void): void {
    assert(!this.#isClosing, 'append after close');
    assert(records.length > 0, 'an append without records');
    if (this.#failure !== undefined) throw this.#failure;
    for (const record of records) {
      assert(record.length <= RECORD_BYTES_MAX, 'a record is larger than RECORD_BYTES_MAX');
      if (this.#overflow.length > 0 || !this.#ring.put(record)) this.#overflow.push(record);
    }
    this.#acknowledgements.add(records.length, onDurable);
    if (this.#isPublishing) return;
    this.#isPublishing = true;
    queueMicrotask(this.#publish);
  }

  read(from: Position): Iterable<LogRecord> {
    const { directory, partition } = this.#options;
    return readLog(nodeDisk, directory, partition, from, this.#durable);
  }

  async close(): Promise<void> {
    assert(!this.#isClosing, 'closed twice');
    this.#isClosing = true;
    await new Promise<void>(resolve => {
      this.#onSettled = resolve;
      this.#checkSettled();
    });
    this.#isStopped = true;
    this.#ring.stop();
    await this.#parts.exited;
    this.#parts.lock.release();
  }

  readonly #publish = (): void => {
    this.#isPublishing = false;
    this.#ring.publish();
  };

  #receive(report: WorkerReport): void {
    if (typeof report === 'number') this.#acknowledge(report);
    else if (report.kind === 'space') this.#options.onSpaceLow?.(report.isLow);
    else if (report.kind === 'failed') this.#fail(new CodedError(report.code, report.message));
  }

  #acknowledge(count: number): void {
    if (this.#failure !== undefined) return;
    this.#durable += count;
    // First, so that the writer has work while the callbacks run.
    if (this.#overflow.length > 0) this.#drainOverflow();
    this.#acknowledgements.release(this.#durable);
    this.#checkSettled();
  }

  #drainOverflow(): void {
    const waiting = this.#overflow;
    let taken = 0;
    for (const record of waiting) {
      if (!this.#ring.put(record)) break;
      taken += 1;
    }
    this.#overflow = taken === waiting.length ? [] : waiting.slice(taken);
    this.#ring.publish();
  }

  #fail(error: CodedError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#acknowledgements.drop();
    this.#overflow = [];
    this.#options.onFailure(error);
    this.#checkSettled();
  }

  #checkSettled(): void {
    if (this.#acknowledgements.isEmpty) this.#onSettled?.();
  }
}
