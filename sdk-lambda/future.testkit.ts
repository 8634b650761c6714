/** Test helper: a future as the server evaluates it, from the wire specification alone. */
import { CombinatorType, type Future, type WireNotification } from '@holdfast/protocol';

export type Evaluation = 'pending' | 'success' | 'failure' | 'unknown';

const { FirstCompleted, AllCompleted, FirstSucceededOrAllFailed, AllSucceededOrFirstFailed } = CombinatorType;

/** Of several notifications with one id the first counts. */
export function evaluate(future: Future, notifications: readonly WireNotification[]): Evaluation {
  const outcomeOf = (isIt: (notification: WireNotification) => boolean): Evaluation => {
    const found = notifications.find(isIt);
    if (found === undefined) return 'pending';
    return found.failure === undefined ? 'success' : 'failure';
  };
  const children = [
    ...future.waitingCompletions.map(id => outcomeOf(({ completionId }) => completionId === id)),
    ...future.waitingSignals.map(id => outcomeOf(({ signalId }) => signalId === id)),
    ...future.waitingNamedSignals.map(name => outcomeOf(({ signalName }) => signalName === name)),
    ...future.nestedFutures.map(nested => evaluate(nested, notifications)),
  ];
  const isAny = (outcome: Evaluation) => children.includes(outcome);
  switch (future.combinatorType) {
    case FirstCompleted:
      // Which one was first does not matter to whoever only asks whether it is decided; below others it may.
      return children.every(child => child === 'pending') ? 'pending' : firstOf(children);
    case AllCompleted:
      return isAny('pending') ? 'pending' : 'success';
    case FirstSucceededOrAllFailed:
      if (isAny('success')) return 'success';
      if (isAny('unknown')) return 'unknown';
      return isAny('pending') ? 'pending' : 'failure';
    case AllSucceededOrFirstFailed:
      if (isAny('failure')) return 'failure';
      if (isAny('unknown')) return 'unknown';
      return isAny('pending') ? 'pending' : 'success';
    default:
      return children.every(child => child === 'pending') ? 'pending' : 'unknown';
  }
}

/** The outcome when all that are completed agree. */
function firstOf(children: readonly Evaluation[]): Evaluation {
  const completed = new Set(children.filter(child => child !== 'pending'));
  return completed.size === 1 ? ([...completed][0] ?? 'pending') : 'unknown';
}
