/**
 * What blocked user code waits for, as a tree: completions and signals under the combinators that decide on them. The
 * server evaluates it from protocol 7 on and wakes the attempt when the root is decided; before that it gets the leaves
 * and wakes on any.
 *
 * Invariants:
 * - The tree is never decided later than user code could go on: where the server cannot know what is made of a result
 *   (by a mapper, a timeout) the node is `Unknown`, which is decided with any child.
 * - A mapper runs as soon as there is something to map, for it may take steps that others wait for.
 * - Only what is unsettled is in it, so that the server need not know what was taken.
 */
import {
  ALL_COMPLETED,
  ALL_SUCCEEDED_OR_FIRST_FAILED,
  type CombinatorType,
  type Future,
  UNKNOWN,
} from '@holdfast/protocol';
import type { NotificationId } from './machine/machine.ts';

/** The type of a node of the wire. */
export type NodeType = (typeof CombinatorType)[keyof typeof CombinatorType];

export interface Waited {
  readonly id: NotificationId;
}
export interface FutureNode<L extends Waited = Waited> {
  readonly type: NodeType;
  /** Never empty. */
  readonly of: readonly Awaited<L>[];
  /** A mapper is to run before this is decided, or when. */
  readonly mapped?: boolean;
}
export type Awaited<L extends Waited = Waited> = L | FutureNode<L>;

/** Undefined when there is nothing that the server could wait for: all that is pending is foreign. */
export function futureOf<L extends Waited>(
  type: NodeType,
  children: readonly (Awaited<L> | undefined)[],
  isMapper = false,
): FutureNode<L> | undefined {
  const of = children.filter(child => child !== undefined);
  const mapped = isMapper || of.some(child => 'of' in child && child.mapped);
  if (of.length === 0) return undefined;
  if (!mapped || type !== ALL_COMPLETED) return { type, of, mapped };
  // It would sleep on when a child of unknown outcome is complete. This one does not, and its own outcome is unknown.
  return { type: UNKNOWN, of: [{ type: ALL_SUCCEEDED_OR_FIRST_FAILED, of }], mapped };
}

/** Levels that the server takes. */
const LEVELS_MAX = 1000;

export function leavesOf<L extends Waited>(awaited: L | Pick<FutureNode<L>, 'of'> | undefined): Set<L> {
  const leaves = new Set<L>();
  if (awaited) collectLeaves(awaited, leaves);
  return leaves;
}

/** Adds the leaves; returns the number of levels. */
function collectLeaves<L extends Waited>(awaited: L | Pick<FutureNode<L>, 'of'>, into: Set<L>): number {
  if (!('of' in awaited)) {
    into.add(awaited);
    return 0;
  }
  return 1 + awaited.of.reduce((levels, child) => Math.max(levels, collectLeaves(child, into)), 0);
}

/**
 * The tree for the wire. Flat where it is too deep, and where a signal that comes many times occurs twice: which of the
 * promises takes which of them only this side knows.
 */
export function wireFuture(root: FutureNode): Future {
  const leaves = new Set<Waited>();
  const levels = collectLeaves(root, leaves);
  const isExact = levels <= LEVELS_MAX && uniqueIds(leaves).length === leaves.size;
  return isExact ? toWire(root) : flatFuture(root);
}

/** All leaves, decided with any of them: what protocols before 7 have. */
export function flatFuture(root: FutureNode): Future {
  return toWire({ type: UNKNOWN, of: uniqueIds(leavesOf(root)).map(id => ({ id })) });
}

const uniqueIds = (leaves: Iterable<Waited>): NotificationId[] => [
  ...new Set([...leaves].map(({ id }) => id)),
];

function toWire({ type, of }: FutureNode): Future {
  const waitingCompletions: number[] = [];
  const waitingSignals: number[] = [];
  const waitingNamedSignals: string[] = [];
  const nestedFutures: Future[] = [];
  for (const child of of) {
    if ('of' in child) nestedFutures.push(toWire(child));
    else if (typeof child.id === 'string') waitingNamedSignals.push(child.id);
    else if (child.id > 0) waitingCompletions.push(child.id);
    else waitingSignals.push(-child.id);
  }
  return { waitingCompletions, waitingSignals, waitingNamedSignals, nestedFutures, combinatorType: type };
}
