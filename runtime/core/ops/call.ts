import type { Draft, Working } from '../draft.ts';
import { create, notifyCompletion } from '../lifecycle.ts';
import type { Invocation, Listener } from '../model.ts';
import type { OpOf } from './index.ts';

/**
 * The callee begins in the same record as the call: one partition holds both, so there is nothing to send. With
 * an idempotency key that is known already the call attaches to the earlier invocation.
 */
export function call(draft: Draft, inv: Working<Invocation>, op: OpOf<'call'>): void {
  const { completionId } = op;
  const { id } = op.callee;
  notifyCompletion(draft, inv, 'callId', op.idCompletionId, { kind: 'invocationId', id });
  const listener: Listener = { caller: inv.id, completionId, of: 'call' };
  if (op.idempotencyKey !== undefined) {
    const done = draft.completed(id);
    if (done !== undefined) {
      notifyCompletion(draft, inv, 'call', completionId, done.result);
      return;
    }
    const callee = draft.invocation(id);
    if (callee !== undefined) {
      inv.pending = [...inv.pending, { of: 'call', completionId, target: id }];
      callee.listeners = [...callee.listeners, listener];
      return;
    }
  }
  inv.pending = [...inv.pending, { of: 'call', completionId, target: id }];
  begin(draft, inv, op, 0, [listener]);
}

export function send(draft: Draft, inv: Working<Invocation>, op: OpOf<'send'>): void {
  const { id } = op.callee;
  notifyCompletion(draft, inv, 'callId', op.idCompletionId, { kind: 'invocationId', id });
  const known = op.idempotencyKey !== undefined && (draft.isActive(id) || draft.completed(id) !== undefined);
  if (!known) begin(draft, inv, op, op.startAt, []);
}

function begin(
  draft: Draft,
  inv: Invocation,
  op: OpOf<'call'> | OpOf<'send'>,
  startAt: number,
  listeners: readonly Listener[],
): void {
  create(draft, {
    minted: op.callee,
    target: op.target,
    headers: op.headers,
    body: op.parameter,
    source: { kind: 'invocation', id: inv.id, target: inv.target },
    idempotencyKey: op.idempotencyKey,
    startAt,
    listeners,
  });
}
