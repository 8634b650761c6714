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
  private readonly writes: TableWrite[] = [];

  constructor(view: View, at: number) {
    this.view = view;
    this.at = at;
  }

  /** A row as the view has it; for tables that one record writes at most once per key. */
  read<N extends Exclude<TableName, 'invocation' | 'journal'>>(table: N, key: string): Rows[N] | undefined {
    return this.view.get(table, key);
  }

  scan<N extends Exclude<TableName, 'invocation' | 'journal'>>(table: N, prefix: string) {
    return this.view.scan(table, prefix);
  }

  put<N extends Exclude<TableName, 'invocation' | 'journal'>>(
    table: N,
    key: string,
    row: Rows[N] | undefined,
    fresh = false,
  ): void {
    this.writes.push({ table, key, row, fresh } as TableWrite);
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
    if (this.edits.get(id)?.ended) {
      for (const write of this.writes) {
        if (write.table === 'completed' && write.key === id) return write.row;
      }
      return undefined;
    }
    return this.view.get('completed', id);
  }

  /** What it had called or sent to before this record, in order; an idempotent one that was there already too. */
  children(id: InvocationId): readonly InvocationId[] {
    const found: InvocationId[] = [];
    for (const [, { entries }] of this.view.scan('journal', journalPrefix(id))) {
      for (const entry of entries) {
        if (entry.kind === 'completion' && entry.result.kind === 'invocationId') found.push(entry.result.id);
      }
    }
    return found;
  }

  create(row: Working<Invocation>): void {
    // An id that ended in this very record and begins again has a row in the view.
    const fresh = this.edits.get(row.id)?.fresh ?? true;
    this.edits.set(row.id, { row, fresh, first: 0, appended: undefined, ended: false });
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
      this.writes.push({ table: 'journal', key, row: undefined, fresh: false });
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

  /** All writes, in an order in which the last one of a key wins. */
  finish(): readonly TableWrite[] {
    for (const [id, edit] of this.edits) {
      if (edit.appended !== undefined) {
        const row = { first: edit.first, entries: edit.appended };
        this.writes.push({ table: 'journal', key: journalKey(id, edit.first), row, fresh: true });
      }
      if (edit.ended && edit.fresh) continue;
      this.writes.push({
        table: 'invocation',
        key: id,
        row: edit.ended ? undefined : edit.row,
        fresh: edit.fresh,
      });
    }
    return this.writes;
  }

  private edit(id: InvocationId): Edit {
    const edit = this.edits.get(id);
    if (edit === undefined) throw new Error(`assertion failed: ${id} is not being edited`);
    return edit;
  }
}
