import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { move } from '../move.ts';

/**
 * An attempt under way is left to end (a live one is asked to), so that nothing it did is repeated; between attempts it takes effect at once.
 * One that waits for something has nothing to pause.
 */
export function pause(draft: Draft, { id }: CommandOf<'pause'>): Outcome {
  const inv = draft.invocation(id);
  if (inv === undefined) return draft.completed(id) === undefined ? 'unknown' : 'alreadyCompleted';
  const { state } = inv;
  switch (state.status) {
    case 'running':
      move(inv, 'pause', { status: 'running', pausing: true });
      draft.attemptChanged(inv);
      return 'applied';
    case 'backingOff':
      draft.stopTimer(state.timer);
      move(inv, 'pause', { status: 'paused' });
      return 'applied';
    case 'paused':
      return 'alreadyPaused';
    case 'scheduled':
    case 'queued':
    case 'suspended':
      return 'notRunning';
    default:
      return state satisfies never;
  }
}
