/**
 * Invocations as the facts tell of them, apart from the production state: when each began, its journal so far,
 * its current attempt, its result. An idempotent invocation whose retention is over may begin again under its id:
 * its next *life*.
 */

import type { InvocationId, Result, Target } from '../../../runtime/core/model.ts';
import { type Kind, kindOf } from '../targets.ts';

export interface Life {
  readonly id: InvocationId;
  readonly number: number;
  readonly target: Target;
  readonly kind: Kind;
  /** Record that created it. */
  readonly bornAt: number;
  readonly randomSeed: bigint;
  readonly idempotencyKey: string | undefined;
  readonly limitKey: string | undefined;
  readonly startAt: number;
  /** True time at which it was accepted. */
  readonly createdMs: number;
  /** A digest per journal entry. */
  readonly journal: number[];
  /** The newest attempt started, since when (true time) and by which record. */
  attempt: number;
  attemptMs: number;
  attemptAt: number;
  /** The newest attempt has not ended. */
  open: boolean;
  result: Result | undefined;
  /** It was ended by an operator or its retry policy, whatever it was doing. */
  isKilled: boolean;
  /** Until when the result is kept, as its row says (Unix ms); undefined when it is not kept. */
  expiresAt: number | undefined;
}

export const nameOf = ({ id, number }: Life): string => (number === 1 ? id : `${id}#${number}`);

type Begun = Pick<
  Life,
  'id' | 'target' | 'bornAt' | 'randomSeed' | 'idempotencyKey' | 'limitKey' | 'startAt' | 'createdMs'
>;

export class Lives {
  readonly #lives = new Map<string, Life[]>();

  begin(life: Begun): Life {
    const all = this.of(life.id);
    const begun: Life = {
      ...life,
      kind: kindOf(life.target),
      number: all.length + 1,
      journal: [],
      attempt: 0,
      attemptMs: 0,
      attemptAt: 0,
      open: false,
      result: undefined,
      isKilled: false,
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

  /** Still there: running, or retained with its result. */
  isKnown(id: string): boolean {
    const life = this.get(id);
    return life !== undefined && (life.result === undefined || life.expiresAt !== undefined);
  }

  *all(): Iterable<Life> {
    for (const lives of this.#lives.values()) yield* lives;
  }
}
