/**
 * What a fuzz target is: seeds, a way to damage an input that knows its structure, and one pass over an input.
 *
 * Invariant of every target: an input gives `accepted` or `refused`, whatever its bytes are. Anything thrown is a
 * finding; so are a pass that takes long, memory that stays behind and a prototype that has changed, which the
 * runner looks for.
 */
import type { SimRandom } from '../sim/random.ts';

export type Verdict = 'accepted' | 'refused';

export interface Target {
  readonly seeds: readonly Uint8Array[];
  /** Changes `input`, mostly within its structure; `other` is there to be spliced with. */
  mutate(random: SimRandom, input: Uint8Array, other: Uint8Array): Uint8Array;
  pass(input: Uint8Array): Verdict | Promise<Verdict>;
  close?(): Promise<void>;
  /** Inputs between two looks at what they have reached; fewer where a pass is slow. @default 2048 */
  readonly coverageInputs?: number;
  /** Passes at once, where they wait for connections; the target itself bounds how long they take. @default 1 */
  readonly parallel?: number;
}

/** A rule that an input has broken. */
export class Finding extends Error {
  override readonly name = 'Finding';
}

export function demand(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Finding(what);
}

/** Runs `read`; errors of the kinds given mean that the input was refused. */
export function refusable<T>(
  read: () => T,
  ...kinds: readonly (new (
    ...parameters: never[]
  ) => Error)[]
): { readonly value: T } | { readonly error: Error } {
  try {
    return { value: read() };
  } catch (error) {
    if (error instanceof Error && kinds.some(kind => error instanceof kind)) return { error };
    throw error;
  }
}
