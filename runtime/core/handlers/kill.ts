import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { end } from '../lifecycle.ts';

/** Ends it whatever it is doing. What a running attempt still sends is ignored (C4). */
export function kill(draft: Draft, { id }: CommandOf<'kill'>): Outcome {
  const inv = draft.invocation(id);
  if (inv === undefined) return draft.completed(id) === undefined ? 'unknown' : 'alreadyCompleted';
  if (inv.state.status === 'running') {
    draft.effects.push({ type: 'abortAttempt', id, attempt: inv.attempt });
  }
  end(draft, inv, { kind: 'failure', failure: { code: 409, message: 'killed' } });
  return 'ended';
}
