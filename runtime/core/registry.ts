/** Which deployment new invocations of a service go to. */
import type { Draft } from './draft.ts';
import type { Deployment, DeploymentId, ServiceMetadata, ServicePointer } from './model.ts';

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
