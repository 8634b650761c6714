/**
 * A handler that calls others and waits for a tree over their results, as SDKs other than ours do: the whole tree
 * each time, with what it has been given already. It goes on as soon as the tree is decided, by its own evaluation.
 */

import { CombinatorType, type DecodedFrame, type FrameWriter, type MessageInput } from '@holdfast/protocol';
import type { Program } from './programs.ts';
import type { SimRandom } from './random.ts';

type Rule = keyof typeof RULES;
interface Node {
  readonly rule: Rule;
  readonly children: readonly (Node | number)[];
}
interface Call {
  readonly ms: number;
  readonly fails: boolean;
  readonly idempotencyKey?: string;
}
export interface Tree {
  readonly op: 'tree';
  readonly calls: readonly Call[];
  /** Of indexes of calls. */
  readonly root: Node;
}

interface Decided {
  readonly succeeded: boolean;
  /** Of the journal entry that decided it. */
  readonly index: number;
}

const LEVELS_MAX = 3;

export function randomTree(random: SimRandom): Tree {
  const calls: Call[] = Array.from({ length: random.int(3, 5) }, () => ({
    ms: random.pick([random.int(0, 200), random.int(0, 1500), random.int(500, 4000)]),
    fails: random.chance(0.6),
  }));
  if (random.chance(0.5)) {
    // Two that end with one record.
    const twin = { ms: 50, fails: false, idempotencyKey: `tree${random.uint32()}` };
    calls.push(twin, twin);
  }
  return { op: 'tree', calls, root: randomNode(random, calls.length, LEVELS_MAX) };
}

function randomNode(random: SimRandom, calls: number, levels: number): Node {
  const rule = random.pick(['first', 'all', 'anySucceeds', 'anySucceeds', 'allSucceed'] as const);
  const children = Array.from({ length: random.int(2, 4) }, () =>
    levels > 1 && random.chance(0.35) ? randomNode(random, calls, levels - 1) : random.int(0, calls - 1),
  );
  return { rule, children };
}

const earliest = (decided: readonly Decided[]): Decided | undefined =>
  decided.toSorted((a, b) => a.index - b.index)[0];
const latest = (decided: readonly Decided[]): number => Math.max(...decided.map(({ index }) => index));

/** Given what is decided of so many children. */
const RULES = {
  first: (decided: readonly Decided[]) => earliest(decided),
  all: (decided: readonly Decided[], children: number) =>
    decided.length < children ? undefined : { succeeded: true, index: latest(decided) },
  anySucceeds: (decided: readonly Decided[], children: number) =>
    earliest(decided.filter(({ succeeded }) => succeeded)) ??
    (decided.length < children ? undefined : { succeeded: false, index: latest(decided) }),
  allSucceed: (decided: readonly Decided[], children: number) =>
    earliest(decided.filter(({ succeeded }) => !succeeded)) ??
    (decided.length < children ? undefined : { succeeded: true, index: latest(decided) }),
} as const;

const TYPES: { readonly [R in Rule]: number } = {
  first: CombinatorType.FirstCompleted,
  all: CombinatorType.AllCompleted,
  anySucceeds: CombinatorType.FirstSucceededOrAllFailed,
  allSucceed: CombinatorType.AllSucceededOrFirstFailed,
};

/** The completion with the result; the one with the id is before it. */
const resultOf = (call: number): number => 2 * call + 2;

/** All but the first ones, which an earlier attempt has made. */
export function callAll(frames: FrameWriter, { calls }: Tree, made: number): void {
  for (const [call, { ms, fails, idempotencyKey }] of calls.entries()) {
    if (call < made) continue;
    const program: Program = {
      steps: [{ kind: 'sleep', ms }, ...(fails ? ([{ kind: 'terminal' }] as const) : [])],
      catches: false,
    };
    frames.frame('CallCommand', {
      serviceName: 'alpha',
      handlerName: 'program',
      key: '',
      parameter: Buffer.from(JSON.stringify(program)),
      headers: [],
      invocationIdNotificationIdx: resultOf(call) - 1,
      resultCompletionId: resultOf(call),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      name: '',
    });
  }
}

/** The result of the tree, if the journal decides it. */
export function decide({ root }: Tree, journal: readonly DecodedFrame[]): boolean | undefined {
  const came = new Map<number, Decided>();
  for (const [index, { name, message }] of journal.entries()) {
    if (name !== 'CallCompletion') continue;
    const { completionId, failure } = message as MessageInput<'CallCompletion'>;
    came.set(completionId ?? 0, { succeeded: failure === undefined, index });
  }
  const of = ({ rule, children }: Node): Decided | undefined => {
    const decided = children.flatMap(
      child => (typeof child === 'number' ? came.get(resultOf(child)) : of(child)) ?? [],
    );
    return RULES[rule](decided, children.length);
  };
  return of(root)?.succeeded;
}

type Future = NonNullable<MessageInput<'Suspension'>['awaitingOn']>;

export function futureOf({ rule, children }: Node): Future {
  return {
    combinatorType: TYPES[rule],
    waitingCompletions: children.filter(child => typeof child === 'number').map(resultOf),
    waitingSignals: [],
    waitingNamedSignals: [],
    nestedFutures: children.filter(child => typeof child !== 'number').map(futureOf),
  };
}

/** Before protocol 7: all that it may be waiting for. */
export const resultsOf = ({ calls }: Tree): number[] => calls.map((_, call) => resultOf(call));
