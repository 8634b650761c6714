/** Registering, listing, changing, promoting and removing deployments. */
import type { Deployment, Endpoint } from '../core/model.ts';
import type { Address, DeploymentChange, Operations, RegisterRequest } from '../partition/engine.ts';
import type { HttpRequest } from '../platform/http-handler.ts';
import { type Answer, badField, empty, failed, failure, json, refuse } from './answers.ts';
import { type Body, fieldOf, flag, onlyFields, readBody, strings, textField, unreadable } from './body.ts';
import { parseDeploymentId } from './deployment-id.ts';
import { deploymentJson, protocolJson, serviceJson } from './metadata.ts';
import { booleanParameter } from './query.ts';

type Done = (answer: Answer) => void;

/** Oldest first: ids are random, and a rollback looks for the one before the last. */
export function listDeployments(engine: Operations): Answer {
  const deployments = engine
    .deployments()
    .toSorted((a, b) => a.createdAt - b.createdAt)
    .map(deployment =>
      deploymentJson(
        deployment,
        deployment.services.map(({ name, revision }) => ({ name, revision })),
      ),
    );
  return json(200, { deployments });
}

export function describeDeployment(engine: Operations, id: string): Answer {
  return detailed(id, engine.deployment(parseDeploymentId(id)));
}

function detailed(id: string, deployment: Deployment | undefined): Answer {
  return deployment === undefined
    ? unknownDeployment(id)
    : json(200, deploymentJson(deployment, servicesOf(deployment)));
}

/** In place: what is pinned to it goes on at the new address. */
export function updateDeployment(engine: Operations, id: string, request: HttpRequest, done: Done): void {
  const deployment = parseDeploymentId(id);
  const change = parseChange(readBody(request), engine.deployment(deployment)?.endpoint);
  engine.updateDeployment(deployment, change).then(
    updated => done(detailed(id, updated)),
    error => done(failed(error)),
  );
}

/** Version 2 of the API has PUT for what is PATCH since. */
export function putDeployment(
  engine: Operations,
  id: string,
  request: HttpRequest,
  version: number,
  done: Done,
): void {
  if (version === 2) updateDeployment(engine, id, request, done);
  else done(failure(405, `use PATCH /deployments/${id.slice(0, 100)} to change a deployment`));
}

/** A rollback: new invocations go to this deployment again; those that have begun stay where they are. */
export function promoteDeployment(engine: Operations, id: string, request: HttpRequest, done: Done): void {
  const deployment = parseDeploymentId(id);
  const breaking = booleanParameter(request.query, 'breaking') ?? false;
  engine.promoteDeployment(deployment, breaking).then(
    promoted => done(detailed(id, promoted)),
    error => done(failed(error)),
  );
}

/**
 * `version` 2 of the API: `force` is the default, an unchanged deployment is a conflict and an overwritten one
 * counts as created.
 */
export function registerDeployment(
  engine: Operations,
  request: HttpRequest,
  version: number,
  done: Done,
): void {
  const parsed = parseRegister(readBody(request), version === 2);
  engine.register(parsed).then(
    ({ deployment, kind }) => {
      if (kind === 'unchanged' && version === 2) {
        done(
          failure(
            409,
            `deployment ${deployment.id} already has this address: register it with "force": true`,
          ),
        );
        return;
      }
      const created = kind === 'created' || kind === 'dryRun' || version === 2;
      const body = { id: deployment.id, services: servicesOf(deployment), ...protocolJson(deployment) };
      done(json(created ? 201 : 200, body, ['location', `deployments/${deployment.id}`]));
    },
    error => done(failed(error)),
  );
}

/** Without `force`, only what nothing uses any more is removed. */
export function removeDeployment(engine: Operations, id: string, request: HttpRequest, done: Done): void {
  const deployment = parseDeploymentId(id);
  const force = booleanParameter(request.query, 'force') ?? false;
  engine.removeDeployment(deployment, force).then(
    outcome => {
      if (outcome === 'unknown') done(unknownDeployment(id));
      else if (outcome === 'inUse') {
        const why =
          'new invocations of a service go to it, or invocations that have not ended are pinned to it';
        const fix =
          'Register or promote another deployment and let them end, or remove it with ?force=true, which breaks them';
        done(failure(409, `deployment '${id}' is in use: ${why}. ${fix}.`));
      } else done(empty(202));
    },
    error => done(failed(error)),
  );
}

function servicesOf(deployment: Deployment) {
  return deployment.services.map(service => serviceJson(service, deployment));
}

function unknownDeployment(id: string): Answer {
  return failure(404, `no deployment '${id}'`);
}

function parseRegister(body: Body, forceDefault: boolean): RegisterRequest {
  const address = parseAddress(body, undefined);
  if (address === undefined) throw unreadable('it has neither "arn" nor "uri"');
  const metadata = strings(body, 'metadata');
  return {
    address,
    ...parseHeaders(body),
    ...(metadata === undefined ? {} : { metadata }),
    force: flag(body, 'force') ?? forceDefault,
    breaking: flag(body, 'breaking') ?? false,
    dryRun: flag(body, 'dry_run') ?? false,
  };
}

