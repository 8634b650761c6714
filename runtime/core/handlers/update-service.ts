import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';

/** Settings that an operator changed; the next revision of the service begins with its own. */
export function updateService(draft: Draft, { deployment, service }: CommandOf<'updateService'>): Outcome {
  const pointer = draft.read('service', service.name);
  // Another revision has become the newest since the change was made up.
  if (pointer?.deployment !== deployment || pointer.revision !== service.revision) return 'stale';
  draft.put('service', service.name, { ...pointer, patched: service });
  return 'applied';
}
