import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { forget, keepWithoutJournal } from '../lifecycle.ts';
import type { CompletedInvocation, InvocationId } from '../model.ts';

/** C8: nothing of it is left; of a workflow, neither its state nor its promises. */
export function purge(draft: Draft, { id }: CommandOf<'purge'>): Outcome {
  return ofCompleted(draft, id, forget);
}

/** Its result stays. */
export function purgeJournal(draft: Draft, { id }: CommandOf<'purgeJournal'>): Outcome {
  return ofCompleted(draft, id, keepWithoutJournal);
}

function ofCompleted(
  draft: Draft,
  id: InvocationId,
  act: (draft: Draft, row: CompletedInvocation) => void,
): Outcome {
  if (draft.isActive(id)) return 'notCompleted';
  const row = draft.completed(id);
  if (row === undefined) return 'unknown';
  act(draft, row);
  return 'applied';
}
