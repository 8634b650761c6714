/**
 * Effects: what the world should do after a record is durable and applied (P1). They are hints: every one that
 * is lost in a crash is derived again by `outstanding` (C2), except `completed` and `attemptChanged`: the waiting HTTP
 * clients and the connections of handlers are gone as well. The outcome is the answer to whoever proposed the record.
 */
import type { Entry, InvocationId, Result } from './model.ts';

export type Effect =
  | { readonly type: 'startAttempt'; readonly id: InvocationId; readonly attempt: number }
  /** The attempt under way no longer counts; stop paying for it. */
  | { readonly type: 'abortAttempt'; readonly id: InvocationId; readonly attempt: number }
  /** It goes on, and its journal has got notifications, or it is to end soon: told to handlers that listen. */
  | {
      readonly type: 'attemptChanged';
      readonly id: InvocationId;
      readonly attempt: number;
      /** What the journal has got, commands of the handler among it, and the index of the first. */
      readonly first: number;
      readonly entries: readonly Entry[];
    }
  | { readonly type: 'armTimer'; readonly timer: string; readonly at: number }
  | { readonly type: 'completed'; readonly id: InvocationId; readonly result: Result };

export type Outcome =
  | 'applied'
  /** `invoke`: the same idempotency key and target, or the same workflow key, were accepted before. */
  | 'alreadyAccepted'
  /** `cancel`, `kill`: it ended at once. */
  | 'ended'
  | 'unknown'
  | 'alreadyCompleted'
  /** `resume` on another deployment: it runs. */
  | 'notPaused'
  /** `pause`: nothing of it runs. */
  | 'notRunning'
  | 'alreadyPaused'
  /** `resume`, `restartAsNew`: it waits for its time or for its key. */
  | 'notStarted'
  /** `patchState`: too many wait for the holder of the key already. */
  | 'tooMany'
  /** `purge`, `purgeJournal`, `restartAsNew`: it has not ended. */
  | 'notCompleted'
  /** `restartAsNew`: its input has been dropped. */
  | 'journalGone'
  /** `restartAsNew`: a workflow runs once. */
  | 'isWorkflow'
  /** `resume`, `restartAsNew`: no deployment with the handler has this id. */
  | 'unknownDeployment'
  /** `resume`, `restartAsNew`: the deployment does not speak the protocol version of the journal. */
  | 'incompatibleDeployment'
  /** `invoke`: the service or handler was removed meanwhile. */
  | 'unknownTarget'
  /** `removeDeployment`: in-flight invocations are pinned to it or it is the newest of a service. */
  | 'inUse'
  /** The record came too late to matter: another attempt, a fired timer, an ended invocation, an older version. */
  | 'stale';
