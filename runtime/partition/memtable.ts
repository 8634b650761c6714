/**
 * Decoded rows that the store does not hold yet, one generation of them. A row that is created and deleted within
 * one generation leaves nothing behind. What is read together is grouped: the chunks of a journal, the state and the
 * promises of a key.
 */
import type { Rows, TableName, TableWrite } from '../core/table.ts';

export interface Slot<Row = unknown> {
  /** Absent: deleted. */
  readonly row: Row | undefined;
  /** Neither an older generation nor the store has this key. */
  readonly fresh: boolean;
}
type Slots = Map<string, Slot>;

/** How many parts of its key name the group of a row. */
const GROUP_PARTS: { readonly [N in TableName]?: 1 | 2 } = { journal: 1, state: 2, promise: 2 };

/** Ends with the slash behind those parts; undefined where there are fewer. */
function groupOf(parts: 1 | 2, key: string): string | undefined {
  let end = key.indexOf('/');
  if (parts === 2 && end >= 0) end = key.indexOf('/', end + 1);
  return end < 0 ? undefined : key.slice(0, end + 1);
}

export class Memtable {
  size = 0;
  private readonly tables = new Map<TableName, Slots>();
  private readonly groups = new Map<TableName, Map<string, Slots>>();

  get<N extends TableName>(table: N, key: string): Slot<Rows[N]> | undefined {
    return this.slots(table, key)?.get(key) as Slot<Rows[N]> | undefined;
  }

  write({ table, key, row, fresh }: TableWrite): void {
    const slots = this.slots(table, key) ?? this.addSlots(table, key);
    const before = slots.get(key);
    const untouched = before === undefined ? fresh : before.fresh;
    if (row === undefined && untouched) {
      if (!slots.delete(key)) return;
      this.size -= 1;
      const parts = GROUP_PARTS[table];
      if (parts !== undefined && slots.size === 0) this.groups.get(table)?.delete(groupOf(parts, key) ?? key);
      return;
    }
    if (before === undefined) this.size += 1;
    slots.set(key, { row, fresh: untouched });
  }

  /** The rows of one group, which is named by a prefix of their keys. */
  group<N extends TableName>(table: N, prefix: string): ReadonlyMap<string, Slot<Rows[N]>> | undefined {
    return this.groups.get(table)?.get(prefix) as ReadonlyMap<string, Slot<Rows[N]>> | undefined;
  }

  /** Slots of a table whose key starts with `prefix`, in no order. */
  *prefixed<N extends TableName>(table: N, prefix: string): Iterable<readonly [string, Slot<Rows[N]>]> {
    for (const slots of this.searched(table, prefix)) {
      for (const [key, slot] of slots) {
        if (key.startsWith(prefix)) yield [key, slot as Slot<Rows[N]>];
      }
    }
  }

  *all(): Iterable<readonly [table: TableName, key: string, slot: Slot]> {
    for (const [table, slots] of this.tables) for (const [key, slot] of slots) yield [table, key, slot];
    for (const [table, groups] of this.groups) {
      for (const slots of groups.values()) for (const [key, slot] of slots) yield [table, key, slot];
    }
  }

  /** A prefix that names a group needs no look at the others. */
  private searched(table: TableName, prefix: string): Iterable<Slots> {
    const parts = GROUP_PARTS[table];
    if (parts === undefined) return [this.tables.get(table) ?? new Map()];
    const groups = this.groups.get(table);
    const name = groupOf(parts, prefix);
    if (name === undefined) return groups?.values() ?? [];
    const slots = groups?.get(name);
    return slots === undefined ? [] : [slots];
  }

  private slots(table: TableName, key: string): Slots | undefined {
    const parts = GROUP_PARTS[table];
    return parts === undefined
      ? this.tables.get(table)
      : this.groups.get(table)?.get(groupOf(parts, key) ?? key);
  }

  private addSlots(table: TableName, key: string): Slots {
    const slots: Slots = new Map();
    const parts = GROUP_PARTS[table];
    if (parts === undefined) this.tables.set(table, slots);
    else {
      let groups = this.groups.get(table);
      if (groups === undefined) {
        groups = new Map();
        this.groups.set(table, groups);
      }
      groups.set(groupOf(parts, key) ?? key, slots);
    }
    return slots;
  }
}
