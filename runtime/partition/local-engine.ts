/** The partition as ingress and admin see it. */
import type { Command, CommandOf } from '../core/command.ts';
import type { Outcome } from '../core/effect.ts';
import type {
  CompletedInvocation,
  Deployment,
  DeploymentId,
  Entry,
  Invocation,
  InvocationId,
  Keyed,
  NotificationResult,
  ServiceMetadata,
  SignalId,
  Target,
} from '../core/model.ts';
import { stateVersion } from '../core/object-state.ts';
import { serviceIn } from '../core/registry.ts';
import { instanceKey } from '../core/table.ts';
import { Deployments, type DeploymentsOptions } from './deployments.ts';
import type {
  DeploymentChange,
  DeploymentChoice,
  Invocations,
  InvokeOutcome,
  InvokeRequest,
  ObjectState,
  Operations,
  OutputState,
  PatchStateRequest,
  Registered,
  RegisterRequest,
  Reply,
  ResolvedHandler,
  RestartOutcome,
  RestartRequest,
  ServiceChange,
} from './engine.ts';
import type { Partition } from './partition.ts';
import { INPUT_ONLY, keptPrefix } from './restart.ts';
import { journalOf, stateOf } from './state.ts';

export type EngineOptions = DeploymentsOptions;

/** Below it a restarted invocation would draw other random numbers than its journal was written with. */
const SEED_PROTOCOL_VERSION = 6;

export class LocalEngine implements Invocations, Operations {
  private readonly options: EngineOptions;
  private readonly partition: Partition;
  private readonly changes: Deployments;
  private refusal: string | undefined;

  constructor(options: EngineOptions) {
    this.options = options;
    this.partition = options.partition;
    this.changes = new Deployments(options);
  }

  service(name: string): ServiceMetadata | undefined {
    const id = this.deploymentOf(name);
    const { state } = this.partition;
    return id && serviceIn({ read: state.get.bind(state) }, id, name);
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
    const { target, headers, body, idempotencyKey, limitKey, delayMs } = request;
    const minted = this.partition.ids.callee(target, idempotencyKey);
    const { id } = minted;
    // What is visible here is durable, so a known id needs no record.
    if (minted.deterministic && this.invocation(id) !== undefined) {
      done({ kind: 'alreadyAccepted', id });
      return;
    }
    if (this.refusal !== undefined) {
      done({ kind: 'unavailable', reason: this.refusal });
      return;
    }
    const { overload } = this.partition;
    if (overload !== undefined) {
      done({ kind: 'overloaded', reason: overload });
      return;
    }
    const startAt = delayMs === undefined ? 0 : this.options.clock.now() + delayMs;
    this.partition.propose(
      { type: 'invoke', minted, target, headers, body, idempotencyKey, limitKey, startAt },
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

  workflowId(of: Keyed): InvocationId {
    return this.partition.ids.workflow(of);
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
    return [...journalOf(this.partition.state, id)];
  }

  cancel(id: InvocationId, done: (outcome: Outcome) => void): void {
    this.partition.propose({ type: 'cancel', id }, done);
  }

  kill(id: InvocationId, done: (outcome: Outcome) => void): void {
    this.partition.propose({ type: 'kill', id }, done);
  }

  pause(id: InvocationId, done: (outcome: Outcome) => void): void {
    this.partition.propose({ type: 'pause', id }, done);
  }

  resume(id: InvocationId, choice: DeploymentChoice, done: (outcome: Outcome) => void): void {
    const target = this.partition.state.get('invocation', id)?.target;
    const deployment = target && this.chosen(choice, target, undefined);
    if (deployment === 'none') done('unknownDeployment');
    else this.partition.propose({ type: 'resume', id, deployment }, done);
  }

  restartAsNew(request: RestartRequest, done: (outcome: RestartOutcome) => void): void {
    const command = this.planRestart(request);
    if ('kind' in command) {
      done(command);
      return;
    }
    const { id } = command.minted;
    this.partition.propose(command, outcome =>
      done(outcome === 'applied' ? { kind: 'restarted', id } : { kind: 'refused', outcome }),
    );
  }

  /** A completed invocation does not change until it is gone, so what is decided here stays right. */
  private planRestart(request: RestartRequest): CommandOf<'restartAsNew'> | RestartOutcome {
    const { id, from } = request;
    const { state } = this.partition;
    const status = state.get('invocation', id)?.state.status;
    if (status !== undefined) {
      // It may end before the record is applied, and then nobody would have looked at what to keep.
      const isWaiting = status === 'scheduled' || status === 'queued';
      return { kind: 'refused', outcome: isWaiting ? 'notStarted' : 'notCompleted' };
    }
    const row = state.get('completed', id);
    let kept = INPUT_ONLY;
    // What cannot be restarted at all is told first.
    if (row !== undefined && row.role !== 'workflow' && row.entries > 0 && from > 0) {
      if ((row.protocolVersion ?? 0) < SEED_PROTOCOL_VERSION) return { kind: 'oldProtocol' };
      const prefix = keptPrefix(journalOf(this.partition.state, id), from);
      if (typeof prefix === 'string') return { kind: 'badRange', reason: prefix };
      kept = prefix;
    }
    const deployment = row && this.chosen(request.deployment, row.target, row.deployment);
    if (deployment === 'none') return { kind: 'refused', outcome: 'unknownDeployment' };
    const seed = kept === INPUT_ONLY ? undefined : row?.randomSeed;
    const minted = this.partition.ids.again(row?.target ?? NO_TARGET, seed);
    return { type: 'restartAsNew', id, minted, deployment, kept };
  }

  purge(id: InvocationId, done: (outcome: Outcome) => void): void {
    this.partition.propose({ type: 'purge', id }, done);
  }

  purgeJournal(id: InvocationId, done: (outcome: Outcome) => void): void {
    this.partition.propose({ type: 'purgeJournal', id }, done);
  }

  holder(of: Keyed): InvocationId | undefined {
    return this.partition.state.get('instance', instanceKey(of))?.holder;
  }

  state(of: Keyed): ObjectState {
    const entries = [...stateOf(this.partition.state, of)];
    return { version: stateVersion(entries), entries };
  }

  patchState({ of, version, entries }: PatchStateRequest, done: (outcome: Outcome) => void): void {
    const command: Command = { type: 'patchState', of, patch: { version, entries } };
    this.partition.propose(command, done);
  }

  /** Undefined: nothing is pinned; `none`: no deployment has the service any more. */
  private chosen(
    choice: DeploymentChoice,
    target: Target,
    kept: DeploymentId | undefined,
  ): DeploymentId | 'none' | undefined {
    if (choice === 'latest') return this.deploymentOf(target.service) ?? 'none';
    return choice === 'keep' ? kept : choice;
  }

  /** From now on new invocations are refused for this reason; `undefined`: accepted again. */
  refuseNew(reason: string | undefined): void {
    this.refusal = reason;
  }

  register(request: RegisterRequest): Promise<Registered> {
    return this.changes.register(request);
  }

  removeDeployment(id: DeploymentId, force: boolean): Promise<Outcome> {
    return this.changes.remove(id, force);
  }

  promoteDeployment(id: DeploymentId, breaking: boolean): Promise<Deployment | undefined> {
    return this.changes.promote(id, breaking);
  }

  updateDeployment(id: DeploymentId, change: DeploymentChange): Promise<Deployment | undefined> {
    return this.changes.update(id, change);
  }

  updateService(name: string, change: ServiceChange): Promise<ServiceMetadata | undefined> {
    return this.changes.updateService(name, change);
  }
}

const NO_TARGET: Target = { service: '', handler: '', key: '' };
