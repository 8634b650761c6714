import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { repointServices } from '../registry.ts';

/** New invocations of its services go to it from here on; started ones stay where they are pinned. */
export function registerDeployment(draft: Draft, { deployment }: CommandOf<'registerDeployment'>): Outcome {
  const previous = draft.read('deployment', deployment.id);
  draft.put('deployment', deployment.id, deployment, previous === undefined);
  for (const service of deployment.services) {
    draft.put('service', service.name, {
      name: service.name,
      deployment: deployment.id,
      revision: service.revision,
    });
  }
  if (previous !== undefined) {
    const dropped = previous.services.filter(
      ({ name }) => !deployment.services.some(kept => kept.name === name),
    );
    repointServices(draft, dropped, deployment.id);
  }
  return 'applied';
}
