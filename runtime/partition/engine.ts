/**
 * What ingress and admin see of a partition. Reads are synchronous and show only what is durable and applied;
 * writes call back when their record is durable and applied. A callback style, because this is the hot path:
 * `done` runs before any effect of its record, so a listener that is registered inside it misses nothing.
 */
import type { Outcome } from '../core/effect.ts';
import type {
  CompletedInvocation,
  Deployment,
  DeploymentId,
  Entry,
  HandlerMetadata,
  HandlerOptions,
  Header,
  Invocation,
  InvocationId,
  Keyed,
  NotificationResult,
  Result,
  RetryPolicy,
  ServiceMetadata,
  SignalId,
  StateEntry,
  Target,
} from '../core/model.ts';

/** For the run of a workflow `alreadyAccepted` says that the key was run before. */
export interface InvokeRequest {
  readonly target: Target;
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
  readonly idempotencyKey?: string;
  /** Goes with the scope of the target. */
  readonly limitKey?: string;
  /** How long to wait before it starts; counts from when it is accepted. */
  readonly delayMs?: number;
}

export type InvokeOutcome =
  | {
      readonly kind: 'accepted' | 'alreadyAccepted';
      readonly id: InvocationId /** Unix ms; only when delayed. */;
      readonly startAt?: number;
    }
  | { readonly kind: 'unknownTarget' }
  /** More waits than can be held. Nothing was accepted; it may be tried again soon. */
  | { readonly kind: 'overloaded'; readonly reason: string }
  /** Nothing was accepted and nothing new will be for now; why. Work that was accepted goes on. */
  | { readonly kind: 'unavailable'; readonly reason: string };

export interface Reply {
  readonly id: InvocationId;
  readonly result: Result;
  /** Set when the reply was served from a completed invocation that is kept until then (Unix ms). */
  readonly expiresAt?: number;
  readonly target: Target;
}

export type OutputState =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'pending' }
  | { readonly kind: 'done'; readonly reply: Reply };

export interface ResolvedHandler {
  readonly service: ServiceMetadata;
  readonly handler: HandlerMetadata;
}

export interface Invocations {
  /** The newest revision of a service; `undefined`: no deployment offers it. */
  service(name: string): ServiceMetadata | undefined;
  /** Names of the services that new invocations can reach, sorted. */
  serviceNames(): readonly string[];
  /** The newest revision's handler. */
  resolve(service: string, handler: string): ResolvedHandler | undefined;
  invoke(request: InvokeRequest, done: (outcome: InvokeOutcome) => void): void;
  /** The id that an idempotent invocation of this target has or would have. */
  idempotentId(target: Target, idempotencyKey: string): InvocationId;
  /** The id that the run of this workflow key has or would have. */
  workflowId(of: Keyed): InvocationId;
  /** Calls back once when the invocation has ended, at once if it has; returns a function that stops waiting. `undefined`: unknown id. */
  awaitResult(id: InvocationId, done: (reply: Reply) => void): (() => void) | undefined;
  output(id: InvocationId): OutputState;
  /** Resolves even when nobody is waiting: an awakeable id that belongs to no live invocation is not an error. */
  signal(
    id: InvocationId,
    signal: SignalId,
    result: NotificationResult,
    done: (outcome: Outcome) => void,
  ): void;
}

