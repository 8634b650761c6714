/**
 * The state of the keys used last, whole and decoded, so that an attempt on one of them does not search the store.
 * Invariant: a cached group is what a scan of its prefix over all layers would find; every write goes by here.
 */
import type { Rows, TableWrite } from '../core/table.ts';

type Row = readonly [key: string, row: Rows['state']];

/** A large state is worth less than the many small ones it would push out. */
const GROUP_BYTES_MAX = 4096;

export class StateCache {
  private readonly groups = new Map<string, readonly Row[]>();
  private readonly groupsMax: number;

  constructor(groupsMax: number) {
    this.groupsMax = groupsMax;
  }

  get(prefix: string): readonly Row[] | undefined {
    return this.groups.get(prefix);
  }

  put(prefix: string, rows: readonly Row[]): void {
    let bytes = 0;
    for (const [key, { value }] of rows) bytes += key.length + value.length;
    if (bytes > GROUP_BYTES_MAX) return;
    // The oldest goes: a map keeps the order of insertion.
    if (this.groups.size >= this.groupsMax) this.groups.delete(this.groups.keys().next().value ?? prefix);
    this.groups.set(prefix, rows);
  }

  write({ key, row }: Extract<TableWrite, { readonly table: 'state' }>): void {
    if (this.groups.size === 0) return;
    const prefix = key.slice(0, key.lastIndexOf('/') + 1);
    const rows = this.groups.get(prefix);
    if (rows === undefined) return;
    this.groups.delete(prefix);
    const changed = rows.filter(([other]) => other !== key);
    if (row !== undefined) changed.push([key, row]);
    if (changed.length > 1) changed.sort(([a], [b]) => (a < b ? -1 : 1));
    this.put(prefix, changed);
  }
}
