/**
 * Futures against an evaluator of whole trees that is written from the rules of the protocol: reducing by one
 * notification after the other completes at the same notification as looking at all that has come each time.
 */
import fc, { type Arbitrary } from 'fast-check';
import { expect, test } from 'vitest';
import { after, afterFresh, unseen } from './awaiting.ts';
import { canComplete, type LeafId, leavesOf, type Outcome, reduce } from './future.ts';
import type { Combinator, Fresh, Future } from './model.ts';

/** A notification of a journal. */
type Note = Pick<Fresh, 'id' | 'outcome'>;

const keyOf = (id: LeafId): string => (typeof id === 'number' ? `c${id}` : `s${id.signal}`);

// ---- the rules, as the protocol has them

/** How a node may have completed: several ways where one notification completed several of its children. */
type Answer = ReadonlySet<Outcome>;

/** What has become of it after these notifications, in the order in which they came. */
function evaluate(future: Future, notes: readonly Note[]): Answer | undefined {
  for (let count = 0; count <= notes.length; count++) {
    const answer = node(future, notes.slice(0, count));
    if (answer !== undefined) return answer;
  }
  return undefined;
}

function node(
  { combinator, completions, signals, nested }: Future,
  notes: readonly Note[],
): Answer | undefined {
  const leaf = (id: LeafId): Answer | undefined => {
    const found = notes.find(note => keyOf(note.id) === keyOf(id));
    return found && new Set([found.outcome]);
  };
  const children = [
    ...completions.map(leaf),
    ...signals.map(id => leaf({ signal: id })),
    ...nested.map(child => evaluate(child, notes)),
  ];
  const over = children.filter(child => child !== undefined);
  const outcomes = new Set(over.flatMap(child => [...child]));
  const isAll = over.length === children.length;
  const without = (outcome: Outcome): Answer | undefined => {
    const rest = [...outcomes].filter(other => other !== outcome);
    return rest.length === 0 ? undefined : new Set(rest);
  };
  switch (combinator) {
    case 'any':
      return over.length === 0 ? undefined : new Set(['unknown']);
    case 'firstCompleted':
      return over.length === 0 ? undefined : outcomes;
    case 'allCompleted':
      return isAll ? new Set(['success']) : undefined;
    // A child that only the handler can judge may be the one that decides.
    case 'firstSucceeded':
      return without('failure') ?? (isAll ? new Set(['failure']) : undefined);
    case 'allSucceeded':
      return without('success') ?? (isAll ? new Set(['success']) : undefined);
    default:
      return combinator satisfies never;
  }
}

/** When it is complete for the first time: after so many notifications; undefined: never. */
function completesAt(future: Future, notes: readonly Note[]): number | undefined {
  for (let count = 0; count <= notes.length; count++) {
    if (evaluate(future, notes.slice(0, count)) !== undefined) return count;
  }
  return undefined;
}

// ---- random trees

const COMBINATORS: readonly Combinator[] = [
  'any',
  'firstCompleted',
  'allCompleted',
  'firstSucceeded',
  'allSucceeded',
];
const completion = fc.integer({ min: 1, max: 6 });
const signal = fc.constantFrom<number | string>(1, 17, 'go');
const { tree } = fc.letrec<{ tree: Future }>(tie => ({
  tree: fc.record({
    combinator: fc.constantFrom(...COMBINATORS),
    completions: fc.array(completion, { maxLength: 3 }),
    signals: fc.array(signal, { maxLength: 2 }),
    nested: fc.oneof({ depthSize: 'small' }, fc.constant([]), fc.array(tie('tree'), { maxLength: 3 })),
  }),
}));
const leaf: Arbitrary<LeafId> = fc.oneof(
  completion,
  signal.map(value => ({ signal: value })),
);
/** Every id once, in any order; there is one value for an id that the engine tells apart. */
const notes: Arbitrary<readonly Note[]> = fc.uniqueArray(
  fc
    .tuple(leaf, fc.constantFrom<Outcome>('success', 'failure', 'unknown'))
    .map(([id, outcome]): Note => ({ id, outcome })),
  { selector: ({ id }) => keyOf(id), maxLength: 9 },
);
const RUNS = { numRuns: 2000 };

test('one notification after the other completes when the whole tree does, no earlier and no later', () => {
  fc.assert(
    fc.property(tree, notes, (future, all) => {
      const isDone = completesAt(future, []) === 0;
      // What is complete without anything is not suspended on; whoever looks reduces it first.
      const start = reduce(future, () => undefined);
      expect(typeof start === 'string').toBe(isDone);
      if (typeof start === 'string') return;
      let left: Future | undefined = start;
      let count = 0;
      while (left !== undefined && count < all.length) left = after(left, all[count++] as Note);
      expect(left === undefined ? count : undefined).toBe(completesAt(future, all));
    }),
    RUNS,
  );
});

