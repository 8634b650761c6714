import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { repointServices } from '../registry.ts';

/**
 * New invocations of its services go to it from here on; started ones stay where they are pinned. One that overwrites
 * a deployment in place changes what that offers and takes no callers from another one.
 */
export function registerDeployment(draft: Draft, command: CommandOf<'registerDeployment'>): Outcome {
  const { deployment, keepSettings } = command;
  const previous = draft.read('deployment', deployment.id);
  draft.put('deployment', deployment.id, deployment, previous === undefined);
  for (const { name, revision } of deployment.services) {
    const current = draft.read('service', name);
    const isOurs = current?.deployment === deployment.id;
    if (previous !== undefined && current !== undefined && !isOurs) continue;
    const patched = keepSettings && isOurs ? current.patched : undefined;
    const pointer = { name, deployment: deployment.id, revision };
    draft.put('service', name, patched === undefined ? pointer : { ...pointer, patched });
  }
  if (previous !== undefined) {
    const dropped = previous.services.filter(
      ({ name }) => !deployment.services.some(kept => kept.name === name),
    );
    repointServices(draft, dropped, deployment.id);
  }
  return 'applied';
}
