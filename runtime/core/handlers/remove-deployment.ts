import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { repointServices } from '../registry.ts';

/**
 * Removes it, whatever still uses it: whether that is allowed was decided before the command was proposed. A
 * deployment that is not the newest of any service gets no new invocations, so "unused" cannot become untrue
 * in between.
 */
export function removeDeployment(draft: Draft, { id }: CommandOf<'removeDeployment'>): Outcome {
  const deployment = draft.read('deployment', id);
  if (deployment === undefined) return 'unknown';
  draft.put('deployment', id, undefined);
  repointServices(draft, deployment.services, id);
  return 'applied';
}
