import type { Draft, Working } from '../draft.ts';
import { notifyCompletion } from '../lifecycle.ts';
import type { Invocation, NotificationResult } from '../model.ts';
import type { OpOf } from './index.ts';

const NOT_FOUND: NotificationResult = { kind: 'failure', failure: { code: 404, message: 'not found' } };

/** The target's result when it has one, at once if it has ended. */
export function attach(draft: Draft, inv: Working<Invocation>, op: OpOf<'attach'>): void {
  const { completionId, target: id } = op;
  const done = draft.completed(id);
  const target = draft.invocation(id);
  if (done !== undefined || target === undefined) {
    notifyCompletion(draft, inv, 'attach', completionId, done?.result ?? NOT_FOUND);
    return;
  }
  inv.pending = draft.added(inv.pending, { of: 'attach', completionId, target: id });
  target.listeners = draft.added(target.listeners, { caller: inv.id, completionId, of: 'attach' });
}

/** Never waits: void while the target runs. */
export function getOutput(draft: Draft, inv: Working<Invocation>, op: OpOf<'getOutput'>): void {
  const running = draft.isActive(op.target);
  const result = running ? ({ kind: 'void' } as const) : (draft.completed(op.target)?.result ?? NOT_FOUND);
  notifyCompletion(draft, inv, 'getOutput', op.completionId, result);
}
