import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { deliverSignal } from '../lifecycle.ts';
import { CANCEL } from '../model.ts';

/** Cooperative: the handler sees signal 1 at its next await and unwinds; one that has not started ends at once. */
export function cancel(draft: Draft, { id }: CommandOf<'cancel'>): Outcome {
  const inv = draft.invocation(id);
  if (inv === undefined) return draft.completed(id) === undefined ? 'unknown' : 'alreadyCompleted';
  return deliverSignal(draft, inv, CANCEL, { kind: 'void' });
}
