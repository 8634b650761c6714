/** The state as plain maps: what the real, layered one must agree with, and what the checkers apply records to. */

import {
  type Rows,
  TABLE_NAMES,
  type TableName,
  type TableWrite,
  type View,
} from '../../../runtime/core/table.ts';
import { encodeRow } from '../../../runtime/format/row.ts';

export class ModelState implements View {
  readonly #tables = new Map<TableName, Map<string, unknown>>(TABLE_NAMES.map(name => [name, new Map()]));

  get<N extends TableName>(table: N, key: string): Rows[N] | undefined {
    return this.#table(table).get(key);
  }

  *scan<N extends TableName>(table: N, prefix: string): Iterable<readonly [string, Rows[N]]> {
    const rows = this.#table(table);
    const keys = [...rows.keys()].filter(key => key.startsWith(prefix)).sort();
    for (const key of keys) yield [key, rows.get(key) as Rows[N]];
  }

  commit(writes: readonly TableWrite[]): void {
    for (const { table, key, row } of writes) {
      if (row === undefined) this.#table(table).delete(key);
      else this.#table(table).set(key, row as never);
    }
  }

  size(table: TableName): number {
    return this.#table(table).size;
  }

  rows<N extends TableName>(table: N): Iterable<Rows[N]> {
    return this.#table(table).values();
  }

  /** As `dump` in runtime/partition/state.ts gives it. */
  *dump(): Iterable<readonly [TableName, string, Uint8Array]> {
    for (const table of TABLE_NAMES) {
      for (const [key, row] of this.scan(table, '')) yield [table, key, encodeRow(table, row)];
    }
  }

  #table<N extends TableName>(name: N): Map<string, Rows[N]> {
    return this.#tables.get(name) as Map<string, Rows[N]>;
  }
}
