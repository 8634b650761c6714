import type { Draft, Working } from '../draft.ts';
import { accept, notifyCompletion } from '../lifecycle.ts';
import { type Invocation, type Listener, RUN_BEFORE } from '../model.ts';
import { newestHandler, roleOf } from '../registry.ts';
import type { OpOf } from './index.ts';

/**
 * The callee begins in the same record as the call: one partition holds both, so there is nothing to send. With
 * an idempotency key that is known already the call attaches to the earlier invocation; a workflow runs once.
 */
export function call(draft: Draft, inv: Working<Invocation>, op: OpOf<'call'>): void {
  const { completionId } = op;
  const { id } = op.callee;
  notifyCompletion(draft, inv, 'callId', op.idCompletionId, { kind: 'invocationId', id });
  const listener: Listener = { caller: inv.id, completionId, of: 'call' };
  if (op.callee.deterministic) {
    if (op.idempotencyKey === undefined && isKnown(draft, op)) {
      notifyCompletion(draft, inv, 'call', completionId, { kind: 'failure', failure: RUN_BEFORE });
      return;
    }
    const done = draft.completed(id);
    if (done !== undefined) {
      notifyCompletion(draft, inv, 'call', completionId, done.result);
      return;
    }
    const callee = draft.invocation(id);
    if (callee !== undefined) {
      inv.pending = draft.added(inv.pending, { of: 'call', completionId, target: id });
      callee.listeners = draft.added(callee.listeners, listener);
      return;
    }
  }
  inv.pending = draft.added(inv.pending, { of: 'call', completionId, target: id });
  begin(draft, inv, op, 0, [listener]);
}

export function send(draft: Draft, inv: Working<Invocation>, op: OpOf<'send'>): void {
  const { id } = op.callee;
  notifyCompletion(draft, inv, 'callId', op.idCompletionId, { kind: 'invocationId', id });
  if (!op.callee.deterministic || !isKnown(draft, op)) begin(draft, inv, op, op.startAt, []);
}

const isKnown = (draft: Draft, { callee: { id } }: OpOf<'call'> | OpOf<'send'>): boolean =>
  draft.isActive(id) || draft.completed(id) !== undefined;

function begin(
  draft: Draft,
  inv: Invocation,
  op: OpOf<'call'> | OpOf<'send'>,
  startAt: number,
  listeners: readonly Listener[],
): void {
  const found = newestHandler(draft, op.target);
  if (found === undefined) throw new Error('assertion failed: the callee was checked to be registered');
  const creation = {
    minted: op.callee,
    target: op.target,
    role: roleOf(found),
    source: { kind: 'invocation', id: inv.id, target: inv.target } as const,
    idempotencyKey: op.idempotencyKey,
    limitKey: op.limitKey,
    listeners,
  };
  accept(draft, creation, { headers: op.headers, body: op.parameter, startAt });
}
