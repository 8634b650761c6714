/**
 * Commands: the records of the log, and so the only input of `apply`. Whoever proposes one has stamped the time
 * and minted every id and seed in it (C1); an attempt's answer, or each part of a live one, is one command, applied
 * whole or not at all (C6).
 */
import type {
  AttemptFailure,
  Deployment,
  DeploymentId,
  Failures,
  Future,
  Header,
  InvocationId,
  Keyed,
  NotificationResult,
  Result,
  ServiceMetadata,
  SignalId,
  StatePatch,
  Target,
} from './model.ts';

/** An id and seed minted for an invocation that a command may create. */
export interface Minted {
  readonly id: InvocationId;
  readonly randomSeed: bigint;
  /** The id follows from the request (idempotency key, or the key of a workflow): to find it is to find an earlier one. */
  readonly deterministic: boolean;
}

interface Framed {
  /** The whole command frame as the SDK sent it; becomes the journal entry. */
  readonly frame: Uint8Array;
  /** Wire type code of the frame. */
  readonly type: number;
}

interface Callee {
  readonly target: Target;
  readonly headers: readonly Header[];
  readonly parameter: Uint8Array;
  readonly idempotencyKey: string | undefined;
  readonly limitKey?: string | undefined;
  readonly callee: Minted;
  /** Completion that tells the callee's id. */
  readonly idCompletionId: number;
}

/** What one frame of an attempt's answer asks for. */
export type Op =
  | (Framed & { readonly op: 'output'; readonly result: Result })
  | (Framed & { readonly op: 'sleep'; readonly completionId: number; readonly wakeAt: number })
  | (Framed & Callee & { readonly op: 'call'; readonly completionId: number })
  | (Framed & Callee & { readonly op: 'send'; readonly startAt: number })
  | (Framed & { readonly op: 'run'; readonly completionId: number })
  /** Not a command: the result of an earlier `run`, journaled as its completion. */
  | { readonly op: 'runCompletion'; readonly completionId: number; readonly result: Result }
  /** Also completes awakeables, which are signals, and cancels (signal 1). */
  | (Framed & {
      readonly op: 'signal';
      readonly target: InvocationId;
      readonly signal: SignalId;
      readonly result: NotificationResult;
    })
  | (Framed & { readonly op: 'attach'; readonly completionId: number; readonly target: InvocationId })
  | (Framed & { readonly op: 'getOutput'; readonly completionId: number; readonly target: InvocationId })
  /** The lazy forms, which the orchestrator answers. */
  | (Framed & { readonly op: 'getState'; readonly completionId: number; readonly key: string })
  | (Framed & { readonly op: 'getStateKeys'; readonly completionId: number })
  /** The eager forms of both: the handler had the answer and records it. */
  | (Framed & { readonly op: 'readState' })
  | (Framed & { readonly op: 'setState'; readonly key: string; readonly value: Uint8Array })
  | (Framed & { readonly op: 'clearState'; readonly key: string })
  | (Framed & { readonly op: 'clearAllState' })
  | (Framed & {
      readonly op: 'getPromise' | 'peekPromise';
      readonly completionId: number;
      readonly name: string;
    })
  | (Framed & {
      readonly op: 'completePromise';
      readonly completionId: number;
      readonly name: string;
      readonly result: Result;
    });

/** What happens after a failed attempt; decided by `invoker/retry` before the command is proposed. */
export type AfterFailure =
  | { readonly kind: 'retry'; readonly delayMs: number; readonly failures: Failures }
  | { readonly kind: 'pause' }
  | { readonly kind: 'kill' };

export type AttemptEnd =
  | { readonly kind: 'completed' }
  | { readonly kind: 'suspended'; readonly awaiting: Future }
  | { readonly kind: 'failed'; readonly failure: AttemptFailure; readonly after: AfterFailure }
  /** A part of a live attempt, which goes on. */
  | { readonly kind: 'goesOn' };

export type Command =
  /** First record of a partition: the secret that keys deterministic invocation ids. */
  | { readonly type: 'initialize'; readonly idSecret: Uint8Array }
  | {
      readonly type: 'invoke';
      readonly minted: Minted;
      readonly target: Target;
      readonly headers: readonly Header[];
      readonly body: Uint8Array;
      readonly idempotencyKey: string | undefined;
      readonly limitKey?: string | undefined;
      /** 0: at once. */
      readonly startAt: number;
    }
  | {
      readonly type: 'attempt';
      readonly id: InvocationId;
      readonly attempt: number;
      /** The invocation's: a deterministic id may have begun again since, and counts its attempts from 1. */
      readonly randomSeed: bigint;
      /** How many journal entries the handler had been given when it ended. */
      readonly seenEntries: number;
      readonly ops: readonly Op[];
      readonly end: AttemptEnd;
    }
  | { readonly type: 'timerFired'; readonly timer: string }
  | {
      readonly type: 'signal';
      readonly id: InvocationId;
      readonly signal: SignalId;
      readonly result: NotificationResult;
    }
  | { readonly type: 'cancel'; readonly id: InvocationId }
  | { readonly type: 'kill'; readonly id: InvocationId }
  | { readonly type: 'pause'; readonly id: InvocationId }
  /** `deployment`: where it goes on; absent: where it is pinned. */
  | { readonly type: 'resume'; readonly id: InvocationId; readonly deployment: DeploymentId | undefined }
  /** Runs a completed invocation once more, under a new id. */
  | {
      readonly type: 'restartAsNew';
      readonly id: InvocationId;
      readonly minted: Minted;
      /** Pins it; absent: to the newest when it starts. */
      readonly deployment: DeploymentId | undefined;
      /** What of the journal it begins with, chosen while that was there to be read. */
      readonly kept: KeptJournal;
    }
  | { readonly type: 'purge'; readonly id: InvocationId }
  | { readonly type: 'purgeJournal'; readonly id: InvocationId }
  | {
      readonly type: 'patchState';
      readonly of: Keyed;
      readonly patch: StatePatch;
    }
  | {
      readonly type: 'registerDeployment';
      readonly deployment: Deployment;
      /** What an operator set for its services stays: it is the same code at another address. */
      readonly keepSettings: boolean;
    }
  /** New invocations of its services go to it again, although newer ones exist. */
  | { readonly type: 'promoteDeployment'; readonly id: DeploymentId }
  | { readonly type: 'removeDeployment'; readonly id: DeploymentId }
  /** Settings changed by an operator, until the service's next revision. */
  | { readonly type: 'updateService'; readonly deployment: DeploymentId; readonly service: ServiceMetadata };

export interface KeptJournal {
  /** Indexes of the entries, ascending; the input (0) is always there. */
  readonly entries: readonly number[];
  /** Completion ids in use by them, as `Invocation.completionIds` has them. */
  readonly completionIds: readonly number[];
}

export type CommandOf<T extends Command['type']> = Extract<Command, { type: T }>;

/** A durable command, as `apply` sees it. */
export interface CommandRecord {
  /** When it was proposed, by the wall clock: it decreases along the log when that is set back. */
  readonly at: number;
  readonly command: Command;
}
