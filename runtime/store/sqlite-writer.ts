/**
 * The thread that writes the store's file. It takes the batches that are waiting, puts them into one transaction,
 * commits, acknowledges, and checkpoints when the write-ahead log has grown.
 *
 * Invariants: batches are written in the order they arrive; one is acknowledged only after the commit that holds
 * it; after a failure nothing is written any more (S1).
 */

import type { StatementSync } from 'node:sqlite';
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { CodedError } from '../platform/error.ts';
import { unpackBatch } from './packed-batch.ts';
import { storeError } from './sqlite-errors.ts';
import { openForWriting, rowChecksum } from './sqlite-schema.ts';

/** To the writer: a packed batch, or the request to finish. */
export type ToWriter = ArrayBuffer | 'close';
export type FromWriter =
  | { readonly kind: 'opened' }
  /** So many of the oldest batches are durable. */
  | { readonly kind: 'durable'; readonly batches: number }
  | { readonly kind: 'failed'; readonly error: Error; readonly code: string | undefined };

/** Batches join a transaction until it holds this much: enough to share a sync, too little to keep them waiting. */
const TRANSACTION_BYTES_MAX = 8 << 20;
/**
 * Checkpoint once about this many pages have been written. SQLite does not say how long the write-ahead log is;
 * a row changes a page of its own at most, besides those its value fills and now and then a split. Measured with
 * rows in random order: the log stays below 80 MB.
 */
const CHECKPOINT_PAGES = 8192;
const PAGE_BYTES = 4096;

class Writer {
  readonly #path: string;
  readonly #port: MessagePort;
  readonly #database: ReturnType<typeof openForWriting>['database'];
  readonly #opening: number;
  readonly #newestOpening: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #checkpoint: StatementSync;
  /** The message being served; a field, so that a failure in the middle of a transaction loses none. */
  #message: ToWriter | undefined;
  #failed = false;
  #pagesSinceCheckpoint = 0;

  constructor(path: string, port: MessagePort) {
    this.#path = path;
    this.#port = port;
    const { database, opening } = openForWriting(path);
    this.#database = database;
    this.#opening = opening;
    this.#newestOpening = database.prepare('SELECT number FROM opening');
    this.#put = database.prepare(
      'INSERT INTO rows VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, crc = excluded.crc',
    );
    this.#delete = database.prepare('DELETE FROM rows WHERE key = ?');
    this.#checkpoint = database.prepare('PRAGMA wal_checkpoint(PASSIVE)');
    port.on('message', (message: ToWriter) => this.#receive(message));
    this.#send({ kind: 'opened' });
  }

  #receive(message: ToWriter): void {
    this.#message = message;
    while (this.#message instanceof ArrayBuffer) {
      if (this.#failed) this.#advance();
      else this.#attempt();
    }
    if (this.#message === 'close') {
      if (!this.#failed) this.#database.close();
      this.#port.close();
    }
  }

  #attempt(): void {
    try {
      this.#transaction();
    } catch (error) {
      this.#failed = true;
      // Also gives up the lock: after a fence the newer opening must not wait for this one.
      this.#database.close();
      sendFailure(this.#port, storeError(this.#path, error));
    }
  }

  /** Writes the batch at hand and those waiting behind it. */
  #transaction(): void {
    this.#database.exec('BEGIN IMMEDIATE');
    const newest = Number(Object.values(this.#newestOpening.get() ?? {})[0]);
    if (newest !== this.#opening) throw fenced(this.#path);
    let batches = 0;
    let bytes = 0;
    while (this.#message instanceof ArrayBuffer && bytes < TRANSACTION_BYTES_MAX) {
      unpackBatch(this.#message, this.#write);
      batches += 1;
      bytes += this.#message.byteLength;
      this.#advance();
    }
    this.#database.exec('COMMIT');
    this.#send({ kind: 'durable', batches });
    if (this.#pagesSinceCheckpoint >= CHECKPOINT_PAGES) {
      this.#pagesSinceCheckpoint = 0;
      this.#checkpoint.get();
    }
  }

  readonly #write = (key: Uint8Array, value: Uint8Array | undefined): void => {
    this.#pagesSinceCheckpoint += 1;
    if (value === undefined) {
      this.#delete.run(key);
      return;
    }
    if (value.length >= PAGE_BYTES) this.#pagesSinceCheckpoint += Math.ceil(value.length / PAGE_BYTES);
    this.#put.run(key, value, rowChecksum(key, value));
  };

  #advance(): void {
    this.#message = receiveMessageOnPort(this.#port)?.message as ToWriter | undefined;
  }

  #send(message: FromWriter): void {
    this.#port.postMessage(message);
  }
}

function sendFailure(port: MessagePort, error: Error): void {
  // Structured cloning keeps message, stack and cause of an error and drops its class and code.
  const code = error instanceof CodedError ? error.code : undefined;
  port.postMessage({ kind: 'failed', error, code } satisfies FromWriter);
}

function fenced(path: string): CodedError {
  return new CodedError(
    'HF_STORE_FENCED',
    `store ${path}: another process has opened it since; stop this process, the newer one owns the store`,
  );
}

if (parentPort === null) throw new Error('sqlite-writer.ts runs as a worker thread');
const { path } = workerData as { readonly path: string };
try {
  new Writer(path, parentPort);
} catch (error) {
  sendFailure(parentPort, storeError(path, error));
}
