/**
 * Invocations as the facts tell of them, apart from the production state: when each began, its journal so far,
 * its current attempt, its result. An idempotent invocation whose retention is over may begin again under its id:
 * its next *life*.
 */

import type { InvocationId, Result, Target } from '../../../runtime/core/model.ts';

export interface Life {
  readonly id: InvocationId;
  readonly number: number;
  readonly target: Target;
  readonly idempotencyKey: string | undefined;
  readonly startAt: number;
  /** True time at which it was accepted. */
  readonly createdMs: number;
  /** A digest per journal entry. */
  readonly journal: number[];
  /** The newest attempt started, and since when (true time). */
  attempt: number;
  attemptMs: number;
  /** The newest attempt has not ended. */
  open: boolean;
  result: Result | undefined;
  /** Until when the result is kept, as its row says (Unix ms); undefined when it is not kept. */
  expiresAt: number | undefined;
}

export const nameOf = ({ id, number }: Life): string => (number === 1 ? id : `${id}#${number}`);

export class Lives {
  readonly #lives = new Map<string, Life[]>();

  begin(
    life: Omit<Life, 'number' | 'journal' | 'attempt' | 'attemptMs' | 'open' | 'result' | 'expiresAt'>,
  ): Life {
    const all = this.of(life.id);
    const begun: Life = {
      ...life,
      number: all.length + 1,
      journal: [],
      attempt: 0,
      attemptMs: 0,
      open: false,
      result: undefined,
      expiresAt: undefined,
    };
    this.#lives.set(life.id, [...all, begun]);
    return begun;
  }

  /** The newest one. */
  get(id: string): Life | undefined {
    return this.#lives.get(id)?.at(-1);
  }

  of(id: string): readonly Life[] {
    return this.#lives.get(id) ?? [];
  }

  *all(): Iterable<Life> {
    for (const lives of this.#lives.values()) yield* lives;
  }
}
