/**
 * The store in memory: for tests, for the `memory` profile, and for the simulator, which crashes it.
 *
 * A batch takes two steps, committed (visible, and survives a crash) and acknowledged (its promise resolves).
 * `defer` decides when each step runs, so a simulator that stops running steps has crashed the process between
 * any two of them: a batch is then lost or kept whole, and may be kept without having been acknowledged.
 */

import { CodedError } from '../platform/error.ts';
import { OrderedRows, type Row } from './ordered-rows.ts';
import type { Store, Write } from './store.ts';

/** What outlives the process: the disk of a `MemoryStore`. */
export class MemoryStoreStorage {
  readonly rows = new OrderedRows();
  #opening = 0;
  #failure: Error | undefined;

  /** Number of the newest opening. Steps and writes of earlier ones change nothing any more. */
  get opening(): number {
    return this.#opening;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  /** From now on commits fail with `error`, as on a full disk; `undefined` ends it. */
  failWith(error: Error | undefined): void {
    this.#failure = error;
  }

  open(): number {
    this.#opening += 1;
    return this.#opening;
  }
}

export interface MemoryStoreOptions {
  /** Shared between openings of the same store. Default: a new one. */
  readonly storage?: MemoryStoreStorage;
  /** Runs the step it is given once, at a moment of its choosing, in any order. Default: at once. */
  readonly defer?: (step: () => void) => void;
}

interface Queued {
  readonly batch: readonly Write[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export function openMemoryStore(options: MemoryStoreOptions = {}): Store {
  return new MemoryStore(options.storage ?? new MemoryStoreStorage(), options.defer ?? (step => step()));
}

class MemoryStore implements Store {
  readonly #storage: MemoryStoreStorage;
  readonly #defer: (step: () => void) => void;
  readonly #opening: number;
  /** Oldest first. Steps are interchangeable: whichever runs serves the oldest batch that waits for its kind. */
  readonly #uncommitted: Queued[] = [];
  readonly #committed: Queued[] = [];
  #failure: Error | undefined;
  #closing: (() => void) | undefined;
  #closed = false;

  constructor(storage: MemoryStoreStorage, defer: (step: () => void) => void) {
    this.#storage = storage;
    this.#defer = defer;
    this.#opening = storage.open();
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#assertOpen();
    return this.#storage.rows.get(key);
  }

  scan(from: Uint8Array, to: Uint8Array, limit?: number): readonly Row[] {
    this.#assertOpen();
    return this.#storage.rows.scan(from, to, limit);
  }

  write(batch: readonly Write[]): Promise<void> {
    this.#assertOpen();
    return new Promise((resolve, reject) => {
      this.#uncommitted.push({ batch, resolve, reject });
      this.#defer(() => this.#commit());
    });
  }

  close(): Promise<void> {
    this.#assertOpen();
    this.#closed = true;
    return new Promise(resolve => {
      this.#closing = resolve;
      this.#closeWhenIdle();
    });
  }

  #commit(): void {
    const queued = this.#uncommitted.shift();
    if (queued === undefined) throw new Error('more commit steps ran than were deferred');
    if (this.#opening !== this.#storage.opening) this.#failure ??= fenced();
    this.#failure ??= this.#storage.failure;
    if (this.#failure !== undefined) {
      queued.reject(this.#failure);
      this.#closeWhenIdle();
      return;
    }
    for (const { key, value } of queued.batch) {
      if (value === undefined) this.#storage.rows.delete(key);
      else this.#storage.rows.set(key, value);
    }
    this.#committed.push(queued);
    this.#defer(() => this.#acknowledge());
  }

  #acknowledge(): void {
    const queued = this.#committed.shift();
    if (queued === undefined) throw new Error('more acknowledge steps ran than were deferred');
    queued.resolve();
    this.#closeWhenIdle();
  }

  #closeWhenIdle(): void {
    if (this.#uncommitted.length === 0 && this.#committed.length === 0) this.#closing?.();
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error('the store is closed');
  }
}

function fenced(): CodedError {
  return new CodedError(
    'HF_STORE_FENCED',
    'the store in memory was opened again; stop this process, the newer one owns the store',
  );
}
