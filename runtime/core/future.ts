/**
 * Futures: what a suspended invocation waits for, and when that has come. A future is reduced by what is known, one
 * notification at a time: children that no longer matter are dropped, so what is stored is what is still waited for,
 * and a notification that is not mentioned in it changes nothing.
 *
 * Invariants: a future never completes later than the handler could go on; where the tree cannot tell (an outcome
 * that only the handler knows), it completes and lets the handler decide. Source: wire specification, section 3.6.
 */
import type { Combinator, Future, SignalId } from './model.ts';

export type LeafId = number | { readonly signal: SignalId };
/** `unknown`: it is over, and only the handler can say how. */
export type Outcome = 'success' | 'failure' | 'unknown';
export type Reduced = Future | Outcome;

/** What is known of a leaf; undefined: it has not come. */
export type Known = (id: LeafId) => Outcome | undefined;

export const anyOf = (completions: readonly number[], signals: readonly SignalId[]): Future => ({
  combinator: 'any',
  completions,
  signals,
  nested: [],
});

/** What is left of a future, or what has become of it. Returns the same object where nothing has changed. */
export function reduce(future: Future, known: Known): Reduced {
  const decide = RULES[future.combinator];
  const completions: number[] = [];
  const signals: SignalId[] = [];
  const nested: Future[] = [];
  let isChanged = false;
  let decided: Outcome | undefined;
  /** False: the child is over and does not decide. */
  const isLeft = (outcome: Outcome | undefined): boolean => {
    if (outcome === undefined) return true;
    isChanged = true;
    const now = decide.child(outcome);
    // Several that were known at once came in an order that nobody knows any more.
    if (now !== undefined) decided = decided === undefined || decided === now ? now : 'unknown';
    return false;
  };
  for (const id of future.completions) if (isLeft(known(id))) completions.push(id);
  for (const signal of future.signals) if (isLeft(known({ signal }))) signals.push(signal);
  for (const child of future.nested) {
    const reduced = reduce(child, known);
    if (isLeft(typeof reduced === 'string' ? reduced : undefined)) {
      nested.push(reduced as Future);
      if (reduced !== child) isChanged = true;
    }
  }
  if (decided !== undefined) return decided;
  const isEmpty = completions.length + signals.length + nested.length === 0;
  if (isEmpty && decide.none !== undefined) return decide.none;
  return isChanged ? { combinator: future.combinator, completions, signals, nested } : future;
}

interface Rule {
  /** What a child's outcome makes of its parent; undefined: the others decide. */
  readonly child: (outcome: Outcome) => Outcome | undefined;
  /** What it is once no child is left; undefined: that never completes. */
  readonly none: Outcome | undefined;
}

const RULES: { readonly [C in Combinator]: Rule } = {
  any: { child: () => 'unknown', none: undefined },
  firstCompleted: { child: outcome => outcome, none: undefined },
  allCompleted: { child: () => undefined, none: 'success' },
  firstSucceeded: { child: outcome => (outcome === 'failure' ? undefined : outcome), none: 'failure' },
  allSucceeded: { child: outcome => (outcome === 'success' ? undefined : outcome), none: 'success' },
};

/** Every completion and signal that it mentions. */
export function* leavesOf(future: Future): Iterable<LeafId> {
  yield* future.completions;
  for (const signal of future.signals) yield { signal };
  for (const child of future.nested) yield* leavesOf(child);
}

/** Whether it would complete if all of these came and succeeded. */
export function canComplete(future: Future, mayCome: (id: LeafId) => boolean): boolean {
  const needsAll = future.combinator === 'allCompleted' || future.combinator === 'allSucceeded';
  const children = function* (): Iterable<boolean> {
    for (const id of future.completions) yield mayCome(id);
    for (const signal of future.signals) yield mayCome({ signal });
    for (const child of future.nested) yield canComplete(child, mayCome);
  };
  for (const can of children()) if (can !== needsAll) return can;
  return needsAll;
}
