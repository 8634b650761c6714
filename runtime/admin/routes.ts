/**
 * The routes of the admin API, one row each: what it answers, what its OpenAPI document says about it, and the line
 * in the guide that the tests hold against it.
 */
import type { HttpRequest } from '../platform/http-handler.ts';
import { type Answer, empty, json } from './answers.ts';
import {
  describeDeployment,
  listDeployments,
  promoteDeployment,
  putDeployment,
  registerDeployment,
  removeDeployment,
  updateDeployment,
} from './deployments.ts';
import { describeInvocation, describeJournal } from './inspect.ts';
import {
  type InvocationOperation,
  OPERATIONS,
  type OperationName,
  operate,
  operateOnMany,
  terminateInvocation,
} from './invocations.ts';
import { adminDocument, type RouteDescription } from './openapi/admin-document.ts';
import type { QueryName, SchemaName } from './openapi/admin-schemas.ts';
import { serviceDocument } from './openapi/service-document.ts';
import type { AdminOptions } from './options.ts';
import {
  describeHandler,
  describeService,
  findService,
  listHandlers,
  listServices,
  updateHandler,
  updateService,
} from './services.ts';
import { describeState, patchState } from './state.ts';

export const VERSION_MIN = 2;
export const VERSION_MAX = 4;

export interface Operation {
  readonly options: AdminOptions;
  readonly request: HttpRequest;
  /** Of the API, as the path asks for it. */
  readonly version: number;
  readonly done: (answer: Answer) => void;
}

export interface Route extends RouteDescription {
  /** Gets the `{…}` segments of its path in order. */
  readonly run: (operation: Operation, p: string, q: string) => void;
}

/** A route that answers at once. */
function now(
  read: (options: AdminOptions, p: string, q: string, request: HttpRequest) => Answer,
): Route['run'] {
  return (o, p, q) => o.done(read(o.options, p, q, o.request));
}

const SERVER: readonly Route[] = [
  {
    method: 'GET',
    path: 'health',
    id: 'health',
    summary: 'Whether the server is up',
    answers: { 200: 'empty' },
    run: now(() => empty(200)),
  },
  {
    method: 'GET',
    path: 'version',
    id: 'version',
    summary: 'Versions of the server and of its admin API, and where ingress is',
    answers: { 200: 'Version' },
    run: now(describeVersion),
  },
  {
    method: 'GET',
    path: 'cluster-health',
    id: 'clusterHealth',
    summary: 'The nodes of the cluster',
    answers: { 200: 'ClusterHealth' },
    // One node, which is the cluster.
    run: now(() => json(200, { cluster_name: 'holdfast', metadata_cluster_health: { members: [1] } })),
  },
  {
    method: 'GET',
    path: 'openapi',
    id: 'openapi',
    summary: 'The OpenAPI 3.1 document of this API',
    answers: { 200: 'Document' },
    run: now(({ version }) => json(200, adminDocument(ROUTES, version))),
  },
];

const DEPLOYMENTS: readonly Route[] = [
  {
    method: 'GET',
    path: 'deployments',
    id: 'listDeployments',
    summary: 'All deployments, with the names and revisions of their services',
    answers: { 200: 'Deployments' },
    run: now(o => listDeployments(o.engine)),
  },
  {
    method: 'POST',
    path: 'deployments',
    id: 'registerDeployment',
    summary: 'Registers a Lambda function: 201, or 200 if its address was known',
    body: 'Register',
    answers: { 200: 'Registered', 201: 'Registered' },
    errors: [400, 409],
    run: o => registerDeployment(o.options.engine, o.request, o.version, o.done),
  },
  {
    method: 'GET',
    path: 'deployments/{deployment_id}',
    id: 'describeDeployment',
    summary: 'A deployment with all metadata of its services',
    answers: { 200: 'Deployment' },
    errors: [404],
    run: now((o, id) => describeDeployment(o.engine, id)),
  },
  {
    method: 'PATCH',
    path: 'deployments/{deployment_id}',
    id: 'updateDeployment',
    summary: 'Changes address or headers of a deployment in place',
    body: 'ChangeDeployment',
    answers: { 200: 'Deployment' },
    errors: [400, 404, 409],
    run: (o, id) => updateDeployment(o.options.engine, id, o.request, o.done),
  },
  {
    method: 'PUT',
    path: 'deployments/{deployment_id}',
    id: 'putDeployment',
    summary: 'As PATCH under /v2; 405 elsewhere',
    body: 'ChangeDeployment',
    answers: { 200: 'Deployment' },
    errors: [405],
    run: (o, id) => putDeployment(o.options.engine, id, o.request, o.version, o.done),
  },
  {
    method: 'DELETE',
    path: 'deployments/{deployment_id}',
    id: 'removeDeployment',
    summary: 'Removes a deployment that nothing uses any more',
    query: ['force'],
    answers: { 202: 'empty' },
    errors: [404, 409],
    run: (o, id) => removeDeployment(o.options.engine, id, o.request, o.done),
  },
  {
    method: 'POST',
    path: 'deployments/{deployment_id}/promote',
    id: 'promoteDeployment',
    summary: 'Rolls back or forward: new invocations of its services go to this deployment',
    query: ['breaking'],
    answers: { 200: 'Deployment' },
    errors: [404, 409],
    run: (o, id) => promoteDeployment(o.options.engine, id, o.request, o.done),
  },
];

