/**
 * Durable promises of a workflow key. C7: the first completion wins, whether or not anyone waits or the run has
 * begun. A row is there while it has a result or somebody waits; a result is kept as long as the run is, or, where
 * there has been no run, for as long as one would be.
 */
import type { Draft, Working } from '../draft.ts';
import { notifyCompletion, resolvePending } from '../lifecycle.ts';
import { type Invocation, type NotificationResult, TIME_MAX } from '../model.ts';
import { workflowRetentionMs } from '../registry.ts';
import { instanceKey, promiseKey } from '../table.ts';
import type { OpOf } from './index.ts';

type Inv = Working<Invocation>;

const ALREADY_COMPLETED: NotificationResult = {
  kind: 'failure',
  failure: { code: 409, message: 'promise was already completed' },
};

export function getPromise(draft: Draft, inv: Inv, op: OpOf<'getPromise' | 'peekPromise'>): void {
  const { completionId } = op;
  const promise = promiseKey(inv.target, op.name);
  const row = draft.read('promise', promise);
  if (row?.result !== undefined) {
    notifyCompletion(draft, inv, 'getPromise', completionId, row.result);
    return;
  }
  inv.pending = draft.added(inv.pending, { of: 'getPromise', completionId, promise });
  const listeners = draft.added(row?.listeners ?? [], { caller: inv.id, completionId });
  draft.put('promise', promise, { result: undefined, listeners, timer: undefined }, row === undefined);
}

/** Never waits: void while there is no result. */
export function peekPromise(draft: Draft, inv: Inv, op: OpOf<'getPromise' | 'peekPromise'>): void {
  const row = draft.read('promise', promiseKey(inv.target, op.name));
  notifyCompletion(draft, inv, 'peekPromise', op.completionId, row?.result ?? { kind: 'void' });
}

export function completePromise(draft: Draft, inv: Inv, op: OpOf<'completePromise'>): void {
  const { completionId, result } = op;
  const promise = promiseKey(inv.target, op.name);
  const row = draft.read('promise', promise);
  if (row?.result !== undefined) {
    notifyCompletion(draft, inv, 'completePromise', completionId, ALREADY_COMPLETED);
    return;
  }
  const timer = dropLater(draft, inv, completionId, promise);
  draft.put('promise', promise, { result, listeners: [], timer }, row === undefined);
  notifyCompletion(draft, inv, 'completePromise', completionId, { kind: 'void' });
  for (const listener of row?.listeners ?? []) {
    const waiting = draft.invocation(listener.caller);
    if (waiting !== undefined) resolvePending(draft, waiting, 'getPromise', listener.completionId, result);
  }
}

function dropLater(draft: Draft, inv: Inv, completionId: number, promise: string): string | undefined {
  if (draft.read('instance', instanceKey(inv.target))?.run !== undefined) return undefined;
  const keptMs = workflowRetentionMs(draft, inv.target.service);
  const at = Math.min(draft.at + keptMs, TIME_MAX);
  return draft.startTimer({ at, invocation: inv.id, kind: 'dropPromise', completionId, promise });
}
