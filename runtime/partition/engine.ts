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
  Header,
  Invocation,
  InvocationId,
  NotificationResult,
  Result,
  ServiceMetadata,
  SignalId,
  Target,
} from '../core/model.ts';

export interface InvokeRequest {
  readonly target: Target;
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
  readonly idempotencyKey?: string;
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
  resume(id: InvocationId, done: (outcome: Outcome) => void): void;
  /**
   * Discovers what the function offers and registers it. Rejects with a `CodedError` (META…) when discovery
   * fails or the revision is not allowed. `dryRun` returns what would be, with an id that is not kept.
   */
  register(request: RegisterRequest): Promise<Registered>;
  /** `inUse` unless `force`. */
  removeDeployment(id: DeploymentId, force: boolean): Promise<Outcome>;
}

export interface RegisterRequest {
  readonly arn: string;
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