const SERVICES: readonly Route[] = [
  {
    method: 'GET',
    path: 'services',
    id: 'listServices',
    summary: 'The services that new invocations reach',
    answers: { 200: 'Services' },
    run: now(o => listServices(o.engine)),
  },
  {
    method: 'GET',
    path: 'services/{service}',
    id: 'describeService',
    summary: 'The current revision of a service',
    answers: { 200: 'Service' },
    errors: [404],
    run: now((o, name) => describeService(o.engine, name)),
  },
  {
    method: 'PATCH',
    path: 'services/{service}',
    id: 'updateService',
    summary: 'Changes settings of a service until its next revision',
    body: 'ChangeSettings',
    answers: { 200: 'Service' },
    errors: [400, 404],
    run: (o, name) => updateService(o.options.engine, name, o.request, o.done),
  },
  {
    method: 'GET',
    path: 'services/{service}/handlers',
    id: 'listHandlers',
    summary: 'The handlers of a service',
    answers: { 200: 'Handlers' },
    errors: [404],
    run: now((o, name) => listHandlers(o.engine, name)),
  },
  {
    method: 'GET',
    path: 'services/{service}/handlers/{handler}',
    id: 'describeHandler',
    summary: 'One handler',
    answers: { 200: 'Handler' },
    errors: [404],
    run: now((o, name, handler) => describeHandler(o.engine, name, handler)),
  },
  {
    method: 'PATCH',
    path: 'services/{service}/handlers/{handler}',
    id: 'updateHandler',
    summary: 'Changes settings of one handler until the next revision of its service',
    body: 'ChangeSettings',
    answers: { 200: 'Handler' },
    errors: [400, 404],
    run: (o, name, handler) => updateHandler(o.options.engine, name, handler, o.request, o.done),
  },
  {
    method: 'GET',
    path: 'services/{service}/openapi',
    id: 'serviceOpenapi',
    summary: 'The OpenAPI 3.1 document of the ingress routes of a service',
    answers: { 200: 'Document' },
    errors: [404],
    run: now((o, name) => json(200, serviceDocument(findService(o.engine, name), o.ingressEndpoint))),
  },
  {
    method: 'GET',
    path: 'services/{service}/state',
    id: 'describeState',
    summary: 'The state of one key of an object or workflow, and the version of that state',
    query: ['key', 'scope'],
    answers: { 200: 'State' },
    errors: [400, 404, 413],
    run: now((o, name, _, request) => describeState(o.engine, name, request)),
  },
  {
    method: 'POST',
    path: 'services/{service}/state',
    id: 'patchState',
    summary: 'Replaces the whole state of a key, as soon as no exclusive handler holds it',
    body: 'ChangeState',
    answers: { 202: 'empty' },
    errors: [400, 404, 413],
    run: (o, name) => patchState(o.options.engine, name, o.request, o.done),
  },
];

const INVOCATIONS: readonly Route[] = [
  {
    method: 'GET',
    path: 'invocations/{invocation_id}',
    id: 'describeInvocation',
    summary: 'An invocation: status, attempts, last failure, result',
    answers: { 200: 'Invocation' },
    errors: [404],
    run: now((o, id) => describeInvocation(o.engine, id, o.clock.now())),
  },
  {
    method: 'GET',
    path: 'invocations/{invocation_id}/journal',
    id: 'describeJournal',
    summary: 'A page of its journal',
    query: ['from', 'limit'],
    answers: { 200: 'Journal' },
    errors: [404],
    run: now((o, id, _, request) => describeJournal(o.engine, id, request)),
  },
  {
    method: 'DELETE',
    path: 'invocations/{invocation_id}',
    id: 'terminateInvocation',
    summary: 'Cancels, kills or purges an invocation and does not tell what became of it',
    query: ['mode'],
    answers: { 202: 'empty' },
    run: (o, id) => terminateInvocation(o.options.engine, id, o.request, o.done),
  },
  ...operationNames().map(single),
  ...operationNames().map(batch),
];

function operationNames(): readonly OperationName[] {
  return Object.keys(OPERATIONS) as OperationName[];
}

function single(name: OperationName): Route {
  const { summary, choices, statuses }: InvocationOperation = OPERATIONS[name];
  const all = [...new Set(Object.values(statuses))].sort();
  const successes = all.filter(status => status < 300);
  const answer: SchemaName | 'empty' = 'restarted' in statuses ? 'Restarted' : 'empty';
  return {
    method: 'PATCH',
    path: `invocations/{invocation_id}/${name}`,
    id: `${camel(name)}Invocation`,
    summary,
    query: Object.keys(choices) as QueryName[],
    answers: Object.fromEntries(successes.map(status => [status, answer])),
    errors: all.filter(status => status >= 300),
    run: (o, id) => operate(o.options.engine, name, id, o.request, o.done),
  };
}

function batch(name: OperationName): Route {
  const { choices }: InvocationOperation = OPERATIONS[name];
  const body = 'from' in choices ? 'BatchRestart' : 'deployment' in choices ? 'BatchResume' : 'Batch';
  return {
    method: 'POST',
    path: `internal/invocations_batch_operations/${name}`,
    id: `${camel(name)}Invocations`,
    summary: `${name} for up to 1,000 invocations at once`,
    query: Object.keys(choices) as QueryName[],
    body,
    answers: { 200: 'BatchResult' },
    errors: [400],
    run: o => operateOnMany(o.options.engine, name, o.request, o.done),
  };
}

function camel(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

export const ROUTES: readonly Route[] = [...SERVER, ...DEPLOYMENTS, ...SERVICES, ...INVOCATIONS];

/** What a client may ask about before it uses it. */
const FEATURES = {
  vqueues: false,
  protocol_v7: false,
  scoped_virtual_objects: false,
  kafka_scope: false,
};

function describeVersion({ version, ingressEndpoint }: AdminOptions): Answer {
  return json(200, {
    version,
    min_admin_api_version: VERSION_MIN,
    max_admin_api_version: VERSION_MAX,
    ingress_endpoint: ingressEndpoint,
    features: FEATURES,
  });
}
