/** Damage to bytes that knows nothing of their meaning. */
import type { SimRandom } from '../sim/random.ts';

type Mutation = (random: SimRandom, input: Uint8Array, other: Uint8Array) => Uint8Array;

/** Where lengths, counts and signs go wrong. */
const INTERESTING = [0, 1, 2, 7, 8, 0x10, 0x20, 0x22, 0x7f, 0x80, 0xc0, 0xed, 0xf8, 0xfe, 0xff] as const;
const INTERESTING_U32 = [0, 1, 0x7f, 0x80, 0xffff, 0x10000, 0x1ffffff, 0x2000000, 0x7fffffff, 0xffffffff];
const RANGE_BYTES_MAX = 512;

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

/** A random range, mostly a short one. */
function range(random: SimRandom, length: number): readonly [from: number, to: number] {
  const from = random.int(0, length);
  const longest = Math.min(length - from, random.chance(0.8) ? 16 : RANGE_BYTES_MAX);
  return [from, from + random.int(0, longest)];
}

const at = (random: SimRandom, bytes: Uint8Array): number => random.int(0, bytes.length - 1);

function changed(input: Uint8Array, change: (copy: Uint8Array) => void): Uint8Array {
  // Not `slice`: that of a Buffer is a view.
  const copy = Uint8Array.from(input);
  if (copy.length > 0) change(copy);
  return copy;
}

const MUTATIONS: readonly Mutation[] = [
  function flipBit(random, input) {
    return changed(input, copy => {
      const i = at(random, copy);
      copy[i] = (copy[i] as number) ^ (1 << random.int(0, 7));
    });
  },
  function setByte(random, input) {
    return changed(input, copy => {
      copy[at(random, copy)] = random.chance(0.5) ? random.pick(INTERESTING) : random.int(0, 255);
    });
  },
  function setWord(random, input) {
    return changed(input, copy => {
      if (copy.length < 4) return;
      const i = random.int(0, copy.length - 4);
      new DataView(copy.buffer).setUint32(i, random.pick(INTERESTING_U32), random.chance(0.2));
    });
  },
  function insert(random, input) {
    const i = random.int(0, input.length);
    const added = random.chance(0.5)
      ? random.bytes(random.int(1, 8))
      : new Uint8Array(random.int(1, 64)).fill(random.pick(INTERESTING));
    return concat(input.subarray(0, i), added, input.subarray(i));
  },
  function remove(random, input) {
    const [from, to] = range(random, input.length);
    return concat(input.subarray(0, from), input.subarray(to));
  },
  function duplicate(random, input) {
    const [from, to] = range(random, input.length);
    const times = random.chance(0.9) ? 1 : random.int(2, 50);
    const copies = Array.from({ length: times }, () => input.subarray(from, to));
    return concat(input.subarray(0, to), ...copies, input.subarray(to));
  },
  function splice(random, input, other) {
    const [from, to] = range(random, input.length);
    const [otherFrom, otherTo] = range(random, other.length);
    return concat(input.subarray(0, from), other.subarray(otherFrom, otherTo), input.subarray(to));
  },
  function cross(random, input, other) {
    return concat(
      input.subarray(0, random.int(0, input.length)),
      other.subarray(random.int(0, other.length)),
    );
  },
  function truncate(random, input) {
    return input.subarray(0, random.int(0, input.length));
  },
];

export function mutateBytes(random: SimRandom, input: Uint8Array, other: Uint8Array): Uint8Array {
  return random.pick(MUTATIONS)(random, input, other);
}
