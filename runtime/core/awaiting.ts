/** What an invocation that suspends still waits for, given what its handler has seen and what has come since. */
import { anyOf, type LeafId, leavesOf, type Outcome, reduce } from './future.ts';
import type { Fresh, Future, Invocation } from './model.ts';
import { hasCompletionId } from './ops/completion-ids.ts';

type Progress = Pick<Invocation, 'completionIds' | 'failedIds' | 'pending' | 'fresh'>;

/** Looked through one by one up to here. */
const FEW = 16;

/**
 * What is left of `awaiting` beside what the handler had been given. A completion that it was given is over; a signal
 * is not, because the handler may have taken it and wait for the next of its kind. A handler that was given all it
 * needs and waits nevertheless knows something that the tree does not say: anything that is new wakes it.
 */
export function unseen(inv: Progress, awaiting: Future, seenEntries: number): Future {
  // Of such a set nothing has to be told from the journal: what is new wakes it.
  if (awaiting.combinator === 'any' && awaiting.nested.length === 0) return awaiting;
  const isOver = seenCompletions(inv, seenEntries);
  const known = (id: LeafId): Outcome | undefined => {
    if (typeof id !== 'number' || !isOver(id)) return undefined;
    return hasCompletionId(inv.failedIds, id) ? 'failure' : 'success';
  };
  const left = reduce(awaiting, known);
  if (typeof left !== 'string') return left;
  const rest = [...leavesOf(awaiting)].filter(id => known(id) === undefined);
  const signals = rest.filter(id => typeof id !== 'number').map(({ signal }) => signal);
  return anyOf(
    rest.filter(id => typeof id === 'number'),
    signals,
  );
}

function seenCompletions(inv: Progress, seenEntries: number): (id: number) => boolean {
  const open: number[] = [];
  for (const { completionId } of inv.pending) open.push(completionId);
  for (const { index, id } of inv.fresh) if (index >= seenEntries && typeof id === 'number') open.push(id);
  const isOpen = open.length <= FEW ? open : new Set(open);
  return id => {
    if (!hasCompletionId(inv.completionIds, id)) return false;
    return !(isOpen instanceof Set ? isOpen.has(id) : isOpen.includes(id));
  };
}

/** Takes one notification; undefined: the handler can go on. */
export function after(future: Future, { id, outcome }: Omit<Fresh, 'index'>): Future | undefined {
  const known = (leaf: LeafId): Outcome | undefined => {
    const isIt = typeof id === 'number' ? leaf === id : typeof leaf !== 'number' && leaf.signal === id.signal;
    return isIt ? outcome : undefined;
  };
  const left = reduce(future, known);
  return typeof left === 'string' ? undefined : left;
}

/** After everything that came while the attempt ran. */
export function afterFresh(inv: Progress, awaiting: Future, seenEntries: number): Future | undefined {
  let left: Future | undefined = unseen(inv, awaiting, seenEntries);
  for (const fresh of inv.fresh) {
    if (left === undefined) break;
    if (fresh.index >= seenEntries) left = after(left, fresh);
  }
  return left;
}
