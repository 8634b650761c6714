/** Signals by name: waiting for one, and what can be done to another invocation by its id. */
import type { Attempt } from '../attempt.ts';
import { type RestatePromise, valueWith } from '../promise.ts';
import type { Serde } from '../serde.ts';
import type { InvocationReference, SignalReference } from './context.ts';
import { attach, cancel } from './invocation.ts';

export function signal<T>(attempt: Attempt, name: string, serde: Serde<T>): RestatePromise<T> {
  attempt.assertOutsideRun();
  return attempt.leaf(name, valueWith(serde)) as unknown as RestatePromise<T>;
}

export function invocation(
  attempt: Attempt,
  targetInvocationId: string,
  defaultSerde: Serde<unknown>,
): InvocationReference {
  return {
    signal: <T>(name: string, serde?: Serde<T>) =>
      signalReference(attempt, targetInvocationId, name, serde ?? (defaultSerde as Serde<T>)),
    cancel: () => cancel(attempt, targetInvocationId),
    attach: <T>(serde?: Serde<T>) => attach(attempt, targetInvocationId, serde ?? (defaultSerde as Serde<T>)),
  };
}

function signalReference<T>(
  attempt: Attempt,
  targetInvocationId: string,
  name: string,
  serde: Serde<T>,
): SignalReference<T> {
  return {
    resolve(payload) {
      const value = serde.serialize(payload as T);
      attempt.command('SendSignalCommand', { targetInvocationId, name, value });
    },
    reject(reason) {
      const failure = attempt.wireFailure(reason);
      attempt.command('SendSignalCommand', { targetInvocationId, name, failure });
    },
  };
}
