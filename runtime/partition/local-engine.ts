/** The partition as ingress and admin see it. */
import { encodeId, MIN_PROTOCOL_VERSION } from '@holdfast/protocol';
import type { Outcome } from '../core/effect.ts';
import { SERVER_PROTOCOL_VERSION } from '../core/lifecycle.ts';
import type {
  CompletedInvocation,
  Deployment,
  DeploymentId,
  Entry,
  Invocation,
  InvocationId,
  NotificationResult,
  ServiceMetadata,
  SignalId,
  Target,
} from '../core/model.ts';
import { discoverLambda } from '../invoker/discovery.ts';
import { parseLambdaArn } from '../invoker/lambda-arn.ts';
import type { LambdaClient } from '../invoker/lambda-client.ts';
import { CodedError } from '../platform/error.ts';
import type { Clock, Random } from '../platform/ports.ts';
import type {
  Invocations,
  InvokeOutcome,
  InvokeRequest,
  Operations,
  OutputState,
  Registered,
  RegisterRequest,
  Reply,
  ResolvedHandler,
} from './engine.ts';
import type { Partition } from './partition.ts';
import { findByAddress, planDeployment, type ServiceDefaults } from './registration.ts';

export interface EngineOptions {
  readonly partition: Partition;
  readonly client: LambdaClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly defaults: ServiceDefaults;
  /** Rejects with the reason when the function cannot be called; asked only after a failed discovery. */
  readonly lookUpFunction?: (arn: string) => Promise<unknown>;
}

const PROTOCOL = { min: MIN_PROTOCOL_VERSION, max: SERVER_PROTOCOL_VERSION } as const;

export class LocalEngine implements Invocations, Operations {
  private readonly options: EngineOptions;
  private readonly partition: Partition;
  private changing: Promise<void> = Promise.resolve();
  private refusal: string | undefined;

  constructor(options: EngineOptions) {
    this.options = options;
    this.partition = options.partition;
  }

  service(name: string): ServiceMetadata | undefined {
    const id = this.deploymentOf(name);
    const deployment = id && this.deployment(id);
    return deployment?.services.find(service => service.name === name);
  }

  serviceNames(): readonly string[] {
    return [...this.partition.state.scan('service', '')].map(([name]) => name);
  }

  resolve(serviceName: string, handlerName: string): ResolvedHandler | undefined {
    const service = this.service(serviceName);
    const handler = service?.handlers.find(({ name }) => name === handlerName);
    return service === undefined || handler === undefined ? undefined : { service, handler };
  }

  invoke(request: InvokeRequest, done: (outcome: InvokeOutcome) => void): void {
    const { target, headers, body, idempotencyKey, delayMs } = request;
    const minted = this.partition.ids.callee(target, idempotencyKey);
    const { id } = minted;
    // What is visible here is durable, so a known id needs no record.
    if (idempotencyKey !== undefined && this.invocation(id) !== undefined) {
      done({ kind: 'alreadyAccepted', id });
      return;
    }
    if (this.refusal !== undefined) {
      done({ kind: 'unavailable', reason: this.refusal });
      return;
    }
    const startAt = delayMs === undefined ? 0 : this.options.clock.now() + delayMs;
    this.partition.propose(
      { type: 'invoke', minted, target, headers, body, idempotencyKey, startAt },
      outcome => {
        if (outcome === 'unknownTarget') done({ kind: 'unknownTarget' });
        else {
          const kind = outcome === 'alreadyAccepted' ? 'alreadyAccepted' : 'accepted';
          // An earlier request has its own start.
          done({ kind, id, ...(delayMs === undefined || kind === 'alreadyAccepted' ? {} : { startAt }) });
        }
      },
    );
  }

  idempotentId(target: Target, idempotencyKey: string): InvocationId {
    return this.partition.ids.idempotent(target, idempotencyKey);
  }

  awaitResult(id: InvocationId, done: (reply: Reply) => void): (() => void) | undefined {
    return this.partition.waiters.wait(id, done);
  }

  output(id: InvocationId): OutputState {
    const row = this.invocation(id);
    if (row === undefined) return { kind: 'unknown' };
    if (!('result' in row)) return { kind: 'pending' };
    return { kind: 'done', reply: { id, result: row.result, target: row.target, expiresAt: row.expiresAt } };
  }

