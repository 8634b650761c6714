/** The order of keys: unsigned bytes, a prefix before what it is a prefix of. */

/** Negative, zero or positive as `a` comes before, is, or comes after `b`. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/**
 * The first key after every key that starts with `prefix`, so that `scan(prefix, prefixEnd(prefix))` is the rows
 * under it. A prefix without such a key (empty, or 0xff throughout) is a programmer error: tables have a tag.
 */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length -= 1;
  if (length === 0) throw new Error('a prefix of no bytes, or only of 0xff, has no end');
  const end = prefix.slice(0, length);
  end[length - 1] = (end[length - 1] as number) + 1;
  return end;
}
