import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { repointServices } from '../registry.ts';

/**
 * New invocations of its services go to it from here on; started ones stay where they are pinned. One that overwrites
 * a deployment in place changes what that offers and takes no callers from another one.
 */
export function registerDeployment(draft: Draft, { deployment }: CommandOf<'registerDeployment'>): Outcome {
  const previous = draft.read('deployment', deployment.id);
  draft.put('deployment', deployment.id, deployment, previous === undefined);
  for (const { name, revision } of deployment.services) {
    const current = draft.read('service', name)?.deployment;
    if (previous !== undefined && current !== undefined && current !== deployment.id) continue;
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
