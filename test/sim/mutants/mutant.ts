/** A bug to plant. */

export interface Mutant {
  readonly name: string;
  /** Changes by file, as a path from the root of the repository. */
  readonly edits: Readonly<Record<string, readonly (readonly [find: string, replace: string])[]>>;
  /** The invariants of which one is seen to break first. */
  readonly found: readonly string[];
  /** A seed that found it, where few do: looked at first. */
  readonly from?: number;
}
