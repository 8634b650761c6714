/** Test support: an admin API over a scripted engine, and a way to ask it. */
import { encodeId, encodeInvocationId } from '@holdfast/protocol';
import type { Outcome } from '../../core/effect.ts';
import type {
  CompletedInvocation,
  Deployment,
  DeploymentId,
  Entry,
  Invocation,
  InvocationId,
  Keyed,
  ServiceMetadata,
} from '../../core/model.ts';
import { Exchange, type Sent } from '../../ingress/testing/scripted-engine.ts';
import { silent } from '../../ingress/testing/setup.ts';
import type {
  DeploymentChange,
  DeploymentChoice,
  ObjectState,
  Operations,
  PatchStateRequest,
  Registered,
  RegisterRequest,
  RestartOutcome,
  RestartRequest,
  ServiceChange,
} from '../../partition/engine.ts';
import type { CodedError } from '../../platform/error.ts';
import type { Clock } from '../../platform/ports.ts';
import { createAdmin } from '../admin.ts';
import type { AllowedHosts } from '../host.ts';

const clock: Clock = { now: () => 1_000, monotonicMs: () => 0 };
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** An engine whose next answers a test writes down. */
export class Script implements Operations {
  /** Of the next operations; else they succeed. */
  outcome: Outcome | undefined;
  /** Of single invocations, where they differ. */
  outcomes = new Map<InvocationId, Outcome>();
  restarted: RestartOutcome = { kind: 'restarted', id: NEW };
  /** What was asked for, in order. */
  asked: unknown[] = [];
  stored: ObjectState = { version: 'v', entries: [] };
  /** What becomes of a service, where that is not what is found. */
  changed: ServiceMetadata | undefined;
  refused: CodedError | undefined;
  found: readonly ServiceMetadata[] = [];
  all: readonly Deployment[] = [];
  registered: Registered['kind'] | CodedError = 'created';
  requests: RegisterRequest[] = [];
  one: Invocation | CompletedInvocation | undefined;
  heldBy: InvocationId | undefined;
  entries: readonly Entry[] = [];

  services() {
    return this.found;
  }
  deploymentOf(name: string) {
    return this.all.find(({ services }) => services.some(service => service.name === name))?.id;
  }
  deployments() {
    return this.all;
  }
  deployment(id: DeploymentId) {
    return this.all.find(deployment => deployment.id === id);
  }
  invocation() {
    return this.one;
  }
  journal() {
    return this.entries;
  }
  #operate(verb: string, id: InvocationId, done: (outcome: Outcome) => void): void {
    this.asked.push([verb, id]);
    done(this.outcomes.get(id) ?? this.outcome ?? (verb === 'kill' ? 'ended' : 'applied'));
  }
  cancel(id: InvocationId, done: (outcome: Outcome) => void) {
    this.#operate('cancel', id, done);
  }
  kill(id: InvocationId, done: (outcome: Outcome) => void) {
    this.#operate('kill', id, done);
  }
  pause(id: InvocationId, done: (outcome: Outcome) => void) {
    this.#operate('pause', id, done);
  }
  purge(id: InvocationId, done: (outcome: Outcome) => void) {
    this.#operate('purge', id, done);
  }
  purgeJournal(id: InvocationId, done: (outcome: Outcome) => void) {
    this.#operate('purgeJournal', id, done);
  }
  resume(id: InvocationId, deployment: DeploymentChoice, done: (outcome: Outcome) => void) {
    this.#operate(`resume ${deployment}`, id, done);
  }
  restartAsNew(request: RestartRequest, done: (outcome: RestartOutcome) => void) {
    this.asked.push(request);
    done(this.restarted);
  }
  holder(): InvocationId | undefined {
    return this.heldBy;
  }

  state(of: Keyed) {
    this.asked.push(['state', of]);
    return this.stored;
  }
  patchState(request: PatchStateRequest, done: (outcome: Outcome) => void) {
    this.asked.push(request);
    done(this.outcome ?? 'applied');
  }
  updateService(name: string, change: ServiceChange) {
    this.asked.push([name, change]);
    if (this.refused !== undefined) return Promise.reject(this.refused);
    return Promise.resolve(this.changed ?? this.found.find(service => service.name === name));
  }
  promoteDeployment(id: DeploymentId, breaking: boolean) {
    this.asked.push(['promote', id, breaking]);
    return this.#deployment(id);
  }
  updateDeployment(id: DeploymentId, change: DeploymentChange) {
    this.asked.push([id, change]);
    return this.#deployment(id);
  }
  #deployment(id: DeploymentId): Promise<Deployment | undefined> {
    if (this.refused !== undefined) return Promise.reject(this.refused);
    return Promise.resolve(this.deployment(id));
  }
  register(request: RegisterRequest): Promise<Registered> {
    this.requests.push(request);
    if (this.registered instanceof Error) return Promise.reject(this.registered);
    return Promise.resolve({ deployment: this.all[0] as Deployment, kind: this.registered });
  }
  removeDeployment(): Promise<Outcome> {
    return Promise.resolve(this.outcome ?? 'applied');
  }
}

export function setUp(allowedHosts?: AllowedHosts) {
  const engine = new Script();
  const options = {
    engine,
    logger: silent,
    clock,
    version: '0.1.0',
    ingressEndpoint: 'http://127.0.0.1:8080/',
  };
  return {
    engine,
    admin: createAdmin({ ...options, ...(allowedHosts === undefined ? {} : { allowedHosts }) }),
  };
}

export const HOST = ['host', 'localhost:9070'] as const;
export function ask(
  admin: ReturnType<typeof createAdmin>,
  method: string,
  url: string,
  body = '',
  headers: (readonly [string, string])[] = [['content-type', 'application/json']],
): Promise<Sent> {
  return new Exchange(admin, method, url, [HOST, ...headers], body).answered;
}

export const NEW = encodeInvocationId(new Uint8Array(24).fill(9)) as InvocationId;
export const DP = encodeId('dp', new Uint8Array(16).fill(3)) as DeploymentId;
export const INV = encodeInvocationId(new Uint8Array(24).fill(5)) as InvocationId;
export const ARN = 'arn:aws:lambda:us-east-1:123456789012:function:f:1';
