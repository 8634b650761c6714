/**
 * The completion ids of an invocation as flat, ascending, inclusive ranges. SDKs count up from 1, so this is one
 * range with few gaps however long the journal grows; ids chosen in any other way stay correct.
 */
export function hasCompletionId(ranges: readonly number[], id: number): boolean {
  for (let i = ranges.length - 2; i >= 0; i -= 2) {
    const low = ranges[i] as number;
    if (id >= low) return id <= (ranges[i + 1] as number);
  }
  return false;
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
