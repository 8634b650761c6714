/** Which deployment new invocations of a service go to, and what handlers deployments have. */
import type { Draft } from './draft.ts';
import type {
  Deployment,
  DeploymentId,
  HandlerMetadata,
  Role,
  ServiceMetadata,
  ServicePointer,
  ServiceType,
  Target,
} from './model.ts';

export interface Handler {
  readonly service: ServiceMetadata;
  readonly handler: HandlerMetadata;
}
type Reader = Pick<Draft, 'read'>;

/** A revision with the settings that an operator has changed. */
export function serviceIn(reader: Reader, id: DeploymentId, name: string): ServiceMetadata | undefined {
  const pointer = reader.read('service', name);
  if (pointer?.patched !== undefined && pointer.deployment === id) return pointer.patched;
  return reader.read('deployment', id)?.services.find(candidate => candidate.name === name);
}

export function handlerIn(reader: Reader, id: DeploymentId, target: Target): Handler | undefined {
  const service = serviceIn(reader, id, target.service);
  const handler = service?.handlers.find(candidate => candidate.name === target.handler);
  return service === undefined || handler === undefined ? undefined : { service, handler };
}

/** The handler that a new invocation of `target` would run. */
export function newestHandler(reader: Reader, target: Target): Handler | undefined {
  const pointer = reader.read('service', target.service);
  return pointer === undefined ? undefined : handlerIn(reader, pointer.deployment, target);
}

export function currentType(reader: Reader, name: string): ServiceType | undefined {
  const pointer = reader.read('service', name);
  return pointer && serviceIn(reader, pointer.deployment, name)?.type;
}

/** How long the newest revision keeps what a run leaves. */
export function workflowRetentionMs(reader: Reader, name: string): number {
  const pointer = reader.read('service', name);
  const service = pointer && serviceIn(reader, pointer.deployment, name);
  const run = service?.handlers.find(({ type }) => type === 'workflow');
  return run?.workflowRetentionMs ?? service?.workflowRetentionMs ?? 0;
}

export function roleOf({ service, handler }: Handler): Role {
  if (service.type === 'service') return 'service';
  if (service.type === 'workflow') return handler.type === 'workflow' ? 'workflow' : 'workflowShared';
  return handler.type === 'shared' ? 'shared' : 'exclusive';
}

/** Whether the id of such an invocation follows from its request. */
export const isDeterministic = (role: Role, idempotencyKey: string | undefined): boolean =>
  role === 'workflow' || idempotencyKey !== undefined;

/** After `gone` stopped offering `services`: each falls back to its newest revision elsewhere, or disappears. */
export function repointServices(
  draft: Draft,
  services: readonly ServiceMetadata[],
  gone: DeploymentId,
): void {
  for (const { name } of services) {
    if (draft.read('service', name)?.deployment !== gone) continue;
    draft.put('service', name, newestPointer(draft, name, gone));
  }
}

function newestPointer(draft: Draft, name: string, gone: DeploymentId): ServicePointer | undefined {
  let newest: ServicePointer | undefined;
  for (const [, deployment] of draft.scan('deployment', '')) {
    if (deployment.id === gone) continue;
    const revision = revisionIn(deployment, name);
    if (revision !== undefined && revision > (newest?.revision ?? 0)) {
      newest = { name, deployment: deployment.id, revision };
    }
  }
  return newest;
}

export const revisionIn = (deployment: Deployment, name: string): number | undefined =>
  deployment.services.find(service => service.name === name)?.revision;
