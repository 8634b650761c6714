import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { META_KEY } from '../table.ts';

/** The first one wins: the secret behind deterministic ids must never change. */
export function initialize(draft: Draft, command: CommandOf<'initialize'>): Outcome {
  if (draft.read('meta', META_KEY) !== undefined) return 'stale';
  draft.put('meta', META_KEY, { idSecret: command.idSecret }, true);
  return 'applied';
}
