/**
 * Decoded rows that the store does not hold yet, one generation of them. A row that is created and deleted within
 * one generation leaves nothing behind. Journal chunks are grouped by invocation, because they are read that way.
 */
import type { Rows, TableName, TableWrite } from '../core/table.ts';

export interface Slot<Row = unknown> {
  /** Absent: deleted. */
  readonly row: Row | undefined;
  /** Neither an older generation nor the store has this key. */
  readonly fresh: boolean;
}
type Slots = Map<string, Slot>;

const groupOf = (key: string): string => key.slice(0, key.indexOf('/'));

export class Memtable {
  size = 0;
  private readonly tables = new Map<TableName, Slots>();
  private readonly journals = new Map<string, Slots>();

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
      if (table === 'journal' && slots.size === 0) this.journals.delete(groupOf(key));
      return;
    }
    if (before === undefined) this.size += 1;
    slots.set(key, { row, fresh: untouched });
  }

  /** The chunks of one journal. */
  journal(id: string): ReadonlyMap<string, Slot<Rows['journal']>> | undefined {
    return this.journals.get(id) as ReadonlyMap<string, Slot<Rows['journal']>> | undefined;
  }

  /** Slots of a table whose key starts with `prefix`, in no order. */
  *prefixed<N extends TableName>(table: N, prefix: string): Iterable<readonly [string, Slot<Rows[N]>]> {
    const groups = table === 'journal' ? this.journals.values() : [this.tables.get(table) ?? new Map()];
    for (const slots of groups) {
      for (const [key, slot] of slots) {
        if (key.startsWith(prefix)) yield [key, slot as Slot<Rows[N]>];
      }
    }
  }

  *all(): Iterable<readonly [table: TableName, key: string, slot: Slot]> {
    for (const [table, slots] of this.tables) for (const [key, slot] of slots) yield [table, key, slot];
    for (const slots of this.journals.values()) for (const [key, slot] of slots) yield ['journal', key, slot];
  }

  private slots(table: TableName, key: string): Slots | undefined {
    return table === 'journal' ? this.journals.get(groupOf(key)) : this.tables.get(table);
  }

  private addSlots(table: TableName, key: string): Slots {
    const slots: Slots = new Map();
    if (table === 'journal') this.journals.set(groupOf(key), slots);
    else this.tables.set(table, slots);
    return slots;
  }
}
