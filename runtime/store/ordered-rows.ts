/**
 * An ordered map from byte keys to byte values, in memory: sorted blocks in a sorted list, a two-level B-tree. A
 * change moves at most one block's worth of pointers, so a million rows stay cheap.
 *
 * Invariants: blocks are never empty, except a single one when there are no rows; a block holds at most
 * `BLOCK_ROWS_MAX` rows; keys ascend within a block and from block to block.
 */

import { compareKeys } from './keys.ts';

export interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

const BLOCK_ROWS_MAX = 256;

export class OrderedRows {
  #blocks: Row[][] = [[]];

  get(key: Uint8Array): Uint8Array | undefined {
    const block = this.#block(this.#blockOf(key));
    const row = block[firstAtOrAfter(block, key)];
    return row !== undefined && compareKeys(row.key, key) === 0 ? row.value : undefined;
  }

  set(key: Uint8Array, value: Uint8Array): void {
    const blockIndex = this.#blockOf(key);
    const block = this.#block(blockIndex);
    const at = firstAtOrAfter(block, key);
    const found = block[at];
    if (found !== undefined && compareKeys(found.key, key) === 0) {
      block[at] = { key, value };
      return;
    }
    block.splice(at, 0, { key, value });
    if (block.length > BLOCK_ROWS_MAX)
      this.#blocks.splice(blockIndex + 1, 0, block.splice(BLOCK_ROWS_MAX / 2));
  }

  delete(key: Uint8Array): void {
    const blockIndex = this.#blockOf(key);
    const block = this.#block(blockIndex);
    const at = firstAtOrAfter(block, key);
    const found = block[at];
    if (found === undefined || compareKeys(found.key, key) !== 0) return;
    block.splice(at, 1);
    if (block.length === 0 && this.#blocks.length > 1) this.#blocks.splice(blockIndex, 1);
  }

  scan(from: Uint8Array, to: Uint8Array, limit = Number.POSITIVE_INFINITY): Row[] {
    const found: Row[] = [];
    const start = this.#blockOf(from);
    for (let b = start; b < this.#blocks.length; b++) {
      const block = this.#block(b);
      for (let i = b === start ? firstAtOrAfter(block, from) : 0; i < block.length; i++) {
        const row = block[i] as Row;
        if (found.length >= limit || compareKeys(row.key, to) >= 0) return found;
        found.push(row);
      }
    }
    return found;
  }

  #block(index: number): Row[] {
    return this.#blocks[index] as Row[];
  }

  /** The last block whose first key is not after `key`, or the first block. */
  #blockOf(key: Uint8Array): number {
    let low = 0;
    let high = this.#blocks.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (compareKeys((this.#block(middle)[0] as Row).key, key) <= 0) low = middle;
      else high = middle;
    }
    return low;
  }
}

function firstAtOrAfter(block: readonly Row[], key: Uint8Array): number {
  let low = 0;
  let high = block.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys((block[middle] as Row).key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
