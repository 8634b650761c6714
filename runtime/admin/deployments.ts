/** Registering, listing and removing deployments. */
import { decodeId, ProtocolError } from '@holdfast/protocol';
import type { Deployment, DeploymentId } from '../core/model.ts';
import type { Operations, RegisterRequest } from '../partition/engine.ts';
import { type HttpRequest, headerOf } from '../platform/http-handler.ts';
import { type Answer, badField, empty, failed, failure, json, Refusal, refuse, text } from './answers.ts';
import { deploymentJson, protocolJson, serviceJson } from './metadata.ts';
import { booleanParameter } from './query.ts';

type Body = Readonly<Record<string, unknown>>;
type Done = (answer: Answer) => void;

export function listDeployments(engine: Operations): Answer {
  const deployments = engine.deployments().map(deployment =>
    deploymentJson(
      deployment,
      deployment.services.map(({ name, revision }) => ({ name, revision })),
    ),
  );
  return json(200, { deployments });
}

export function describeDeployment(engine: Operations, id: string): Answer {
  const deployment = engine.deployment(parseDeploymentId(id));
  return deployment === undefined
    ? unknownDeployment(id)
    : json(200, deploymentJson(deployment, servicesOf(deployment)));
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
  const parsed = parseRegister(parseBody(request), version === 2);
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
        const why = 'it is the newest of a service, or invocations that have not ended are pinned to it';
        const fix =
          'Register a newer deployment and let them end, or remove it with ?force=true, which breaks them';
        done(failure(409, `deployment '${id}' is in use: ${why}. ${fix}.`));
      } else done(empty(202));
    },
    error => done(failed(error)),
  );
}

function servicesOf(deployment: Deployment) {
  return deployment.services.map(service => serviceJson(service, deployment.id));
}

function unknownDeployment(id: string): Answer {
  return failure(404, `no deployment '${id}'`);
}

function parseDeploymentId(id: string): DeploymentId {
  try {
    decodeId('dp', id);
    return id as DeploymentId;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new Refusal(text(400, `bad deployment id in the path: ${error.message}`));
  }
}

function unreadable(why: string): Refusal {
  return new Refusal(text(422, `cannot read the JSON body: ${why}`));
}

/** A form or text body is what a page of another origin can send without being asked for permission. */
function parseBody(request: HttpRequest): Body {
  const contentType = headerOf(request, 'content-type') ?? '';
  if (!/^application\/(json|[^;]*\+json)\s*(;|$)/i.test(contentType)) {
    throw new Refusal(text(415, 'send the body with content-type: application/json'));
  }
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder().decode(request.takeBody()));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw unreadable(error.message);
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw unreadable('it is not an object');
  return body as Body;
}

function parseRegister(body: Body, forceDefault: boolean): RegisterRequest {
  if (body['arn'] === undefined && body['uri'] === undefined) throw unreadable('it has no "arn"');
  if (body['uri'] !== undefined) {
    throw refuse(
      400,
      'HTTP deployments ("uri") are not supported yet: register a Lambda function by its "arn"',
    );
  }
  if (body['assume_role_arn'] !== undefined && body['assume_role_arn'] !== null) {
    throw refuse(400, '"assume_role_arn" is not supported yet: allow the orchestrator\'s own role to invoke');
  }
  const additionalHeaders = strings(body, 'additional_headers');
  for (const [name, value] of Object.entries(additionalHeaders ?? {})) checkHeader(name, value);
  const metadata = strings(body, 'metadata');
  return {
    arn: parseArn(body['arn']),
    ...(additionalHeaders === undefined ? {} : { additionalHeaders }),
    ...(metadata === undefined ? {} : { metadata }),
    force: flag(body, 'force') ?? forceDefault,
    breaking: flag(body, 'breaking') ?? false,
    dryRun: flag(body, 'dry_run') ?? false,
  };
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

function checkHeader(name: string, value: string): void {
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(name) || !/^[\t\x20-\x7e]*$/.test(value)) {
    throw badField('additional_headers', `'${name.slice(0, 100)}' is not a header`);
  }
}

function flag(body: Body, field: string): boolean | undefined {
  const value = body[field];
  if (value === undefined || value === null || typeof value === 'boolean') return value ?? undefined;
  throw unreadable(`"${field}" is not true or false`);
}

function strings(body: Body, field: string): Readonly<Record<string, string>> | undefined {
  const value = body[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'object' || Array.isArray(value)) throw unreadable(`"${field}" is not an object`);
  const record: Record<string, string> = Object.create(null);
  for (const [name, member] of Object.entries(value)) {
    if (name === '__proto__') throw unreadable(`"${field}" must not have "__proto__"`);
    if (typeof member !== 'string') throw unreadable(`"${field}" holds something other than strings`);
    record[name] = member;
  }
  return record;
}
