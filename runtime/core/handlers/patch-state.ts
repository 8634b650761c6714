import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { patch } from '../instance.ts';
import { currentType } from '../registry.ts';
import { instanceKey } from '../table.ts';

/** Replaces the state of a key, never under a handler that holds it: then when that has ended. */
export function patchState(draft: Draft, { of, patch: wanted }: CommandOf<'patchState'>): Outcome {
  // State of a workflow goes with its run; without one it would stay for ever.
  const isWorkflow = currentType(draft, of.service) === 'workflow';
  if (isWorkflow && draft.read('instance', instanceKey(of))?.run === undefined) return 'stale';
  return patch(draft, of, wanted);
}
