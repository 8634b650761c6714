/**
 * The store in a SQLite file: written by a thread (`sqlite-writer.ts`), read synchronously here through a second
 * connection. Never written from the main thread, where a checkpoint would stop the event loop for tens of
 * milliseconds; in WAL mode a reader neither waits for the writer nor holds it up.
 *
 * Invariants: promises settle in the order of their writes; once one has rejected, all later ones do (S1); a row
 * whose bytes changed on disk is reported, never returned.
 */

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import { CodedError } from '../platform/error.ts';
import { packBatch } from './packed-batch.ts';
import { damagedRow, storeError } from './sqlite-errors.ts';
import { openForReading, rowChecksum } from './sqlite-schema.ts';
import type { FromWriter, ToWriter } from './sqlite-writer.ts';
import type { Store, Write } from './store.ts';

export interface SqliteStoreOptions {
  /** The file; it is created if it does not exist, its directory is not. SQLite puts two more beside it. */
  readonly path: string;
}

/** The columns `value, crc` and `key, value, crc` of `rows`. */
type ValueRow = readonly [value: Uint8Array, crc: number];
type KeyedRow = readonly [key: Uint8Array, value: Uint8Array, crc: number];

/**
 * Rejects with `HF_STORE_UNAVAILABLE`, `HF_STORE_DAMAGED`, `HF_STORE_FOREIGN` or `HF_STORE_VERSION`, all of them
 * naming the file. Writes of openings before this one reject from now on.
 */
export async function openSqliteStore({ path }: SqliteStoreOptions): Promise<Store> {
  const worker = new Worker(new URL('./sqlite-writer.ts', import.meta.url), { workerData: { path } });
  const exited = new Promise<void>(resolve => worker.once('exit', () => resolve()));
  try {
    await opened(worker);
    return new SqliteStore(path, worker, exited, openForReading(path));
  } catch (error) {
    await worker.terminate();
    throw storeError(path, error);
  }
}

function opened(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      worker.off('message', onMessage);
      worker.off('error', onError);
    };
    const onError = (error: Error) => {
      settle();
      reject(error);
    };
    const onMessage = (message: FromWriter) => {
      settle();
      if (message.kind === 'failed') reject(received(message));
      else resolve();
    };
    worker.on('message', onMessage);
    worker.on('error', onError);
  });
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

class SqliteStore implements Store {
  readonly #path: string;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #database: DatabaseSync;
  readonly #get: StatementSync;
  readonly #scan: StatementSync;
  /** Writes that are not durable yet, oldest first. */
  readonly #waiting: Waiting[] = [];
  #failure: Error | undefined;
  #closed = false;

  constructor(path: string, worker: Worker, exited: Promise<void>, database: DatabaseSync) {
    this.#path = path;
    this.#worker = worker;
    this.#exited = exited;
    this.#database = database;
    this.#get = database.prepare('SELECT value, crc FROM rows WHERE key = ?');
    this.#scan = database.prepare('SELECT key, value, crc FROM rows WHERE key >= ? AND key < ? LIMIT ?');
    worker.on('message', (message: FromWriter) => this.#receive(message));
    worker.on('error', error => this.#fail(error));
    worker.on('exit', () => this.#fail(new Error('the thread that writes the store has ended')));
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#assertOpen();
    const row = this.#read(() => this.#get.get(key)) as ValueRow | undefined;
    if (row === undefined) return undefined;
    if (rowChecksum(key, row[0]) !== row[1]) throw damagedRow(this.#path);
    return row[0];
  }

  scan(
    from: Uint8Array,
    to: Uint8Array,
    limit?: number,
  ): readonly { readonly key: Uint8Array; readonly value: Uint8Array }[] {
    this.#assertOpen();
    // SQLite takes a negative limit as none.
    const rows = this.#read(() => this.#scan.all(from, to, limit ?? -1)) as unknown as readonly KeyedRow[];
    return rows.map(([key, value, crc]) => {
      if (rowChecksum(key, value) !== crc) throw damagedRow(this.#path);
      return { key, value };
    });
  }

  write(batch: readonly Write[]): Promise<void> {
    this.#assertOpen();
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#waiting.push({ resolve, reject });
      const packed: ToWriter = packBatch(batch);
      this.#worker.postMessage(packed, [packed]);
    });
  }

  async close(): Promise<void> {
    this.#assertOpen();
    this.#closed = true;
    // First, because the last connection to close checkpoints the whole write-ahead log.
    this.#database.close();
    this.#worker.postMessage('close' satisfies ToWriter);
    await this.#exited;
  }

  #read<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw storeError(this.#path, error);
    }
  }

  #receive(message: FromWriter): void {
    if (message.kind === 'failed') this.#fail(received(message));
    if (message.kind === 'durable') {
      for (const { resolve } of this.#waiting.splice(0, message.batches)) resolve();
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error('the store is closed');
  }
}

function received({ error, code }: Extract<FromWriter, { kind: 'failed' }>): Error {
  return code === undefined ? error : new CodedError(code, error.message, { cause: error });
}