export interface Operations {
  /** Names of the services that new invocations can reach, sorted. */
  services(): readonly ServiceMetadata[];
  deploymentOf(service: string): DeploymentId | undefined;
  deployments(): readonly Deployment[];
  deployment(id: DeploymentId): Deployment | undefined;
  invocation(id: InvocationId): Invocation | CompletedInvocation | undefined;
  journal(id: InvocationId): readonly Entry[];
  cancel(id: InvocationId, done: (outcome: Outcome) => void): void;
  kill(id: InvocationId, done: (outcome: Outcome) => void): void;
  /** Takes effect when the attempt under way has ended. */
  pause(id: InvocationId, done: (outcome: Outcome) => void): void;
  /** `keep`: on the deployment it is pinned to. */
  resume(id: InvocationId, deployment: DeploymentChoice, done: (outcome: Outcome) => void): void;
  restartAsNew(request: RestartRequest, done: (outcome: RestartOutcome) => void): void;
  purge(id: InvocationId, done: (outcome: Outcome) => void): void;
  purgeJournal(id: InvocationId, done: (outcome: Outcome) => void): void;
  /** Who holds the key of an object or workflow. */
  holder(of: Keyed): InvocationId | undefined;
  /** The state of a key, in the order of its keys, and a name of its content. */
  state(of: Keyed): ObjectState;
  /**
   * Replaces the whole state of a key, when no exclusive handler holds it. A `version` that is not the state's when
   * that is done leaves it as it is; calls back when the request is durable. `tooMany`: nothing will come of it.
   */
  patchState(request: PatchStateRequest, done: (outcome: Outcome) => void): void;
  /** Settings of a service or handler until its next revision; `undefined`: it has no such service or handler. */
  updateService(name: string, change: ServiceChange): Promise<ServiceMetadata | undefined>;
  /**
   * New invocations go to this deployment again: a rollback. Rejects with META0006 when that takes handlers away
   * from callers, unless `breaking`. `undefined`: unknown deployment.
   */
  promoteDeployment(id: DeploymentId, breaking: boolean): Promise<Deployment | undefined>;
  /** Changes address or headers of a deployment in place. Rejects with a `CodedError` as `register` does, or META0016. */
  updateDeployment(id: DeploymentId, change: DeploymentChange): Promise<Deployment | undefined>;
  /**
   * Discovers what the deployment offers and registers it. Rejects with a `CodedError` (META…) when discovery
   * fails or the revision is not allowed. `dryRun` returns what would be, with an id that is not kept.
   */
  register(request: RegisterRequest): Promise<Registered>;
  /** `inUse` unless `force`. */
  removeDeployment(id: DeploymentId, force: boolean): Promise<Outcome>;
}

export type DeploymentChoice = 'keep' | 'latest' | DeploymentId;

export interface RestartRequest {
  readonly id: InvocationId;
  /** Index of the last journal entry to keep; 0 keeps the input alone. */
  readonly from: number;
  readonly deployment: DeploymentChoice;
}

export type RestartOutcome =
  | { readonly kind: 'restarted'; readonly id: InvocationId }
  | { readonly kind: 'refused'; readonly outcome: Outcome }
  /** `from` is past the end, or a command before it has no result; why. */
  | { readonly kind: 'badRange'; readonly reason: string }
  /** A prefix is kept for protocol V6 and later, whose random seed travels with the journal. */
  | { readonly kind: 'oldProtocol' };

export interface ObjectState {
  readonly version: string;
  readonly entries: readonly StateEntry[];
}

export interface PatchStateRequest {
  readonly of: Keyed;
  readonly version?: string;
  readonly entries: readonly StateEntry[];
}

export interface ServiceChange extends Omit<HandlerOptions, 'retryPolicy' | 'enableLazyState'> {
  /** Changes this handler alone. */
  readonly handler?: string;
  readonly public?: boolean;
  readonly retryPolicy?: Partial<RetryPolicy>;
}

export interface DeploymentChange {
  readonly address?: Address;
  readonly additionalHeaders?: Readonly<Record<string, string>>;
  /** Discovers anew and takes what is there, as `force` does. */
  readonly overwrite?: boolean;
  readonly dryRun?: boolean;
}

/** Where a deployment is; how it can be spoken to is found out. */
export type Address =
  | {
      readonly kind: 'lambda';
      /** Qualified. */
      readonly arn: string;
      readonly assumeRole?: { readonly arn: string; readonly externalId?: string };
    }
  | { readonly kind: 'http'; readonly uri: string; readonly http: 1 | 2 };

export interface RegisterRequest {
  readonly address: Address;
  readonly additionalHeaders?: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Discover again and overwrite the deployment of this address; implies `breaking`. */
  readonly force?: boolean;
  /** Allow a changed service type and removed handlers at a new address. */
  readonly breaking?: boolean;
  readonly dryRun?: boolean;
}

export interface Registered {
  readonly deployment: Deployment;
  readonly kind: 'created' | 'unchanged' | 'overwritten' | 'dryRun';
}
