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
  ServiceMetadata,
} from '../../core/model.ts';
import { Exchange, type Sent } from '../../ingress/testing/scripted-engine.ts';
import { silent } from '../../ingress/testing/setup.ts';
import type { Operations, Registered, RegisterRequest } from '../../partition/engine.ts';
import type { CodedError } from '../../platform/error.ts';
import type { Clock } from '../../platform/ports.ts';
import { createAdmin } from '../admin.ts';
import type { AllowedHosts } from '../host.ts';

const clock: Clock = { now: () => 1_000, monotonicMs: () => 0 };
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** An engine whose next answers a test writes down. */
export class Script implements Operations {
  outcome: Outcome = 'applied';
  found: readonly ServiceMetadata[] = [];
  all: readonly Deployment[] = [];
  registered: Registered['kind'] | CodedError = 'created';
  requests: RegisterRequest[] = [];
  one: Invocation | CompletedInvocation | undefined;
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
  cancel(_id: InvocationId, done: (outcome: Outcome) => void) {
    done(this.outcome);
  }
  kill = this.cancel;
  resume = this.cancel;
  register(request: RegisterRequest): Promise<Registered> {
    this.requests.push(request);
    if (this.registered instanceof Error) return Promise.reject(this.registered);
    return Promise.resolve({ deployment: this.all[0] as Deployment, kind: this.registered });
  }
  removeDeployment(): Promise<Outcome> {
    return Promise.resolve(this.outcome);
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

export const DP = encodeId('dp', new Uint8Array(16).fill(3)) as DeploymentId;
export const INV = encodeInvocationId(new Uint8Array(24).fill(5)) as InvocationId;
export const ARN = 'arn:aws:lambda:us-east-1:123456789012:function:f:1';