test('what is known at once completes it no later than in the order in which it came', () => {
  fc.assert(
    fc.property(tree, notes, (future, all) => {
      const reduced = reduce(future, knownOf(all));
      const answer = evaluate(future, all);
      if (typeof reduced === 'object') expect(answer).toBeUndefined();
      // An outcome that is told is the only one there may be.
      else if (reduced !== 'unknown' && answer !== undefined) expect([...answer]).toEqual([reduced]);
    }),
    RUNS,
  );
});

test('what is left mentions nothing that has come, and is the same object where nothing has changed', () => {
  fc.assert(
    fc.property(tree, notes, (future, all) => {
      const reduced = reduce(future, knownOf(all));
      if (typeof reduced === 'string') return;
      const keys = new Set(all.map(({ id }) => keyOf(id)));
      for (const id of leavesOf(reduced)) expect(keys.has(keyOf(id))).toBe(false);
      expect(reduce(reduced, () => undefined)).toBe(reduced);
      // The rest of the story goes the same way from here.
      for (const note of all) expect(after(reduced, note)).toBe(reduced);
    }),
    RUNS,
  );
});

test('it can complete when it does with all that may come, where nothing fails', () => {
  fc.assert(
    fc.property(tree, fc.uniqueArray(leaf, { selector: keyOf, maxLength: 9 }), (future, coming) => {
      const left = reduce(future, () => undefined);
      if (typeof left === 'string') return;
      const keys = new Set(coming.map(keyOf));
      const successes = coming.map((id): Note => ({ id, outcome: 'success' }));
      const can = canComplete(left, id => keys.has(keyOf(id)));
      const does = evaluate(left, successes) !== undefined;
      if (can) expect(does).toBe(true);
      // What only the handler can judge may complete what still lacks a child; that is not relied upon.
      else if (!judgedByHandler(left)) expect(does).toBe(false);
    }),
    RUNS,
  );
});

const judgedByHandler = ({ combinator, nested }: Future): boolean =>
  combinator === 'any' || nested.some(judgedByHandler);

/** The journal of an attempt: what came, how much of it the handler was given, and what is still to come. */
const journal = fc.record({ all: notes, seen: fc.nat({ max: 9 }), claimed: fc.nat({ max: 6 }) });

test('an attempt that suspends goes on with what came while it ran, or wakes for the next of it', () => {
  fc.assert(
    fc.property(tree, journal, (awaiting, { all, seen, claimed }) => {
      const came = all.filter(({ id }) => typeof id !== 'number' || id <= claimed).map(certain);
      const seenEntries = Math.min(seen, came.length);
      const unseenNotes = came.slice(seenEntries);
      // A signal that it was given may be one that it has taken already: it waits for the next.
      const given = came.slice(0, seenEntries).filter(({ id }) => typeof id === 'number');
      const progress = progressOf(came, claimed);
      const left = afterFresh(progress, awaiting, seenEntries);
      const isFlat = awaiting.combinator === 'any' && awaiting.nested.length === 0;
      const known = isFlat ? [] : given;
      const leaves = new Set([...leavesOf(awaiting)].map(keyOf));
      const isNew = unseenNotes.some(({ id }) => leaves.has(keyOf(id)));
      const now = reduce(awaiting, knownOf(known));
      // Who has all that it needs and waits nevertheless knows more than the tree: whatever is new wakes it.
      const goesOn = typeof now === 'string' ? isNew : evaluate(now, unseenNotes) !== undefined;
      expect(left === undefined).toBe(goesOn);
      if (left !== undefined) expect(unseen(progress, left, came.length)).toEqual(left);
    }),
    RUNS,
  );
});

const knownOf = (all: readonly Note[]) => {
  const outcomes = new Map(all.map(note => [keyOf(note.id), note.outcome]));
  return (id: LeafId): Outcome | undefined => outcomes.get(keyOf(id));
};

/** A completion that has come is a success or a failure. */
const certain = ({ id, outcome }: Note): Note => ({
  id,
  outcome: typeof id === 'number' && outcome === 'unknown' ? 'failure' : outcome,
});

/** The row of an invocation that has claimed the ids up to `claimed`, and to which this came while it ran. */
function progressOf(came: readonly Note[], claimed: number) {
  const has = (wanted: number): boolean => came.some(({ id }) => id === wanted);
  const claims = Array.from({ length: claimed }, (_, at) => at + 1);
  const failed = came.filter(({ id, outcome }) => typeof id === 'number' && outcome === 'failure');
  return {
    completionIds: claimed === 0 ? [] : [1, claimed],
    failedIds: failed
      .map(({ id }) => id as number)
      .sort((a, b) => a - b)
      .flatMap(id => [id, id]),
    pending: claims
      .filter(id => !has(id))
      .map(completionId => ({ of: 'sleep', completionId, timer: 't' }) as const),
    fresh: came.map((note, index) => ({ ...note, index })),
  };
}
