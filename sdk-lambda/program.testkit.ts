/** Test helper: programs of `combinators.test.ts`, which the SDK and the model execute. */
export type Tree =
  | { readonly kind: 'sleep' | 'awakeable' | 'call' | 'signal' }
  | { readonly kind: 'run'; readonly fails: boolean }
  /** A promise that was kept, the only one in its tree; a sleep where there is none. */
  | { readonly kind: 'kept'; readonly which: number }
  | { readonly kind: 'all' | 'race' | 'any' | 'allSettled'; readonly of: readonly Tree[] }
  | { readonly kind: 'timeout'; readonly of: readonly [Tree] }
  | { readonly kind: 'map'; readonly of: readonly [Tree]; readonly to: Mapping };
export type Mapping = 'value' | 'failure' | 'step' | 'later' | 'afterAStep';

export type Step =
  | { readonly kind: 'await' | 'forget' | 'keep'; readonly what: Tree }
  | { readonly kind: 'awaitKept'; readonly which: number }
  | { readonly kind: 'both' | 'either'; readonly left: readonly Step[]; readonly right: readonly Step[] };

/** Branches have letters in their paths; signals have the name of the branch that waits for them. */
export const branchOf = (path: string): string => /^(\d+[lr])*/.exec(path)?.[0] ?? '';
/** What is in order. Mappers, whose steps have such names, come whenever there is something to map. */
export const laneOf = (path: string): string => (path.endsWith('!') ? path : branchOf(path));
export const signalOf = (path: string): string => `a${branchOf(path)}`;
