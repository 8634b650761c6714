import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { end } from '../lifecycle.ts';

/**
 * Ends it whatever it is doing, and with it all that it called or sent to, down the tree: after a kill nobody is
 * left who knows of them. What running attempts still send is ignored (C4).
 */
export function kill(draft: Draft, { id }: CommandOf<'kill'>): Outcome {
  if (!draft.isActive(id)) return draft.completed(id) === undefined ? 'unknown' : 'alreadyCompleted';
  // Grows while it is walked. No recursion: a chain of calls may be longer than the stack is deep.
  const doomed = [id];
  for (const next of doomed) {
    const inv = draft.invocation(next);
    // It has ended, by itself or because it is in the tree twice.
    if (inv === undefined) continue;
    for (const child of draft.children(inv)) doomed.push(child);
    if (inv.state.status === 'running') {
      draft.effects.push({ type: 'abortAttempt', id: next, attempt: inv.attempt });
    }
    end(draft, inv, { kind: 'failure', failure: { code: 409, message: 'killed' } }, 'kill');
  }
  return 'ended';
}