  signal(
    id: InvocationId,
    signal: SignalId,
    result: NotificationResult,
    done: (outcome: Outcome) => void,
  ): void {
    // One that is not there now will not be: its awakeables were named by its own attempts. Anyone may send such a
    // request, so it must not cost a record.
    if (this.partition.state.get('invocation', id) === undefined) done('unknown');
    else this.partition.propose({ type: 'signal', id, signal, result }, done);
  }

  services(): readonly ServiceMetadata[] {
    return this.serviceNames().flatMap(name => this.service(name) ?? []);
  }

  deploymentOf(service: string): DeploymentId | undefined {
    return this.partition.state.get('service', service)?.deployment;
  }

  deployments(): readonly Deployment[] {
    return [...this.partition.state.scan('deployment', '')].map(([, deployment]) => deployment);
  }

  deployment(id: DeploymentId): Deployment | undefined {
    return this.partition.state.get('deployment', id);
  }

  invocation(id: InvocationId): Invocation | CompletedInvocation | undefined {
    const { state } = this.partition;
    return state.get('invocation', id) ?? state.get('completed', id);
  }

  journal(id: InvocationId): readonly Entry[] {
    return [...this.partition.entries(id)];
  }

  cancel(id: InvocationId, done: (outcome: Outcome) => void): void {
    this.partition.propose({ type: 'cancel', id }, done);
  }

  kill(id: InvocationId, done: (outcome: Outcome) => void): void {
    this.partition.propose({ type: 'kill', id }, done);
  }

  resume(id: InvocationId, done: (outcome: Outcome) => void): void {
    this.partition.propose({ type: 'resume', id }, done);
  }

  /** From now on new invocations are refused for this reason; `undefined`: accepted again. */
  refuseNew(reason: string | undefined): void {
    this.refusal = reason;
  }

  register(request: RegisterRequest): Promise<Registered> {
    return this.afterOthers(() => this.registerNow(request));
  }

  /**
   * Changes of deployments one at a time, each decided on what the one before has made: so two registrations never
   * plan the same revision, and a service never falls back to a deployment that is being removed as unused.
   */
  private afterOthers<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.changing.then(change);
    this.changing = changed.then(
      () => undefined,
      // Whoever asked for it handles its failure; the next one goes on.
      () => undefined,
    );
    return changed;
  }

  private async registerNow(request: RegisterRequest): Promise<Registered> {
    parseLambdaArn(request.arn);
    const { client, clock, random, defaults } = this.options;
    const { state } = this.partition;
    const before = findByAddress(state, request);
    if (before !== undefined && !request.force) return { deployment: before, kind: 'unchanged' };
    const headers = request.additionalHeaders;
    const discovery = { arn: request.arn, protocol: PROTOCOL, ...(headers === undefined ? {} : { headers }) };
    const manifest = await discoverLambda(client, discovery).catch(error => this.explain(request.arn, error));
    const id = before?.id ?? (encodeId('dp', random.bytes(16).slice()) as DeploymentId);
    const createdAt = before?.createdAt ?? clock.now();
    const deployment = planDeployment(state, { request, manifest, id, createdAt, defaults });
    if (request.dryRun) return { deployment, kind: 'dryRun' };
    await new Promise<void>(resolve => {
      this.partition.propose({ type: 'registerDeployment', deployment }, () => resolve());
    });
    return { deployment, kind: before === undefined ? 'created' : 'overwritten' };
  }

  /** A call that fails says little; the function's configuration may say that it is not there or not ready. */
  private async explain(arn: string, failure: unknown): Promise<never> {
    const known: unknown = await this.options.lookUpFunction?.(arn).catch((error: unknown) => error);
    throw known instanceof CodedError && known.code !== 'META0003' ? known : failure;
  }

  removeDeployment(id: DeploymentId, force: boolean): Promise<Outcome> {
    return this.afterOthers(async () => {
      if (this.deployment(id) === undefined) return 'unknown';
      if (!force && this.partition.isInUse(id)) return 'inUse';
      return new Promise(resolve => this.partition.propose({ type: 'removeDeployment', id }, resolve));
    });
  }
}
