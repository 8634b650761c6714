/**
 * What a discovered manifest becomes: a deployment with the revisions of its services, or a reason why not. Pure.
 * Deployments are immutable: the same address is discovered again only when `force` asks to overwrite it.
 */
import { MAX_PROTOCOL_VERSION } from '@holdfast/protocol';
import type {
  Deployment,
  DeploymentId,
  Endpoint,
  HandlerMetadata,
  HandlerOptions,
  RetryPolicy,
  ServiceMetadata,
} from '../core/model.ts';
import { revisionIn } from '../core/registry.ts';
import type { View } from '../core/table.ts';
import type { Discovered } from '../invoker/discovery.ts';
import type { HandlerManifest, ManifestOptions, ServiceManifest } from '../invoker/manifest.ts';
import { CodedError } from '../platform/error.ts';
import type { Address, RegisterRequest } from './engine.ts';

/** The newest version of the service protocol that can be agreed on. */
export const SERVER_PROTOCOL_VERSION = MAX_PROTOCOL_VERSION;

/** Used where neither handler nor service say anything. */
export interface ServiceDefaults {
  readonly retryPolicy: RetryPolicy;
  readonly idempotencyRetentionMs: number;
  readonly journalRetentionMs: number;
  readonly workflowRetentionMs: number;
  readonly inactivityTimeoutMs: number;
  readonly abortTimeoutMs: number;
}

export interface Registration {
  readonly request: RegisterRequest;
  readonly manifest: Discovered;
  readonly id: DeploymentId;
  readonly createdAt: number;
  readonly defaults: ServiceDefaults;
  /** The newest version of the service protocol to agree on. */
  readonly protocolVersionMax: number;
}

/** Two deployments are one when they agree in this and in their headers. */
export const addressOf = (address: Address | Endpoint): string =>
  address.kind === 'lambda' ? address.arn : address.uri;

export function findByAddress(view: View, request: RegisterRequest): Deployment | undefined {
  const wanted = JSON.stringify(sortedHeaders(request));
  for (const [, deployment] of view.scan('deployment', '')) {
    const isThere = addressOf(deployment.endpoint) === addressOf(request.address);
    if (isThere && JSON.stringify(deployment.additionalHeaders) === wanted) return deployment;
  }
  return undefined;
}

/** Throws META0006 for a revision that would break callers. */
export function planDeployment(view: View, registration: Registration): Deployment {
  const { request, manifest, id, createdAt, defaults, protocolVersionMax } = registration;
  const services = manifest.services.map(service => {
    const newest = newestRevision(view, service.name);
    const current = currentRevision(view, service.name) ?? newest?.service;
    if (current !== undefined && !request.breaking && !request.force) {
      checkCompatible(current, service, 'Register with "breaking": true');
    }
    const replaced = revisionOf(view, id, service.name);
    return toService(service, replaced ?? (newest?.revision ?? 0) + 1, defaults);
  });
  return {
    id,
    endpoint: endpointOf(request.address, manifest),
    additionalHeaders: sortedHeaders(request),
    metadata: request.metadata ?? {},
    createdAt,
    minProtocolVersion: manifest.minProtocolVersion,
    maxProtocolVersion: manifest.maxProtocolVersion,
    protocolVersion: Math.min(manifest.maxProtocolVersion, protocolVersionMax),
    ...(manifest.sdkVersion === undefined ? {} : { sdkVersion: manifest.sdkVersion }),
    services,
  };
}

/** The address, and what its SDK has said about how to speak to it. */
function endpointOf(address: Address, manifest: Discovered): Endpoint {
  const { lambdaCompression, offload, protocolMode } = manifest;
  if (address.kind === 'http') {
    return { ...address, bidirectional: address.http === 2 && protocolMode === 'BIDI_STREAM' };
  }
  return {
    ...address,
    ...(lambdaCompression === undefined ? {} : { compression: lambdaCompression }),
    ...(offload ? { offload } : {}),
  };
}

/** What callers have now; after a rollback that is not the newest. */
function currentRevision(view: View, name: string): ServiceMetadata | undefined {
  const pointer = view.get('service', name);
  const deployment = pointer && view.get('deployment', pointer.deployment);
  return deployment?.services.find(service => service.name === name);
}

