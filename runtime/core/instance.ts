/**
 * Who may run on the key of a virtual object or workflow. C5: at most one holder a key; those who wait form a queue
 * in the order of the log, linked through their own rows, so that joining, leaving from the middle and taking the
 * next touch two or three rows however long it is. Shared handlers do not come by here.
 */
import type { Draft, Working } from './draft.ts';
import type { Instance, Invocation, InvocationId, Keyed, StatePatch } from './model.ts';
import { clearState, replaceState } from './object-state.ts';
import { currentType } from './registry.ts';
import { instanceKey, promisePrefix } from './table.ts';

export const isExclusive = ({ role }: Pick<Invocation, 'role'>): boolean =>
  role === 'exclusive' || role === 'workflow';

const EMPTY: Instance = {
  holder: undefined,
  first: undefined,
  last: undefined,
  patches: [],
  run: undefined,
};

/** Takes the key, or a place in its queue. True: `inv` may run now. */
export function acquire(draft: Draft, inv: Working<Invocation>): boolean {
  const key = instanceKey(inv.target);
  const row = draft.read('instance', key);
  if (row?.holder === undefined) {
    draft.put('instance', key, { ...(row ?? EMPTY), holder: inv.id }, row === undefined);
    return true;
  }
  const { last } = row;
  if (last !== undefined) queued(draft, last, { next: inv.id });
  inv.state = { status: 'queued', previous: last, next: undefined };
  draft.put('instance', key, { ...row, first: row.first ?? inv.id, last: inv.id });
  return false;
}

/**
 * Gives back the key, or the place in the queue, of an invocation that has ended. Patches that waited come before
 * the next in the queue, which `start` begins.
 */
export function release(
  draft: Draft,
  inv: Working<Invocation>,
  start: (next: Working<Invocation>) => void,
): void {
  const key = instanceKey(inv.target);
  const row = draft.read('instance', key);
  if (inv.state.status === 'queued') {
    if (row !== undefined) draft.put('instance', key, leave(draft, row, inv.state));
    return;
  }
  // A scheduled one has taken nothing yet.
  if (row?.holder !== inv.id) return;
  for (const patch of row.patches) replaceState(draft, inv.target, patch);
  const next = row.first === undefined ? undefined : draft.invocation(row.first);
  const { run } = row;
  if (next === undefined) {
    const isKept = run !== undefined;
    draft.put('instance', key, isKept ? { ...EMPTY, run } : undefined);
    return;
  }
  if (next.state.status !== 'queued') throw new Error(`assertion failed: ${next.id} is not queued`);
  draft.put('instance', key, { ...leave(draft, row, next.state), holder: next.id, patches: [] });
  start(next);
}

interface Place {
  readonly previous: InvocationId | undefined;
  readonly next: InvocationId | undefined;
}

/** The row without the place; its neighbours are linked with each other. */
function leave(draft: Draft, row: Instance, { previous, next }: Place): Instance {
  if (previous !== undefined) queued(draft, previous, { next });
  if (next !== undefined) queued(draft, next, { previous });
  return {
    ...row,
    first: previous === undefined ? next : row.first,
    last: next === undefined ? previous : row.last,
  };
}

function queued(draft: Draft, id: InvocationId, link: Partial<Place>): void {
  const inv = draft.invocation(id);
  if (inv?.state.status !== 'queued') throw new Error(`assertion failed: ${id} is not queued`);
  inv.state = { ...inv.state, ...link };
}

/** They wait in one row, and each may be large. */
const PATCHES_MAX = 16;

/** Applied now if nobody holds the key, else when its holder has ended. */
export function patch(draft: Draft, target: Keyed, wanted: StatePatch): 'applied' | 'stale' | 'tooMany' {
  const key = instanceKey(target);
  const row = draft.read('instance', key);
  if (row?.holder === undefined) return replaceState(draft, target, wanted) ? 'applied' : 'stale';
  // One without a condition replaces whatever those before it would have made.
  const before = wanted.version === undefined ? [] : row.patches;
  if (before.length >= PATCHES_MAX) return 'tooMany';
  draft.put('instance', key, { ...row, patches: [...before, wanted] });
  return 'applied';
}

/** The run of a workflow key is known from its acceptance on, so that what the key has is kept for it. */
export function reserveRun(draft: Draft, { id, target }: Pick<Invocation, 'id' | 'target'>): void {
  const key = instanceKey(target);
  const row = draft.read('instance', key);
  draft.put('instance', key, { ...(row ?? EMPTY), run: id }, row === undefined);
}

/** The run's retention is over: its state and the promises that were kept for it go; who still waits on one stays. */
export function forgetRun(draft: Draft, target: Keyed): void {
  const key = instanceKey(target);
  const row = draft.read('instance', key);
  if (row !== undefined) {
    const isKept = row.holder !== undefined;
    draft.put('instance', key, isKept ? { ...row, run: undefined } : undefined);
  }
  // Meanwhile the name may have become that of a virtual object, whose state is not the run's.
  if (currentType(draft, target.service) !== 'virtualObject') clearState(draft, target);
  for (const [name, { result, timer }] of draft.scan('promise', promisePrefix(target))) {
    if (timer !== undefined) draft.stopTimer(timer);
    if (result !== undefined) draft.put('promise', name, undefined);
  }
}
