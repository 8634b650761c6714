import type { Draft, Working } from '../draft.ts';
import { deliverSignal, notifyCompletion, resolvePending } from '../lifecycle.ts';
import type { Invocation } from '../model.ts';
import type { OpOf } from './index.ts';

/** The last one before End is the result; nothing is visible until then. */
export function output(_draft: Draft, inv: Working<Invocation>, op: OpOf<'output'>): void {
  inv.output = op.result;
}

export function sleep(draft: Draft, inv: Working<Invocation>, { completionId, wakeAt }: OpOf<'sleep'>): void {
  if (wakeAt <= draft.at) {
    notifyCompletion(draft, inv, 'sleep', completionId, { kind: 'void' });
    return;
  }
  const timer = draft.startTimer({ at: wakeAt, invocation: inv.id, kind: 'sleep', completionId });
  inv.pending = draft.added(inv.pending, { of: 'sleep', completionId, timer });
}

/** The closure runs in the function; its result follows in this answer or in a later attempt's. */
export function run(draft: Draft, inv: Working<Invocation>, { completionId }: OpOf<'run'>): void {
  inv.pending = draft.added(inv.pending, { of: 'run', completionId });
}

export function runCompletion(draft: Draft, inv: Working<Invocation>, op: OpOf<'runCompletion'>): void {
  resolvePending(draft, inv, 'run', op.completionId, op.result);
}

/** Dropped when the target is unknown, has ended or has not started. */
export function signal(draft: Draft, _inv: Working<Invocation>, op: OpOf<'signal'>): void {
  const target = draft.invocation(op.target);
  if (target !== undefined) deliverSignal(draft, target, op.signal, op.result);
}
