/**
 * The state of a partition: memtable generations over the store. S1: a generation is stored as one batch together
 * with the position it reflects. S2: what is read here is a fold of the log up to `applied`.
 *
 * Reads look at the generation being written to, then at the one being flushed, then at the one flushed last,
 * which is kept as a cache because what was touched a second ago is what is touched next, then at the store.
 */

import type { Entry, InvocationId, Keyed, StateEntry } from '../core/model.ts';
import {
  journalKey,
  journalPrefix,
  type Rows,
  statePrefix,
  TABLE_NAMES,
  type TableName,
  type TableWrite,
  type View,
} from '../core/table.ts';
import { ByteReader, ByteWriter } from '../format/bytes.ts';
import { decodeKey, decodeRow, encodeKey, encodeRow } from '../format/row.ts';
import type { Timers } from '../platform/ports.ts';
import type { Store, Write } from '../store/store.ts';
import { Memtable } from './memtable.ts';
import { StateCache } from './state-cache.ts';

/** Few and read by every record: held in memory for good. */
const RESIDENT = ['meta', 'deployment', 'service'] as const satisfies readonly TableName[];
const isResident = (table: TableName): boolean => (RESIDENT as readonly TableName[]).includes(table);

/** The store's only key outside the tables: how far the rows reflect the log. */
const APPLIED_KEY = new Uint8Array([0]);
const SCAN_PAGE = 1000;
/** Rows encoded per turn of the event loop while flushing, about half a millisecond's worth. */
const ENCODE_SLICE = 200;

export interface Applied {
  readonly position: number;
  /** The time of the record at that position. */
  readonly at: number;
}

export interface CacheSizes {
  /** Keys whose state is kept decoded. */
  readonly states: number;
  /** Up to so many keys of the instance table are known; past that the store is asked. */
  readonly instances: number;
  /** Rows that the last flush has stored, with those that were read since. */
  readonly rows: number;
}
const CACHES: CacheSizes = { states: 10_000, instances: 100_000, rows: 20_000 };

export class State implements View {
  private readonly store: Store;
  private readonly timers: Timers;
  private readonly resident = new Memtable();
  private readonly caches: CacheSizes;
  private readonly stateCache: StateCache;
  /** Keys of all rows of the instance table: few are held at a time, and most calls ask for one that is not. */
  private instances: Set<string> | undefined = new Set();
  private active = new Memtable();
  private flushing: Memtable | undefined;
  private flushed = new Memtable();
  /** What the store reflects. */
  stored: Applied;

  constructor(store: Store, timers: Timers, caches: CacheSizes = CACHES) {
    this.caches = caches;
    this.stateCache = new StateCache(caches.states);
    this.store = store;
    this.timers = timers;
    this.stored = readApplied(store.get(APPLIED_KEY));
    for (const table of RESIDENT) {
      for (const [key, row] of this.storedRows(table, '', ''))
        this.resident.write({ table, key, row, fresh: false } as TableWrite);
    }
    for (const [key] of this.storedRows('instance', '', '')) {
      if (!this.addInstance(key)) break;
    }
  }

  /** Rows that a flush would write. */
  get dirty(): number {
    return this.active.size;
  }

  get<N extends TableName>(table: N, key: string): Rows[N] | undefined {
    if (isResident(table)) return this.resident.get(table, key)?.row;
    const slot =
      this.active.get(table, key) ?? this.flushing?.get(table, key) ?? this.flushed.get(table, key);
    if (slot !== undefined) return slot.row;
    if (table === 'instance' && this.instances !== undefined && !this.instances.has(key)) return undefined;
    const bytes = this.store.get(encodeKey(table, key));
    if (bytes === undefined) return undefined;
    const row = decodeRow(table, bytes);
    // What is read is read again soon: a timer that fires, by the queue and then by its record.
    if (this.flushed.size < this.caches.rows) {
      this.flushed.write({ table, key, row, fresh: false } as TableWrite);
    }
    return row;
  }

  scan<N extends TableName>(table: N, prefix: string): Iterable<readonly [string, Rows[N]]> {
    if (table === 'journal' && prefix.endsWith('/')) {
      return this.journalRows(prefix) as Iterable<readonly [string, Rows[N]]>;
    }
    if (table === 'state' && prefix.endsWith('/')) {
      return this.stateRows(prefix) as Iterable<readonly [string, Rows[N]]>;
    }
    return this.scanAfter(table, prefix, '');
  }

  private stateRows(prefix: string): Iterable<readonly [string, Rows['state']]> {
    let rows = this.stateCache.get(prefix);
    if (rows === undefined) {
      rows = [...this.scanAfter('state', prefix, '')];
      this.stateCache.put(prefix, rows);
    }
    return rows;
  }

  /** False: there are too many to know them all. */
  private addInstance(key: string): boolean {
    this.instances?.add(key);
    if (this.instances !== undefined && this.instances.size > this.caches.instances)
      this.instances = undefined;
    return this.instances !== undefined;
  }

