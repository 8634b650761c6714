/**
 * The completion ids of an invocation as flat, ascending, inclusive ranges. SDKs count up from 1, so this is one
 * range with few gaps however long the journal grows; ids chosen in any other way stay correct. Those of failures are
 * as sparse as they come: every call has an id of its own in between.
 */
export function hasCompletionId(ranges: readonly number[], id: number): boolean {
  let low = 0;
  let high = ranges.length / 2;
  // The first range that begins after `id` is in [low, high].
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle * 2] as number) <= id) low = middle + 1;
    else high = middle;
  }
  return low > 0 && id <= (ranges[low * 2 - 1] as number);
}

/** `id` must not be in `ranges`. */
export function addCompletionId(ranges: readonly number[], id: number): readonly number[] {
  let at = ranges.length;
  while (at > 0 && (ranges[at - 2] as number) > id) at -= 2;
  const joinsBelow = at > 0 && ranges[at - 1] === id - 1;
  const joinsAbove = at < ranges.length && ranges[at] === id + 1;
  const next = [...ranges];
  if (joinsBelow && joinsAbove) next.splice(at - 1, 2);
  else if (joinsBelow) next[at - 1] = id;
  else if (joinsAbove) next[at] = id;
  else next.splice(at, 0, id, id);
  return next;
}
