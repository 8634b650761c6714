import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';

/** A rollback in one step: new invocations of its services go to it, started ones stay where they are pinned. */
export function promoteDeployment(draft: Draft, { id }: CommandOf<'promoteDeployment'>): Outcome {
  const deployment = draft.read('deployment', id);
  if (deployment === undefined) return 'unknown';
  for (const { name, revision } of deployment.services) {
    // One that is there already keeps the settings that an operator changed.
    if (draft.read('service', name)?.deployment === id) continue;
    draft.put('service', name, { name, deployment: id, revision });
  }
  return 'applied';
}
