import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { accept } from '../lifecycle.ts';
import { isDeterministic, newestHandler, roleOf } from '../registry.ts';

/**
 * Accepts an invocation. W2: with an idempotency key, and for the run of a workflow, the id is a function of target
 * and key, so finding the id, running or retained, is finding the earlier request.
 */
export function invoke(draft: Draft, command: CommandOf<'invoke'>): Outcome {
  const { minted, target, headers, body, idempotencyKey, limitKey, startAt } = command;
  const { id } = minted;
  if (minted.deterministic && (draft.isActive(id) || draft.completed(id) !== undefined))
    return 'alreadyAccepted';
  const found = newestHandler(draft, target);
  if (found === undefined) return 'unknownTarget';
  const role = roleOf(found);
  // It became a workflow, or ceased to be one, after the id was minted.
  if (isDeterministic(role, idempotencyKey) !== minted.deterministic) return 'unknownTarget';
  const source = { kind: 'ingress' } as const;
  const creation = { minted, target, role, source, idempotencyKey, limitKey, listeners: [] };
  accept(draft, creation, { headers, body, startAt });
  return 'applied';
}
