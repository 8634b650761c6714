/**
 * Deterministic random numbers: SplitMix64 (Steele, Lea and Flood; the constants of Vigna's public domain version).
 *
 * Invariant: the sequence for a seed never changes, because invocations outlive versions of this code. A golden
 * test holds it.
 */
import type { Rand } from './context.ts';

/** `beforeUse` may object to the moment. `invocationId` seeds protocol 5, whose Start message has no seed. */
export function createRand(seed: bigint, invocationId: Uint8Array, beforeUse: () => void): Rand {
  const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
  let state = seed;
  if (seed === 0n) for (const byte of invocationId) state = u64((state ^ BigInt(byte)) * 0x100000001b3n);

  const next = (): bigint => {
    state = u64(state + 0x9e3779b97f4a7c15n);
    let mixed = u64((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n);
    mixed = u64((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn);
    return mixed ^ (mixed >> 31n);
  };

  return {
    random() {
      beforeUse();
      return Number(next() >> 11n) * 2 ** -53;
    },
    uuidv4() {
      beforeUse();
      // With version 4 and the variant of RFC 9562.
      const high = (next() & ~0xf000n) | 0x4000n;
      const low = BigInt.asUintN(62, next()) | (1n << 63n);
      const digits = ((high << 64n) | low).toString(16).padStart(32, '0');
      return digits.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    },
  };
}
