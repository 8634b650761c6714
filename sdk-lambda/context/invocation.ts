/** What can be done to other invocations by their id. */
import { CANCEL_SIGNAL } from '@holdfast/protocol';
import type { Attempt } from '../attempt.ts';
import { type RestatePromise, valueWith } from '../promise.ts';
import type { Serde } from '../serde.ts';

export function attach<T>(attempt: Attempt, invocationId: string, output: Serde<T>): RestatePromise<T> {
  const id = attempt.command('AttachInvocationCommand', { invocationId });
  return attempt.leaf<T>(id, valueWith(output)) as unknown as RestatePromise<T>;
}

export function cancel(attempt: Attempt, targetInvocationId: string): void {
  attempt.command('SendSignalCommand', { targetInvocationId, idx: CANCEL_SIGNAL, void: true });
}
