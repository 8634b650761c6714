/**
 * Changes of deployments and of what services are set to: discovered and decided here, made by one record each.
 *
 * Invariant: one change at a time, each decided on what the one before has made: so two registrations never plan the
 * same revision, and a service never falls back to a deployment that is being removed as unused.
 */
import { encodeId, MIN_PROTOCOL_VERSION } from '@holdfast/protocol';
import type { Outcome } from '../core/effect.ts';
import type { Deployment, DeploymentId, ServiceMetadata } from '../core/model.ts';
import { serviceIn } from '../core/registry.ts';
import { type Discovered, discover } from '../invoker/discovery.ts';
import { parseHttpAddress } from '../invoker/http-endpoint.ts';
import { parseLambdaArn } from '../invoker/lambda-arn.ts';
import type { RequestIdentity, Transports } from '../invoker/transport.ts';
import { CodedError } from '../platform/error.ts';
import type { Clock, Random } from '../platform/ports.ts';
import type { Address, DeploymentChange, Registered, RegisterRequest, ServiceChange } from './engine.ts';
import type { Partition } from './partition.ts';
import {
  checkCompatible,
  checkSimilar,
  findByAddress,
  planDeployment,
  SERVER_PROTOCOL_VERSION,
  type ServiceDefaults,
} from './registration.ts';
import { changedService } from './service-change.ts';

export interface DeploymentsOptions {
  readonly partition: Partition;
  readonly transports: Transports;
  /** Signs what handlers are sent. */
  readonly identity?: RequestIdentity | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly defaults: ServiceDefaults;
  /** The newest version of the service protocol to agree on. @default the newest there is */
  readonly protocolVersionMax?: number | undefined;
  /** The one spelling of the address of an HTTP deployment; throws a `CodedError` where it may not be called. */
  readonly httpAddress?: (uri: string) => string;
  /** Rejects with the reason when the function cannot be called; asked only after a failed discovery. */
  readonly lookUpFunction?: (arn: string) => Promise<unknown>;
}

const canonicalAddress = (uri: string): string => parseHttpAddress(uri).uri;

export class Deployments {
  private readonly options: DeploymentsOptions;
  private readonly partition: Partition;
  private changing: Promise<void> = Promise.resolve();

  constructor(options: DeploymentsOptions) {
    this.options = options;
    this.partition = options.partition;
  }

  get(id: DeploymentId): Deployment | undefined {
    return this.partition.state.get('deployment', id);
  }

  /** Discovered before its turn comes: an address that does not answer holds up nobody else. */
  async register(asked: RegisterRequest): Promise<Registered> {
    const request = this.canonical(asked);
    const known = findByAddress(this.partition.state, request);
    if (known !== undefined && !request.force) return { deployment: known, kind: 'unchanged' };
    const manifest = await this.discover(request);
    return this.afterOthers(() => this.registerNow(request, manifest));
  }

  /** `inUse` unless `force`. */
  remove(id: DeploymentId, force: boolean): Promise<Outcome> {
    return this.afterOthers(async () => {
      if (this.get(id) === undefined) return 'unknown';
      if (!force && (await this.partition.isInUse(id))) return 'inUse';
      return this.propose({ type: 'removeDeployment', id });
    });
  }

  promote(id: DeploymentId, breaking: boolean): Promise<Deployment | undefined> {
    return this.afterOthers(async () => {
      const deployment = this.get(id);
      if (deployment === undefined) return undefined;
      for (const service of deployment.services) {
        const current = this.currentService(service.name);
        if (current !== undefined && !breaking)
          checkCompatible(current, service, 'Promote it with ?breaking=true');
      }
      await this.propose({ type: 'promoteDeployment', id });
      return this.get(id);
    });
  }

  update(id: DeploymentId, change: DeploymentChange): Promise<Deployment | undefined> {
    return this.afterOthers(async () => {
      const before = this.get(id);
      if (before === undefined) return undefined;
      const request = this.canonical({
        address: change.address ?? before.endpoint,
        additionalHeaders: change.additionalHeaders ?? Object.fromEntries(before.additionalHeaders),
        metadata: before.metadata,
        force: true,
      });
      const other = findByAddress(this.partition.state, request);
      if (other !== undefined && other.id !== id) {
        throw new CodedError('META0004', `deployment ${other.id} has this address already; remove it first`);
      }
      const deployment = this.plan(request, await this.discover(request), before);
      if (!change.overwrite) checkSimilar(before, deployment);
      const keepSettings = change.overwrite !== true;
      if (!change.dryRun) await this.propose({ type: 'registerDeployment', deployment, keepSettings });
      return deployment;
    });
  }

