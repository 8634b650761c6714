import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { patch } from '../instance.ts';
import { currentType } from '../registry.ts';
import { instanceKey } from '../table.ts';

/** Replaces the state of a key, never under a handler that holds it: then when that has ended. */
export function patchState(draft: Draft, { service, key, patch: wanted }: CommandOf<'patchState'>): Outcome {
  // State of a workflow goes with its run; without one it would stay for ever.
  if (
    currentType(draft, service) === 'workflow' &&
    draft.read('instance', instanceKey({ service, key }))?.run === undefined
  ) {
    return 'stale';
  }
  return patch(draft, { service, key }, wanted);
}