const CHANGES = [
  'arn',
  'assume_role_arn',
  'assume_role_external_id',
  'uri',
  'use_http_11',
  'additional_headers',
  'overwrite',
  'dry_run',
];

function parseChange(body: Body, before: Endpoint | undefined): DeploymentChange {
  onlyFields(body, CHANGES);
  const address = parseAddress(body, before);
  return {
    ...(address === undefined ? {} : { address }),
    ...parseHeaders(body),
    overwrite: flag(body, 'overwrite') ?? false,
    dryRun: flag(body, 'dry_run') ?? false,
  };
}

/** The address that the body names; what it leaves out is as `before`. Undefined: it names none. */
function parseAddress(body: Body, before: Endpoint | undefined): Address | undefined {
  if (fieldOf(body, 'auth') !== undefined) {
    throw refuse(400, '"auth" is not supported: put what the endpoint wants into "additional_headers"');
  }
  const arn = fieldOf(body, 'arn');
  const uri = fieldOf(body, 'uri');
  const roleArn = textField(body, 'assume_role_arn');
  const externalId = textField(body, 'assume_role_external_id');
  const useHttp11 = flag(body, 'use_http_11');
  const isLambda = arn !== undefined || roleArn !== undefined || externalId !== undefined;
  if (isLambda && (uri !== undefined || useHttp11 !== undefined)) {
    throw unreadable(
      'it has fields of both a Lambda function (arn, assume_role_...) and an HTTP endpoint (uri, use_http_11)',
    );
  }
  if (isLambda) return lambdaAddress({ arn, roleArn, externalId }, before);
  if (uri === undefined && useHttp11 === undefined) return undefined;
  const known = before?.kind === 'http' ? before : undefined;
  const wanted = uri ?? known?.uri;
  if (typeof wanted !== 'string') throw unreadable('"uri" is not a string');
  const http = useHttp11 === undefined ? (known?.http ?? 2) : useHttp11 ? 1 : 2;
  return { kind: 'http', uri: wanted, http };
}

function lambdaAddress(
  wanted: { arn: unknown; roleArn: string | undefined; externalId: string | undefined },
  before: Endpoint | undefined,
): Address {
  const known = before?.kind === 'lambda' ? before : undefined;
  const arn = parseArn(wanted.arn ?? known?.arn);
  const roleArn = wanted.roleArn ?? known?.assumeRole?.arn;
  if (roleArn === undefined) {
    if (wanted.externalId === undefined) return { kind: 'lambda', arn };
    throw unreadable('"assume_role_external_id" goes with "assume_role_arn"');
  }
  if (!ROLE_ARN.test(roleArn))
    throw badField('assume_role_arn', 'it is not arn:aws:iam::<account>:role/<name>');
  const externalId = wanted.externalId ?? known?.assumeRole?.externalId;
  if (externalId !== undefined && !EXTERNAL_ID.test(externalId)) {
    throw badField('assume_role_external_id', 'it is not 2 to 1224 letters, digits and +=,.@:/\\-_');
  }
  return {
    kind: 'lambda',
    arn,
    assumeRole: { arn: roleArn, ...(externalId === undefined ? {} : { externalId }) },
  };
}

const ROLE_ARN = /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,576}$/;
const EXTERNAL_ID = /^[\w+=,.@:/\\-]{2,1224}$/;

function parseHeaders(body: Body): Pick<RegisterRequest, 'additionalHeaders'> {
  const additionalHeaders = strings(body, 'additional_headers');
  for (const [name, value] of Object.entries(additionalHeaders ?? {})) checkHeader(name, value);
  return additionalHeaders === undefined ? {} : { additionalHeaders };
}

const ARN = /^arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[a-zA-Z0-9_-]{1,140}(?<qualifier>:.*)?$/;
const QUALIFIER = /^:(\$LATEST|[a-zA-Z0-9_-]{1,128})$/;

function parseArn(arn: unknown): string {
  if (typeof arn !== 'string') throw unreadable('"arn" is not a string');
  const match = ARN.exec(arn);
  if (match === null)
    throw badField('arn', 'it is not arn:aws:lambda:<region>:<account>:function:<name>:<version>');
  if (!QUALIFIER.test(match.groups?.['qualifier'] ?? '')) {
    throw badField('arn', 'it needs a version or an alias behind the name (or $LATEST, quoted in a shell)');
  }
  return arn;
}

/** What the orchestrator says itself, and what belongs to a connection: another value would break every request. */
const OWN_HEADERS =
  /^(accept|accept-encoding|connection|content-encoding|content-length|content-type|expect|host|keep-alive|te|transfer-encoding|upgrade|x-restate-(invocation-id|service-key|signature-scheme|jwt-v1)|x-holdfast-.*)$/i;

function checkHeader(name: string, value: string): void {
  if (OWN_HEADERS.test(name)) {
    throw badField(
      'additional_headers',
      `'${name.slice(0, 100)}' is set by the orchestrator or the connection`,
    );
  }
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(name) || !/^[\t\x20-\x7e]*$/.test(value)) {
    throw badField('additional_headers', `'${name.slice(0, 100)}' is not a header`);
  }
}