  /** Settings until the next revision; undefined: there is no such service or handler. */
  updateService(name: string, change: ServiceChange): Promise<ServiceMetadata | undefined> {
    return this.afterOthers(async () => {
      const service = this.currentService(name);
      const pointer = this.partition.state.get('service', name);
      const changed = service && changedService(service, change);
      if (changed === undefined || pointer === undefined) return undefined;
      await this.propose({ type: 'updateService', deployment: pointer.deployment, service: changed });
      return changed;
    });
  }

  private currentService(name: string): ServiceMetadata | undefined {
    const { state } = this.partition;
    const pointer = state.get('service', name);
    return pointer && serviceIn({ read: state.get.bind(state) }, pointer.deployment, name);
  }

  private propose(command: Parameters<Partition['propose']>[0]): Promise<Outcome> {
    return new Promise(resolve => this.partition.propose(command, resolve));
  }

  private afterOthers<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.changing.then(change);
    this.changing = changed.then(
      () => undefined,
      // Whoever asked for it handles its failure; the next one goes on.
      () => undefined,
    );
    return changed;
  }

  private async registerNow(request: RegisterRequest, manifest: Discovered): Promise<Registered> {
    const before = findByAddress(this.partition.state, request);
    // Somebody else may have been faster.
    if (before !== undefined && !request.force) return { deployment: before, kind: 'unchanged' };
    const deployment = this.plan(request, manifest, before);
    if (request.dryRun) return { deployment, kind: 'dryRun' };
    await this.propose({ type: 'registerDeployment', deployment, keepSettings: false });
    return { deployment, kind: before === undefined ? 'created' : 'overwritten' };
  }

  private plan(request: RegisterRequest, manifest: Discovered, before: Deployment | undefined): Deployment {
    const { clock, random, defaults, protocolVersionMax = SERVER_PROTOCOL_VERSION } = this.options;
    const id = before?.id ?? (encodeId('dp', random.bytes(16).slice()) as DeploymentId);
    const createdAt = before?.createdAt ?? clock.now();
    const registration = { request, manifest, id, createdAt, defaults, protocolVersionMax };
    return planDeployment(this.partition.state, registration);
  }

  /** One address has one spelling, and only one that may be called. */
  private canonical(request: RegisterRequest): RegisterRequest {
    const { address } = request;
    if (address.kind === 'lambda') {
      const { kind, arn, assumeRole } = address;
      parseLambdaArn(arn);
      // Where it is, and not what was found out about it before.
      return { ...request, address: { kind, arn, ...(assumeRole === undefined ? {} : { assumeRole }) } };
    }
    const uri = (this.options.httpAddress ?? canonicalAddress)(address.uri);
    return { ...request, address: { kind: 'http', uri, http: address.http } };
  }

  private async discover(request: RegisterRequest): Promise<Discovered> {
    const { address, additionalHeaders: headers = {} } = request;
    const { transports, identity, protocolVersionMax: max = SERVER_PROTOCOL_VERSION } = this.options;
    // How its SDK can be spoken to beyond that is what is to be found out.
    const endpoint = address.kind === 'lambda' ? address : { ...address, bidirectional: false };
    const transport = transports.of(endpoint);
    const protocol = { min: MIN_PROTOCOL_VERSION, max };
    try {
      return await discover(transport, { address: endpoint, headers, identity, protocol });
    } catch (error) {
      return this.explain(address, error);
    }
  }

  /** A call that fails says little; the function's configuration may say that it is not there or not ready. */
  private async explain(address: Address, failure: unknown): Promise<never> {
    if (address.kind === 'http') throw failure;
    const known: unknown = await this.options.lookUpFunction?.(address.arn).catch((error: unknown) => error);
    throw known instanceof CodedError && known.code !== 'META0003' ? known : failure;
  }
}
