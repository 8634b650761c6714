/** What can be done to other invocations by their id. */
import { AttachByIdCommand, CANCEL_SIGNAL, SendSignalCommand } from '@holdfast/protocol';
import type { Attempt } from '../attempt.ts';
import { type RestatePromise, valueWith } from '../promise.ts';
import type { Serde } from '../serde.ts';
import type { ValuePlace } from '../value-codec.ts';
import type { InvocationReference } from './context.ts';

export function cancel(attempt: Attempt, targetInvocationId: string): void {
  attempt.command(SendSignalCommand, { targetInvocationId, idx: CANCEL_SIGNAL, void: true });
}

export function invocation(
  attempt: Attempt,
  targetInvocationId: string,
  defaultSerde: Serde<unknown>,
): InvocationReference {
  const coded = <T>(given: Serde<T> | undefined, place: () => ValuePlace): Serde<T> =>
    attempt.coded(given ?? (defaultSerde as Serde<T>), place);
  return {
    signal: <T>(name: string, serde?: Serde<T>) => ({
      resolve(payload?: T) {
        attempt.via = this;
        const value = coded(serde, () => ['signal', targetInvocationId, name]).serialize(payload as T);
        attempt.command(SendSignalCommand, { targetInvocationId, name, value });
      },
      reject(reason) {
        attempt.via = this;
        const failure = attempt.wireFailure(reason);
        attempt.command(SendSignalCommand, { targetInvocationId, name, failure });
      },
    }),
    cancel() {
      attempt.via = this;
      cancel(attempt, targetInvocationId);
    },
    attach<T>(serde?: Serde<T>) {
      attempt.via = this;
      const id = attempt.command(AttachByIdCommand, { invocationId: targetInvocationId });
      return attempt.leaf(
        id,
        valueWith(coded(serde, () => ['output', targetInvocationId])),
      ) as unknown as RestatePromise<T>;
    },
  };
}
