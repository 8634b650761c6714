/** What can be done to other invocations by their id. */
import { AttachByIdCommand, CANCEL_SIGNAL, SendSignalCommand } from '@holdfast/protocol';
import type { Attempt } from '../attempt.ts';
import { type RestatePromise, valueWith } from '../promise.ts';
import type { Serde } from '../serde.ts';
import type { InvocationReference } from './context.ts';

export function cancel(attempt: Attempt, targetInvocationId: string): void {
  attempt.command(SendSignalCommand, { targetInvocationId, idx: CANCEL_SIGNAL, void: true });
}

export function invocation(
  attempt: Attempt,
  targetInvocationId: string,
  defaultSerde: Serde<unknown>,
): InvocationReference {
  const orDefault = <T>(given: Serde<T> | undefined): Serde<T> => given ?? (defaultSerde as Serde<T>);
  return {
    signal: <T>(name: string, serde?: Serde<T>) => ({
      resolve(payload?: T) {
        const value = orDefault(serde).serialize(payload as T);
        attempt.command(SendSignalCommand, { targetInvocationId, name, value });
      },
      reject(reason) {
        const failure = attempt.wireFailure(reason);
        attempt.command(SendSignalCommand, { targetInvocationId, name, failure });
      },
    }),
    cancel: () => cancel(attempt, targetInvocationId),
    attach: <T>(serde?: Serde<T>) => {
      const id = attempt.command(AttachByIdCommand, { invocationId: targetInvocationId });
      return attempt.leaf(id, valueWith(orDefault(serde))) as unknown as RestatePromise<T>;
    },
  };
}
