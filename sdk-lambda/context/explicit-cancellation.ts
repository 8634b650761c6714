/** For handlers that watch for cancellations themselves. */
import type { Attempt } from '../attempt.ts';
import { Combinator, type RestatePromise } from '../promise.ts';
import type { InvocationId } from './context.ts';
import { cancel } from './invocation.ts';

export function cancelPreviousCalls(attempt: Attempt): RestatePromise<InvocationId[]> {
  attempt.assertUsable();
  const children = attempt.watchesCancellation ? attempt.takeChildren() : [];
  return new Combinator('allSettled', children).map(settled => {
    // An id never fails.
    const known = (settled as PromiseFulfilledResult<InvocationId>[]).map(({ value }) => value);
    for (const id of known) cancel(attempt, id);
    return known;
  });
}
