/**
 * Deterministic random numbers: xoshiro128++ (Blackman and Vigna, public domain) on 32-bit integers, its state
 * expanded from the invocation's seed.
 *
 * Invariant: the sequence for a seed never changes, because invocations outlive versions of this code. A golden
 * test holds it.
 */
import type { Rand } from './context.ts';

const TWO_POW_26 = 0x4000000;
const TWO_POW_MINUS_53 = 2 ** -53;
const hex = (word: number): string => word.toString(16).padStart(8, '0');

/** `beforeUse` may object to the moment. `invocationId` seeds protocol 5, whose Start message has no seed. */
export function createRand(seed: bigint, invocationId: Uint8Array, beforeUse: () => void): Rand {
  let mix = Number(seed & 0xffffffffn) | 0;
  let extra = Number((seed >> 32n) & 0xffffffffn) | 0;
  if (seed === 0n)
    for (const byte of invocationId) [mix, extra] = [Math.imul(mix ^ byte, 16777619), (extra + mix) | 0];
  const expand = (): number => {
    mix = (mix + 0x9e3779b9) | 0;
    let z = mix ^ extra;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    extra = (extra + z) | 0;
    return (z ^ (z >>> 16)) | 0;
  };
  let a = expand();
  let b = expand();
  let c = expand();
  // The all-zero state would be absorbing.
  let d = expand() | 1;

  const next = (): number => {
    const sum = (a + d) | 0;
    const result = (((sum << 7) | (sum >>> 25)) + a) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return result;
  };

  return {
    random() {
      beforeUse();
      return ((next() >>> 5) * TWO_POW_26 + (next() >>> 6)) * TWO_POW_MINUS_53;
    },
    uuidv4() {
      beforeUse();
      const first = hex(next());
      const second = hex(((next() & ~0xf000) | 0x4000) >>> 0);
      const third = hex(((next() & 0x3fffffff) | 0x80000000) >>> 0);
      return `${first}-${second.slice(0, 4)}-${second.slice(4)}-${third.slice(0, 4)}-${third.slice(4)}${hex(next())}`;
    },
  };
}
