import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { deliverSignal } from '../lifecycle.ts';

/** A signal from outside, which is also how an awakeable is completed. Every one is journaled, in order. */
export function signal(draft: Draft, command: CommandOf<'signal'>): Outcome {
  const inv = draft.invocation(command.id);
  if (inv === undefined) return 'unknown';
  return deliverSignal(draft, inv, command.signal, command.result);
}
