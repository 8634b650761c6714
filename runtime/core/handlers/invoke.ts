import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { create, newestHandler } from '../lifecycle.ts';

/**
 * Accepts an invocation. W2: with an idempotency key the id is a function of target and key, so finding the id,
 * running or retained, is finding the earlier request.
 */
export function invoke(draft: Draft, command: CommandOf<'invoke'>): Outcome {
  const { minted, target, headers, body, idempotencyKey, startAt } = command;
  const { id } = minted;
  const known = idempotencyKey !== undefined && (draft.isActive(id) || draft.completed(id) !== undefined);
  if (known) return 'alreadyAccepted';
  if (newestHandler(draft, target) === undefined) return 'unknownTarget';
  create(draft, {
    minted,
    target,
    headers,
    body,
    idempotencyKey,
    startAt,
    source: { kind: 'ingress' },
    listeners: [],
  });
  return 'applied';
}