  /** Like `scan`, but only keys greater than `after`. */
  *scanAfter<N extends TableName>(
    table: N,
    prefix: string,
    after: string,
  ): Iterable<readonly [string, Rows[N]]> {
    const overlay = new Map<string, Rows[N] | undefined>();
    const layers = isResident(table) ? [this.resident] : [this.flushed, this.flushing, this.active];
    for (const layer of layers) {
      for (const [key, slot] of layer?.prefixed(table, prefix) ?? [])
        if (key > after) overlay.set(key, slot.row);
    }
    const keys = [...overlay.keys()].sort();
    let next = 0;
    if (!isResident(table)) {
      for (const [key, row] of this.storedRows(table, prefix, after)) {
        for (; next < keys.length && (keys[next] as string) < key; next++)
          yield* entry(overlay, keys[next] as string);
        if (!overlay.has(key)) yield [key, row];
      }
    }
    for (; next < keys.length; next++) yield* entry(overlay, keys[next] as string);
  }

  commit(writes: readonly TableWrite[]): void {
    for (const write of writes) {
      if (isResident(write.table)) this.resident.write({ ...write, fresh: false });
      this.active.write(write);
      if (write.table === 'state') this.stateCache.write(write);
      else if (write.table === 'instance') {
        if (write.row === undefined) this.instances?.delete(write.key);
        else this.addInstance(write.key);
      }
    }
  }

  /** Stores what has been committed so far. One at a time; resolves when it is durable. */
  async flush(applied: Applied): Promise<void> {
    if (this.flushing !== undefined) throw new Error('assertion failed: two flushes at once');
    const generation = this.active;
    this.flushing = generation;
    this.active = new Memtable();
    const batch: Write[] = [{ key: APPLIED_KEY, value: writeApplied(applied) }];
    let sliced = 0;
    for (const [table, key, { row }] of generation.all()) {
      const value = row === undefined ? undefined : encodeRow(table, row as Rows[TableName]);
      batch.push({ key: encodeKey(table, key), value });
      if (++sliced % ENCODE_SLICE === 0) await new Promise<void>(resolve => this.timers.soon(resolve));
    }
    await this.store.write(batch);
    this.stored = applied;
    this.flushed = generation;
    this.flushing = undefined;
  }

  close(): Promise<void> {
    return this.store.close();
  }

  private journalRows(prefix: string): Iterable<readonly [string, Rows['journal']]> {
    const id = prefix.slice(0, -1);
    const first = journalKey(id as InvocationId, 0);
    const rows = new Map<string, Rows['journal'] | undefined>();
    const layers = [this.flushed, this.flushing, this.active].map(layer => layer?.group('journal', prefix));
    // A journal whose first chunk was created in one of these generations has all of its chunks here.
    if (!layers.some(layer => layer?.get(first)?.fresh)) {
      for (const [key, row] of this.storedRows('journal', prefix, '')) rows.set(key, row);
    }
    for (const layer of layers) {
      if (layer !== undefined) for (const [key, slot] of layer) rows.set(key, slot.row);
    }
    const present: [string, Rows['journal']][] = [];
    for (const [key, row] of rows) if (row !== undefined) present.push([key, row]);
    return present.sort(byKey);
  }

  private *storedRows<N extends TableName>(
    table: N,
    prefix: string,
    after: string,
  ): Iterable<[string, Rows[N]]> {
    const to = encodeKey(table, `${prefix}\u00ff`);
    // A key followed by a zero byte is the least key greater than it.
    let from = encodeKey(table, after > prefix ? `${after}\u0000` : prefix);
    for (;;) {
      const page = this.store.scan(from, to, SCAN_PAGE);
      for (const { key, value } of page) yield [decodeKey(key), decodeRow(table, value)];
      const last = page[page.length - 1];
      if (last === undefined || page.length < SCAN_PAGE) return;
      from = encodeKey(table, `${decodeKey(last.key)}\u0000`);
    }
  }
}

const byKey = (a: readonly [string, unknown], b: readonly [string, unknown]): number =>
  a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;

function* entry<Row>(
  overlay: ReadonlyMap<string, Row | undefined>,
  key: string,
): Iterable<readonly [string, Row]> {
  const row = overlay.get(key);
  if (row !== undefined) yield [key, row];
}

function readApplied(bytes: Uint8Array | undefined): Applied {
  if (bytes === undefined) return { position: 0, at: 0 };
  const reader = new ByteReader(bytes);
  return { position: reader.uint(), at: reader.uint() };
}

function writeApplied({ position, at }: Applied): Uint8Array {
  const writer = new ByteWriter(16);
  writer.uint(position);
  writer.uint(at);
  return writer.take();
}

/** The journal of an invocation, in order. */
export function* journalOf(view: View, id: InvocationId): Iterable<Entry> {
  for (const [, chunk] of view.scan('journal', journalPrefix(id))) yield* chunk.entries;
}

/** The state of an object or workflow, in the order of its keys. */
export function* stateOf(view: View, of: Keyed): Iterable<StateEntry> {
  for (const [, { key, value }] of view.scan('state', statePrefix(of))) yield [key, value];
}

/** Digest input of the whole state, for comparing two folds of one log (S2). */
export function* dump(state: State): Iterable<readonly [TableName, string, Uint8Array]> {
  for (const table of TABLE_NAMES) {
    for (const [key, row] of state.scan(table, '')) yield [table, key, encodeRow(table, row)];
  }
}
