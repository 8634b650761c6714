/** Services and handlers, and the settings of theirs that an operator may change until the next revision. */
import type { Deployment, RetryPolicy, ServiceMetadata } from '../core/model.ts';
import type { Operations, ServiceChange } from '../partition/engine.ts';
import { parseDurationMs } from '../platform/duration.ts';
import type { HttpRequest } from '../platform/http-handler.ts';
import { type Answer, badField, failed, failure, json, Refusal } from './answers.ts';
import { asObject, type Body, fieldOf, flag, onlyFields, readBody, unreadable } from './body.ts';
import { handlerJson, serviceJson } from './metadata.ts';

type Done = (answer: Answer) => void;

export function listServices(engine: Operations): Answer {
  const services = engine.services().map(service => serviceJson(service, deploymentOf(engine, service.name)));
  return json(200, { services });
}

function deploymentOf(engine: Operations, name: string): Deployment | undefined {
  const id = engine.deploymentOf(name);
  return id && engine.deployment(id);
}

export function findService(engine: Operations, name: string): ServiceMetadata {
  const service = engine.services().find(candidate => candidate.name === name);
  if (service === undefined) throw new Refusal(unknownService(name));
  return service;
}

function unknownService(name: string): Answer {
  return failure(404, `no service '${name.slice(0, 100)}': GET /services lists what deployments offer`);
}

export function describeService(engine: Operations, name: string): Answer {
  return json(200, serviceJson(findService(engine, name), deploymentOf(engine, name)));
}

export function listHandlers(engine: Operations, name: string): Answer {
  return json(200, { handlers: findService(engine, name).handlers.map(handlerJson) });
}

export function describeHandler(engine: Operations, name: string, handlerName: string): Answer {
  return json(200, handlerJson(findHandler(findService(engine, name), handlerName)));
}

function findHandler(service: ServiceMetadata, name: string) {
  const handler = service.handlers.find(candidate => candidate.name === name);
  if (handler !== undefined) return handler;
  throw new Refusal(failure(404, `service '${service.name}' has no handler '${name.slice(0, 100)}'`));
}

export function updateService(engine: Operations, name: string, request: HttpRequest, done: Done): void {
  const service = findService(engine, name);
  const change = readChange(readBody(request));
  if (change.workflowRetentionMs !== undefined && service.type !== 'workflow') {
    throw badField('workflow_completion_retention', `'${name}' is no workflow; see idempotency_retention`);
  }
  apply(engine, name, change, done, changed => serviceJson(changed, deploymentOf(engine, name)));
}

export function updateHandler(
  engine: Operations,
  name: string,
  handlerName: string,
  request: HttpRequest,
  done: Done,
): void {
  const { type } = findHandler(findService(engine, name), handlerName);
  const change = readChange(readBody(request));
  if (change.workflowRetentionMs !== undefined && type !== 'workflow') {
    throw badField('workflow_completion_retention', `'${handlerName}' is not the run of a workflow`);
  }
  if (change.idempotencyRetentionMs !== undefined && type === 'workflow') {
    throw badField(
      'idempotency_retention',
      'the run of a workflow has workflow_completion_retention instead',
    );
  }
  apply(engine, name, { ...change, handler: handlerName }, done, changed =>
    handlerJson(findHandler(changed, handlerName)),
  );
}

function apply(
  engine: Operations,
  name: string,
  change: ServiceChange,
  done: Done,
  describe: (changed: ServiceMetadata) => unknown,
): void {
  engine.updateService(name, change).then(
    changed => done(changed === undefined ? unknownService(name) : json(200, describe(changed))),
    error => done(failed(error)),
  );
}

const DURATIONS = {
  idempotency_retention: 'idempotencyRetentionMs',
  workflow_completion_retention: 'workflowRetentionMs',
  journal_retention: 'journalRetentionMs',
  inactivity_timeout: 'inactivityTimeoutMs',
  abort_timeout: 'abortTimeoutMs',
} as const;
const POLICY_DURATIONS = { initial_interval: 'initialIntervalMs', max_interval: 'maxIntervalMs' } as const;

const FIELDS = ['public', ...Object.keys(DURATIONS), 'retry_policy'];
const POLICY_FIELDS = [
  ...Object.keys(POLICY_DURATIONS),
  'exponentiation_factor',
  'max_attempts',
  'on_max_attempts',
];

function readChange(body: Body): ServiceChange {
  onlyFields(body, FIELDS);
  const isPublic = flag(body, 'public');
  const policy = fieldOf(body, 'retry_policy');
  return {
    ...(isPublic === undefined ? {} : { public: isPublic }),
    ...durations(body, DURATIONS),
    ...(policy === undefined ? {} : { retryPolicy: readPolicy(asObject(policy, '"retry_policy"')) }),
  };
}

function readPolicy(body: Body): Partial<RetryPolicy> {
  onlyFields(body, POLICY_FIELDS, 'retry_policy.');
  // Where it is shown, null means "no limit"; to take it for "as it is" would surprise.
  if (body['max_attempts'] === null) {
    throw badField('retry_policy.max_attempts', 'give a number, or leave it out to keep what holds');
  }
  const factor = fieldOf(body, 'exponentiation_factor');
  const maxAttempts = fieldOf(body, 'max_attempts');
  const onMaxAttempts = fieldOf(body, 'on_max_attempts');
  return {
    ...readIntervals(body),
    ...(factor === undefined ? {} : { factor: readFactor(factor) }),
    ...(maxAttempts === undefined ? {} : { maxAttempts: readAttempts(maxAttempts) }),
    ...(onMaxAttempts === undefined ? {} : { onMaxAttempts: readOnMaxAttempts(onMaxAttempts) }),
  };
}

/** Without a wait in between, a handler that fails at once is called thousands of times a second. */
function readIntervals(body: Body): Partial<RetryPolicy> {
  const intervals = durations(body, POLICY_DURATIONS);
  for (const [field, name] of Object.entries(POLICY_DURATIONS)) {
    if (intervals[name] === 0) throw badField(`retry_policy.${field}`, 'it is shorter than 1ms');
  }
  return intervals;
}

function readFactor(value: unknown): number {
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
  throw badField('retry_policy.exponentiation_factor', 'it is not a number above 0');
}

function readAttempts(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value;
  throw badField('retry_policy.max_attempts', 'it is not a number of attempts, of which there is at least 1');
}

function readOnMaxAttempts(value: unknown): 'pause' | 'kill' {
  const name = typeof value === 'string' ? value.toLowerCase() : '';
  if (name === 'pause' || name === 'kill') return name;
  throw badField('retry_policy.on_max_attempts', "it is neither 'Pause' nor 'Kill'");
}

function durations<Field extends string, Name extends string>(
  body: Body,
  fields: Readonly<Record<Field, Name>>,
): { readonly [N in Name]?: number } {
  const read: { [N in Name]?: number } = {};
  for (const [field, name] of Object.entries(fields) as [Field, Name][]) {
    const value = fieldOf(body, field);
    if (value === undefined) continue;
    const ms = typeof value === 'string' ? parseDurationMs(value) : undefined;
    if (ms === undefined) throw unreadable(`"${field}" is not a duration such as "1h 30m" or "PT90M"`);
    read[name] = ms;
  }
  return read;
}
