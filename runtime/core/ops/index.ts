/** What each entry of an attempt's answer does, in the same step that journals it. */
import type { Op } from '../command.ts';
import type { Draft, Working } from '../draft.ts';
import type { Invocation } from '../model.ts';
import { attach, getOutput } from './attach.ts';
import { call, send } from './call.ts';
import { addCompletionId } from './completion-ids.ts';
import { completePromise, getPromise, peekPromise } from './promise.ts';
import { clearAllState, clearState, getState, getStateKeys, readState, setState } from './state.ts';
import { output, run, runCompletion, signal, sleep } from './steps.ts';

export type OpOf<K extends Op['op']> = Extract<Op, { op: K }>;

const ops: { readonly [K in Op['op']]: (draft: Draft, inv: Working<Invocation>, op: OpOf<K>) => void } = {
  output,
  sleep,
  call,
  send,
  run,
  runCompletion,
  signal,
  attach,
  getOutput,
  getState,
  getStateKeys,
  readState,
  setState,
  clearState,
  clearAllState,
  getPromise,
  peekPromise,
  completePromise,
};

export function applyOp(draft: Draft, inv: Working<Invocation>, op: Op): void {
  if (op.op !== 'runCompletion') {
    draft.append(inv, { kind: 'command', type: op.type, frame: op.frame });
    inv.commands += 1;
    inv.retryCount = 0;
    for (const id of completionIdsOf(op)) inv.completionIds = addCompletionId(inv.completionIds, id);
  }
  ops[op.op](draft, inv, op as never);
}

/** The ids that an operation claims for its completions; the SDK chose them. */
export function completionIdsOf(op: Op): readonly number[] {
  switch (op.op) {
    case 'call':
      return [op.idCompletionId, op.completionId];
    case 'send':
      return [op.idCompletionId];
    case 'sleep':
    case 'run':
    case 'attach':
    case 'getOutput':
    case 'getState':
    case 'getStateKeys':
    case 'getPromise':
    case 'peekPromise':
    case 'completePromise':
      return [op.completionId];
    case 'output':
    case 'signal':
    case 'runCompletion':
    case 'readState':
    case 'setState':
    case 'clearState':
    case 'clearAllState':
      return [];
    default:
      return op satisfies never;
  }
}
