/**
 * The changes of one record, collected over the view: reads see them, nothing else does until they are taken.
 * An invocation is edited as one working copy per record, so a record that touches it ten times copies it once.
 */
import type { Effect } from './effect.ts';
import type { CompletedInvocation, Entry, Invocation, InvocationId, Timer } from './model.ts';
import {
  journalKey,
  journalPrefix,
  type Rows,
  type TableName,
  type TableWrite,
  timerKey,
  type View,
} from './table.ts';

export type Working<T> = { -readonly [K in keyof T]: T[K] };
type PlainTable = Exclude<TableName, 'invocation' | 'journal'>;

interface Edit {
  readonly row: Working<Invocation>;
  readonly fresh: boolean;
  /** Journal length in the view, and what this record appends to it. */
  readonly first: number;
  appended: Entry[] | undefined;
  ended: boolean;
}

export class Draft {
  readonly at: number;
  readonly effects: Effect[] = [];
  private readonly view: View;
  private readonly edits = new Map<InvocationId, Edit>();
  /** The last write of each row, over what the view has. */
  private readonly rows: { [N in PlainTable]?: Map<string, TableWrite> } = {};
  private readonly dropped: TableWrite[] = [];
  /** Running attempts whose handlers might be told something. */
  private changed: Map<InvocationId, number> | undefined;
  /** Lists that this record has copied, and may therefore change. */
  private readonly own = new WeakSet<object>();

  constructor(view: View, at: number) {
    this.view = view;
    this.at = at;
  }

  read<N extends PlainTable>(table: N, key: string): Rows[N] | undefined {
    const written = this.rows[table]?.get(key);
    return written === undefined ? this.view.get(table, key) : (written.row as Rows[N] | undefined);
  }

