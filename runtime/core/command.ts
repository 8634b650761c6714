/**
 * Commands: the records of the log, and so the only input of `apply`. Whoever proposes one has stamped the time
 * and minted every id and seed in it (C1); an attempt's answer is one command, applied whole or not at all (C6).
 */
import type {
  AttemptFailure,
  Awaiting,
  Deployment,
  DeploymentId,
  Failures,
  Header,
  InvocationId,
  NotificationResult,
  Result,
  SignalId,
  Target,
} from './model.ts';

/** An id and seed minted for an invocation that a command may create. */
export interface Minted {
  readonly id: InvocationId;
  readonly randomSeed: bigint;
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
  | (Framed & { readonly op: 'getOutput'; readonly completionId: number; readonly target: InvocationId });

/** What happens after a failed attempt; decided by `invoker/retry` before the command is proposed. */
export type AfterFailure =
  | { readonly kind: 'retry'; readonly delayMs: number; readonly failures: Failures }
  | { readonly kind: 'pause' }
  | { readonly kind: 'kill' };

export type AttemptEnd =
  | { readonly kind: 'completed' }
  | { readonly kind: 'suspended'; readonly awaiting: Awaiting }
  | { readonly kind: 'failed'; readonly failure: AttemptFailure; readonly after: AfterFailure };

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
      /** 0: at once. */
      readonly startAt: number;
    }
  | {
      readonly type: 'attempt';
      readonly id: InvocationId;
      readonly attempt: number;
      /** How many journal entries the attempt was started with. */
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
  | { readonly type: 'resume'; readonly id: InvocationId }
  | { readonly type: 'registerDeployment'; readonly deployment: Deployment }
  | { readonly type: 'removeDeployment'; readonly id: DeploymentId };

export type CommandOf<T extends Command['type']> = Extract<Command, { type: T }>;

/** A durable command, as `apply` sees it. */
export interface CommandRecord {
  /** When it was proposed, by the wall clock: it decreases along the log when that is set back. */
  readonly at: number;
  readonly command: Command;
}
