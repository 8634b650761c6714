/** For handlers that watch for cancellations themselves. */
import type { Attempt } from '../attempt.ts';
import { Combinator, type Durable, type RestatePromise } from '../promise.ts';
import { CANCEL } from '../signals.ts';
import { invocationIdOf } from './call.ts';
import type { InvocationId } from './context.ts';
import { cancel } from './invocation.ts';

export const cancellation = (attempt: Attempt): Durable<void> => attempt.leaf(CANCEL, () => undefined);

export function cancelPreviousCalls(attempt: Attempt): RestatePromise<InvocationId[]> {
  const children = attempt.explicitCancellation ? attempt.takeChildren() : [];
  const ids = children.map(completion => invocationIdOf(attempt, completion) as unknown as Durable<unknown>);
  return new Combinator('all', ids).map(known => {
    for (const id of known as InvocationId[]) cancel(attempt, id);
    return known as InvocationId[];
  });
}
