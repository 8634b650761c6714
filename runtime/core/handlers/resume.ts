import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { startAttempt } from '../lifecycle.ts';
import { NO_FAILURES } from '../model.ts';

/** Gives a paused invocation a fresh retry budget; one that backs off is retried now. */
export function resume(draft: Draft, { id }: CommandOf<'resume'>): Outcome {
  const inv = draft.invocation(id);
  if (inv === undefined) return draft.completed(id) === undefined ? 'unknown' : 'alreadyCompleted';
  const { state } = inv;
  if (state.status === 'backingOff') draft.stopTimer(state.timer);
  else if (state.status !== 'paused') return 'notPaused';
  inv.failures = NO_FAILURES;
  startAttempt(draft, inv);
  return 'applied';
}