function newestRevision(view: View, name: string) {
  let newest: { readonly revision: number; readonly service: ServiceMetadata } | undefined;
  for (const [, { services }] of view.scan('deployment', '')) {
    const service = services.find(candidate => candidate.name === name);
    if (service !== undefined && service.revision > (newest?.revision ?? 0)) {
      newest = { revision: service.revision, service };
    }
  }
  return newest;
}

function revisionOf(view: View, id: DeploymentId, name: string): number | undefined {
  const deployment = view.get('deployment', id);
  return deployment && revisionIn(deployment, name);
}

/** `what` breaks callers: its type changes, or handlers go. */
export function checkCompatible(
  before: ServiceMetadata,
  after: Pick<ServiceMetadata, 'name' | 'type'> & { readonly handlers: readonly { readonly name: string }[] },
  how: string,
): void {
  const removed = before.handlers.filter(
    ({ name }) => !after.handlers.some(handler => handler.name === name),
  );
  if (before.type === after.type && removed.length === 0) return;
  const what =
    before.type === after.type
      ? `no longer has the handler ${removed.map(({ name }) => name).join(', ')}`
      : `changes from ${before.type} to ${after.type}`;
  throw new CodedError(
    'META0006',
    `${after.name} ${what}, which breaks its callers. ${how} if that is meant.`,
  );
}

/** Throws META0016 where a changed address offers something else than the deployment had. */
export function checkSimilar(before: Deployment, after: Deployment): void {
  const { protocolVersion: version } = before;
  if (version < after.minProtocolVersion || version > after.maxProtocolVersion) {
    throw new CodedError(
      'META0016',
      `the address does not speak protocol V${version}, which invocations on ${before.id} were begun with. Send ` +
        '"overwrite": true if none of them is left, or if they may fail.',
    );
  }
  const names = (services: readonly ServiceMetadata[]): string =>
    JSON.stringify(
      services
        .map(({ name, type, handlers }) => [
          name,
          type,
          handlers.map(handler => `${handler.name} ${handler.type}`).sort(),
        ])
        .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    );
  if (names(before.services) === names(after.services)) return;
  throw new CodedError(
    'META0016',
    `the address does not have the same services and handlers as ${before.id}. Register it as a deployment of its ` +
      'own, or send "overwrite": true if it is to take the place of this one.',
  );
}

function toService(service: ServiceManifest, revision: number, defaults: ServiceDefaults): ServiceMetadata {
  const { options } = service;
  return {
    name: service.name,
    type: service.type,
    revision,
    public: options.ingressPrivate !== true,
    ...described(service),
    idempotencyRetentionMs: options.idempotencyRetentionMs ?? defaults.idempotencyRetentionMs,
    journalRetentionMs: options.journalRetentionMs ?? defaults.journalRetentionMs,
    workflowRetentionMs: options.workflowRetentionMs ?? defaults.workflowRetentionMs,
    inactivityTimeoutMs: options.inactivityTimeoutMs ?? defaults.inactivityTimeoutMs,
    abortTimeoutMs: options.abortTimeoutMs ?? defaults.abortTimeoutMs,
    enableLazyState: options.enableLazyState ?? false,
    retryPolicy: { ...defaults.retryPolicy, ...retryPolicy(options) },
    handlers: service.handlers.map(handler => toHandler(handler, options.ingressPrivate !== true)),
  };
}

function toHandler(handler: HandlerManifest, servicePublic: boolean): HandlerMetadata {
  const { ingressPrivate, retryPolicy: _, ...options } = handler.options;
  const policy = retryPolicy(handler.options);
  return {
    name: handler.name,
    ...(handler.type === undefined ? {} : { type: handler.type }),
    public: ingressPrivate === undefined ? servicePublic : !ingressPrivate,
    ...described(handler),
    input: handler.input,
    output: handler.output,
    ...(options satisfies HandlerOptions),
    ...(Object.keys(policy).length === 0 ? {} : { retryPolicy: policy }),
  };
}

const retryPolicy = (options: ManifestOptions): Partial<RetryPolicy> => options.retryPolicy ?? {};

const described = ({ documentation, metadata }: ServiceManifest | HandlerManifest) => ({
  ...(documentation === undefined ? {} : { documentation }),
  ...(metadata === undefined ? {} : { metadata }),
});

const sortedHeaders = ({ additionalHeaders }: RegisterRequest) =>
  Object.entries(additionalHeaders ?? {})
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
