import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { begin, create, repin } from '../lifecycle.ts';
import type { CompletedInvocation } from '../model.ts';
import { addCompletionId } from '../ops/completion-ids.ts';
import { handlerIn, newestHandler, roleOf } from '../registry.ts';

/**
 * A new invocation with the input of a completed one and, where the command keeps more of its journal, with the
 * results that were recorded up to there: the handler replays those and goes on by itself.
 */
export function restartAsNew(draft: Draft, command: CommandOf<'restartAsNew'>): Outcome {
  const { id, minted, deployment, kept } = command;
  if (draft.isActive(id)) return isWaiting(draft, command) ? 'notStarted' : 'notCompleted';
  const row = draft.completed(id);
  if (row === undefined) return 'unknown';
  if (row.role === 'workflow') return 'isWorkflow';
  if (row.entries === 0) return 'journalGone';
  const found =
    deployment === undefined ? newestHandler(draft, row.target) : handlerIn(draft, deployment, row.target);
  if (found === undefined) return deployment === undefined ? 'unknownTarget' : 'unknownDeployment';
  const role = roleOf(found);
  // Its service became a workflow since.
  if (role === 'workflow') return 'isWorkflow';
  const inv = create(draft, {
    minted,
    target: row.target,
    role,
    source: { kind: 'restart', id, entries: kept.entries.length },
    idempotencyKey: undefined,
    limitKey: row.limitKey,
    listeners: [],
  });
  if (kept.entries.length > 1) inv.pinned = pinOf(row);
  if (deployment !== undefined) {
    const pinned = repin(draft, inv, deployment);
    if (pinned !== 'applied') {
      draft.discard(inv);
      return pinned;
    }
  }
  const wanted = new Set(kept.entries);
  let index = 0;
  for (const entry of draft.journal(id)) {
    if (!wanted.has(index++)) continue;
    draft.append(inv, entry);
    if (entry.kind === 'input' || entry.kind === 'command') inv.commands += 1;
    if (entry.kind === 'completion' && entry.result.kind === 'failure')
      inv.failedIds = addCompletionId(inv.failedIds, entry.completionId);
  }
  inv.completionIds = kept.completionIds;
  begin(draft, inv, 'new');
  return 'applied';
}

/** A journal is replayed in the protocol version in which it was written. */
function pinOf({ deployment, protocolVersion }: CompletedInvocation) {
  if (deployment === undefined || protocolVersion === undefined) return undefined;
  return { deployment, protocolVersion };
}

function isWaiting(draft: Draft, { id }: CommandOf<'restartAsNew'>): boolean {
  const status = draft.invocation(id)?.state.status;
  return status === 'scheduled' || status === 'queued';
}
