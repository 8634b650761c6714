/** Awakeables: promises that others settle by id. */
import { encodeAwakeableId } from '@holdfast/protocol';
import type { Attempt } from '../attempt.ts';
import type { TerminalError } from '../errors.ts';
import { type RestatePromise, valueWith } from '../promise.ts';
import { type Serde, serde } from '../serde.ts';

export function awakeable<T>(
  attempt: Attempt,
  valueSerde: Serde<T>,
): { readonly id: string; readonly promise: RestatePromise<T> } {
  const signal = attempt.machine.nextSignal();
  return {
    id: encodeAwakeableId(attempt.machine.start.id, signal),
    promise: attempt.leaf<T>(-signal, valueWith(valueSerde)) as unknown as RestatePromise<T>,
  };
}

const JSON_NULL = serde.json.serialize(null);

export function resolveAwakeable<T>(
  attempt: Attempt,
  awakeableId: string,
  payload: T,
  valueSerde: Serde<T> | undefined,
  defaultSerde: Serde<unknown>,
): void {
  // Nothing is sent as JSON null, which whoever awaits it can decode whatever the SDK.
  const value =
    payload === undefined && valueSerde === undefined
      ? JSON_NULL
      : (valueSerde ?? (defaultSerde as Serde<T>)).serialize(payload);
  attempt.command('CompleteAwakeableCommand', { awakeableId, value });
}

export function rejectAwakeable(attempt: Attempt, awakeableId: string, reason: string | TerminalError): void {
  attempt.command('CompleteAwakeableCommand', { awakeableId, failure: attempt.wireFailure(reason) });
}
