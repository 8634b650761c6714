/** A broken promise: which invariant, and what was seen. Reported, not thrown: production code may catch errors. */

export interface Violation {
  /** An id of the architecture's invariants, or `liveness`, `assertion`. */
  readonly invariant: string;
  readonly message: string;
}

export type Report = (invariant: string, message: string) => void;
