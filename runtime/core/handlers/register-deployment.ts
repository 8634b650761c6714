import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { repointServices } from '../registry.ts';

/**
 * New invocations of its services go to it from here on; started ones stay where they are pinned. One that overwrites
 * an older deployment in place keeps its older revisions, and the newest one keeps its callers.
 */
export function registerDeployment(draft: Draft, { deployment }: CommandOf<'registerDeployment'>): Outcome {
  const previous = draft.read('deployment', deployment.id);
  draft.put('deployment', deployment.id, deployment, previous === undefined);
  for (const { name, revision } of deployment.services) {
    if ((draft.read('service', name)?.revision ?? 0) > revision) continue;
    draft.put('service', name, { name, deployment: deployment.id, revision });
  }
  if (previous !== undefined) {
    const dropped = previous.services.filter(
      ({ name }) => !deployment.services.some(kept => kept.name === name),
    );
    repointServices(draft, dropped, deployment.id);
  }
  return 'applied';
}
