import type { CommandOf } from '../command.ts';
import type { Draft, Working } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { repin, startAttempt } from '../lifecycle.ts';
import { type Invocation, NO_FAILURES } from '../model.ts';
import { move } from '../move.ts';

/**
 * Gives a paused invocation a fresh retry budget, and the steps in its handler theirs; one that backs off is retried now, and one that is suspended looks
 * again, which is how it gets to another deployment.
 */
export function resume(draft: Draft, { id, deployment }: CommandOf<'resume'>): Outcome {
  const inv = draft.invocation(id);
  if (inv === undefined) return draft.completed(id) === undefined ? 'unknown' : 'alreadyCompleted';
  const { state } = inv;
  if (state.status === 'scheduled' || state.status === 'queued') return 'notStarted';
  if (state.status === 'running') return deployment === undefined ? keepRunning(inv, state) : 'notPaused';
  if (deployment !== undefined) {
    const repinned = repin(draft, inv, deployment);
    if (repinned !== 'applied') return repinned;
  }
  if (state.status === 'backingOff') draft.stopTimer(state.timer);
  inv.failures = NO_FAILURES;
  inv.retryCount = 0;
  startAttempt(draft, inv, 'resume');
  return 'applied';
}

/** It was asked to pause and has not yet: it need not any more. Otherwise all is as the operator wants it. */
function keepRunning(inv: Working<Invocation>, { pausing }: { readonly pausing: boolean }): Outcome {
  if (pausing) move(inv, 'resume', { status: 'running', pausing: false });
  return 'applied';
}
