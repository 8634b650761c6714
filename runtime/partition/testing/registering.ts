/** Registrations against a world in which the test answers the discoveries. */
import type { Address, Registered, RegisterRequest } from '../engine.ts';
import type { LocalEngine } from '../local-engine.ts';
import type { Partition } from '../partition.ts';
import { addressOf } from '../registration.ts';
import { settled, World } from './world.ts';

export const CONTENT_TYPE = 'application/vnd.restate.endpointmanifest.v4+json';
export const arnOf = (version: string) => `arn:aws:lambda:us-east-1:123456789012:function:f:${version}`;
export const at = (version: string): Address => ({ kind: 'lambda', arn: arnOf(version) });

export type Offer = Readonly<Record<string, readonly string[]>>;

/** What the function answers: services with their handlers; `Obj` is a virtual object, `Wf` a workflow. */
export function manifest(offer: Offer): object {
  const services = Object.entries(offer).map(([name, handlers]) => ({
    name,
    ty: name === 'Obj' ? 'VIRTUAL_OBJECT' : name === 'Wf' ? 'WORKFLOW' : 'SERVICE',
    handlers: handlers.map(handler => ({ name: handler })),
  }));
  return { protocolMode: 'REQUEST_RESPONSE', minProtocolVersion: 5, maxProtocolVersion: 7, services };
}

export interface Fixture {
  readonly world: World;
  readonly partition: Partition;
  readonly engine: LocalEngine;
}

export async function setUp(): Promise<Fixture> {
  const world = new World();
  const partition = await world.open();
  return { world, partition, engine: world.engine(partition) };
}

/** The kind of registration, or the code of its refusal. */
export async function register(
  { world, engine }: Fixture,
  version: string,
  offer: Offer,
  options: Partial<RegisterRequest> = {},
): Promise<Registered['kind'] | string> {
  const asked = world.calls.length;
  const registering = engine.register({ address: at(version), ...options }).then(
    ({ kind }) => kind,
    (error: { readonly code: string }) => error.code,
  );
  await settled();
  discovered(world, asked, offer);
  return registering;
}

export function discovered(world: World, call: number, offer: Offer): void {
  const headers = { 'content-type': CONTENT_TYPE };
  const response = { statusCode: 200, headers, body: JSON.stringify(manifest(offer)) };
  world.calls[call]?.done({ kind: 'response', payload: Buffer.from(JSON.stringify(response)) });
}

/** Where new invocations go: `service@version revision`, with the handlers that they find. */
export function routes({ engine }: Fixture): readonly string[] {
  return engine.services().map(service => {
    const deployment = engine.deployment(engine.deploymentOf(service.name) as never);
    const version = deployment && addressOf(deployment.endpoint).split(':').at(-1);
    return `${service.name}@${version} r${service.revision} ${service.handlers.map(({ name }) => name).join(',')}`;
  });
}