  /** Ascending by key. */
  *scan<N extends PlainTable>(table: N, prefix: string): Iterable<readonly [key: string, row: Rows[N]]> {
    const written = this.rows[table];
    if (written === undefined) {
      yield* this.view.scan(table, prefix);
      return;
    }
    const rows = new Map(this.view.scan(table, prefix));
    for (const [key, { row }] of written) {
      if (!key.startsWith(prefix)) continue;
      if (row === undefined) rows.delete(key);
      else rows.set(key, row as Rows[N]);
    }
    yield* [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** `fresh`: the view has no row of this key. */
  put<N extends PlainTable>(table: N, key: string, row: Rows[N] | undefined, fresh = false): void {
    let written: Map<string, TableWrite> | undefined = this.rows[table];
    if (written === undefined) {
      written = new Map();
      this.rows[table] = written;
    }
    const before = written.get(key);
    written.set(key, { table, key, row, fresh: before?.fresh ?? fresh } as TableWrite);
  }

  /** A list with one more item: copied once per record, however many a record adds. */
  added<T>(list: readonly T[], item: T): readonly T[] {
    if (this.own.has(list)) {
      (list as T[]).push(item);
      return list;
    }
    const copy = [...list, item];
    this.own.add(copy);
    return copy;
  }

  /** The working copy of an invocation that has not ended. */
  invocation(id: InvocationId): Working<Invocation> | undefined {
    const edit = this.edits.get(id);
    if (edit !== undefined) return edit.ended ? undefined : edit.row;
    const row = this.view.get('invocation', id);
    if (row === undefined) return undefined;
    const working = { ...row };
    this.edits.set(id, { row: working, fresh: false, first: row.entries, appended: undefined, ended: false });
    return working;
  }

  /** Whether it has not ended, without making a working copy. */
  isActive(id: InvocationId): boolean {
    const edit = this.edits.get(id);
    return edit === undefined ? this.view.get('invocation', id) !== undefined : !edit.ended;
  }

  completed(id: InvocationId): CompletedInvocation | undefined {
    return this.read('completed', id);
  }

  /** Entries that were there before this record. */
  *journal(id: InvocationId): Iterable<Entry> {
    for (const [, { entries }] of this.view.scan('journal', journalPrefix(id))) yield* entries;
  }

  /**
   * What it had called or sent to before this record, in order; an idempotent one that was there already too. What the
   * invocation that it restarts had called is not its own.
   */
  children({ id, source }: Pick<Invocation, 'id' | 'source'>): readonly InvocationId[] {
    const found: InvocationId[] = [];
    let copied = source.kind === 'restart' ? source.entries : 0;
    for (const entry of this.journal(id)) {
      if (copied > 0) copied -= 1;
      else if (entry.kind === 'completion' && entry.result.kind === 'invocationId')
        found.push(entry.result.id);
    }
    return found;
  }

  create(row: Working<Invocation>): void {
    // An id that ended in this very record and begins again has a row in the view.
    const fresh = this.edits.get(row.id)?.fresh ?? true;
    this.edits.set(row.id, { row, fresh, first: 0, appended: undefined, ended: false });
  }

  /** Takes back what this record created. */
  discard({ id }: Working<Invocation>): void {
    this.edits.delete(id);
  }

  /** Appends an entry to the journal of a working copy and returns its index. */
  append(inv: Working<Invocation>, entry: Entry): number {
    const edit = this.edit(inv.id);
    if (edit.appended === undefined) edit.appended = [entry];
    else edit.appended.push(entry);
    const index = inv.entries;
    inv.entries += 1;
    inv.modifiedAt = this.at;
    return index;
  }

  /** Replaces an invocation that has ended by what is kept of it; `undefined` keeps nothing. */
  end(inv: Working<Invocation>, kept: CompletedInvocation | undefined): void {
    const edit = this.edit(inv.id);
    edit.ended = true;
    if (kept !== undefined) this.put('completed', kept.id, kept, true);
    if (kept === undefined || kept.entries === 0) {
      edit.appended = undefined;
      this.dropJournal(inv.id);
    }
  }

  dropJournal(id: InvocationId): void {
    for (const [key] of this.view.scan('journal', journalPrefix(id))) {
      this.dropped.push({ table: 'journal', key, row: undefined, fresh: false });
    }
  }

  /** Writes a timer row, arms it and returns its key. */
  startTimer(timer: Timer): string {
    const key = timerKey(timer);
    this.put('timer', key, timer, true);
    this.effects.push({ type: 'armTimer', timer: key, at: timer.at });
    return key;
  }

  stopTimer(key: string): void {
    this.put('timer', key, undefined);
  }

  /** The attempt under way, should it go on, has something to learn. */
  attemptChanged({ id, attempt }: Invocation): void {
    this.changed ??= new Map();
    this.changed.set(id, attempt);
  }

  /** Effects of `attemptChanged`, of those that do go on. */
  private tellAttempts(changed: ReadonlyMap<InvocationId, number>): void {
    for (const [id, attempt] of changed) {
      const edit = this.edits.get(id);
      if (edit === undefined || edit.ended || edit.row.attempt !== attempt) continue;
      if (edit.row.state.status !== 'running') continue;
      const { first, appended: entries = [] } = edit;
      this.effects.push({ type: 'attemptChanged', id, attempt, first, entries });
    }
  }

  /** All writes, in an order in which the last one of a key wins. */
  finish(): readonly TableWrite[] {
    if (this.changed !== undefined) this.tellAttempts(this.changed);
    const writes = this.dropped;
    for (const table in this.rows) {
      const written = this.rows[table as PlainTable] as ReadonlyMap<string, TableWrite>;
      for (const write of written.values()) if (write.row !== undefined || !write.fresh) writes.push(write);
    }
    for (const [id, edit] of this.edits) {
      if (edit.appended !== undefined) {
        const row = { first: edit.first, entries: edit.appended };
        writes.push({ table: 'journal', key: journalKey(id, edit.first), row, fresh: true });
      }
      if (edit.ended && edit.fresh) continue;
      writes.push({
        table: 'invocation',
        key: id,
        row: edit.ended ? undefined : edit.row,
        fresh: edit.fresh,
      });
    }
    return writes;
  }

  private edit(id: InvocationId): Edit {
    const edit = this.edits.get(id);
    if (edit === undefined) throw new Error(`assertion failed: ${id} is not being edited`);
    return edit;
  }
}
