/** State of the key: a read is answered, and a write is done, in the step that journals it. */
import type { Draft, Working } from '../draft.ts';
import { notifyCompletion } from '../lifecycle.ts';
import type { Invocation } from '../model.ts';
import { clearState as clearAll, setState as set } from '../object-state.ts';
import { stateKey, statePrefix } from '../table.ts';
import type { OpOf } from './index.ts';

type Inv = Working<Invocation>;

export function getState(draft: Draft, inv: Inv, { completionId, key }: OpOf<'getState'>): void {
  const row = draft.read('state', stateKey(inv.target, key));
  const result =
    row === undefined ? ({ kind: 'void' } as const) : { kind: 'success' as const, value: row.value };
  notifyCompletion(draft, inv, 'getState', completionId, result);
}

export function getStateKeys(draft: Draft, inv: Inv, { completionId }: OpOf<'getStateKeys'>): void {
  const keys = [...draft.scan('state', statePrefix(inv.target))].map(([, { key }]) => key);
  notifyCompletion(draft, inv, 'getStateKeys', completionId, { kind: 'stateKeys', keys });
}

/** The handler had the answer from its start message; journaled for replay. */
export function readState(): void {
  // Nothing to do.
}

export function setState(draft: Draft, inv: Inv, { key, value }: OpOf<'setState'>): void {
  set(draft, inv.target, key, value);
}

export function clearState(draft: Draft, inv: Inv, { key }: OpOf<'clearState'>): void {
  const row = stateKey(inv.target, key);
  if (draft.read('state', row) !== undefined) draft.put('state', row, undefined);
}

export function clearAllState(draft: Draft, inv: Inv): void {
  clearAll(draft, inv.target);
}
