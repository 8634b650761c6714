/**
 * Randomness from the operating system, drawn through a pool: a call of its own costs microseconds, and every
 * invocation id needs some bytes.
 *
 * Invariants: no byte is given out twice; given-out bytes do not stay behind in the pool, since they guard
 * awakeables.
 */

import { randomFillSync } from 'node:crypto';
import type { Random } from './ports.ts';

const POOL_BYTES = 4096;

export function systemRandom(): Random {
  const pool = new Uint8Array(POOL_BYTES);
  const words = new DataView(pool.buffer);
  let used = POOL_BYTES;

  function take(length: number): number {
    if (used + length > POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    used += length;
    return used - length;
  }

  return {
    bytes(length) {
      if (length > POOL_BYTES) return randomFillSync(new Uint8Array(length));
      const start = take(length);
      const drawn = pool.slice(start, start + length);
      pool.fill(0, start, start + length);
      return drawn;
    },
    float() {
      const start = take(8);
      // 53 bits, as many as a double in [0, 1) can tell apart.
      return ((words.getUint32(start) >>> 5) * 2 ** 26 + (words.getUint32(start + 4) >>> 6)) / 2 ** 53;
    },
  };
}
