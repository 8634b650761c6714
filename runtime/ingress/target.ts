/** From names in a request to the handler or invocation they mean. */
import {
  decodeAwakeableId,
  decodeInvocationId,
  encodeInvocationId,
  FIRST_AWAKEABLE_SIGNAL,
  ProtocolError,
} from '@holdfast/protocol';
import type { InvocationId, ServiceMetadata, Target } from '../core/model.ts';
import { scopeProblem } from '../core/scope.ts';
import type { Invocations, ResolvedHandler } from '../partition/engine.ts';
import { Refusal } from './answers.ts';
import { badPath, checkedIdempotencyKey, checkedKey, NAME_LENGTH_MAX, shown } from './request.ts';

export interface ResolvedTarget extends ResolvedHandler {
  readonly target: Target;
}

export function findService(engine: Invocations, name: string): ServiceMetadata {
  const service = engine.service(name);
  if (service !== undefined) return service;
  if (name.length > NAME_LENGTH_MAX) {
    throw new Refusal(400, `a service name has at most ${NAME_LENGTH_MAX} characters`);
  }
  throw new Refusal(404, `service '${shown(name)}' not found: register a deployment that offers it first`);
}

/** Segments of a target of this service: `service/handler` or `object/key/handler`. */
export function targetLength(service: ServiceMetadata): 2 | 3 {
  return service.type === 'service' ? 2 : 3;
}

/** The target that exactly these segments name; its handler need not exist any more. */
export function namedTarget(service: ServiceMetadata, segments: readonly string[], path: string): Target {
  const length = targetLength(service);
  if (segments.length !== length) {
    const form = length === 2 ? 'service/handler' : 'service/key/handler';
    throw badPath(path, `'${service.name}' is addressed as ${form}`);
  }
  const handler = segments[length - 1] as string;
  return { service: service.name, handler, key: length === 3 ? checkedKey(segments[1] as string) : '' };
}

/** Whether this is the one handler of a workflow that runs once per key. */
export function runsWorkflow({ service, handler }: ResolvedHandler): boolean {
  return service.type === 'workflow' && handler.type === 'workflow';
}

/** A target that may be invoked from outside. */
export function invocableTarget(
  engine: Invocations,
  service: ServiceMetadata,
  segments: readonly string[],
  path: string,
): ResolvedTarget {
  const target = namedTarget(service, segments, path);
  const resolved = engine.resolve(target.service, target.handler);
  if (resolved === undefined) throw handlerNotFound(target);
  if (!resolved.service.public || !resolved.handler.public) {
    throw new Refusal(
      400,
      `${resolved.service.public ? 'the handler' : 'the service'} is not public: it can be called by handlers only`,
    );
  }
  return { ...resolved, target };
}

/** The same in a scope, which objects do not have. */
export function inScope(resolved: ResolvedTarget, scope: string): ResolvedTarget {
  checkScope(resolved.service, scope);
  return { ...resolved, target: { ...resolved.target, scope } };
}

function checkScope(service: ServiceMetadata, scope: string): void {
  const problem = scopeProblem(scope, undefined);
  if (problem !== undefined) throw new Refusal(400, `bad scope: ${problem}`);
  if (service.type === 'virtualObject') throw new Refusal(400, 'virtual objects have no scopes');
}

export function handlerNotFound(target: Target): Refusal {
  if (target.handler.length > NAME_LENGTH_MAX) {
    return new Refusal(400, `a handler name has at most ${NAME_LENGTH_MAX} characters`);
  }
  return new Refusal(
    404,
    `the newest revision of service '${target.service}' has no handler '${shown(target.handler)}'`,
  );
}

export function parseInvocationId(text: string): InvocationId {
  const raw = decoded('invocation', text, decodeInvocationId);
  return encodeInvocationId(raw) as InvocationId;
}

export function parseAwakeableId(text: string): { readonly id: InvocationId; readonly signal: number } {
  const { invocationId, signalIndex } = decoded('awakeable', text, decodeAwakeableId);
  // Below are other signals: 1 would cancel the invocation.
  if (signalIndex < FIRST_AWAKEABLE_SIGNAL) {
    throw new Refusal(400, `bad awakeable id '${shown(text)}': it names no awakeable`);
  }
  return { id: encodeInvocationId(invocationId) as InvocationId, signal: signalIndex };
}

function decoded<T>(kind: string, text: string, decode: (text: string) => T): T {
  try {
    return decode(text);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new Refusal(400, `bad ${kind} id '${shown(text)}': ${error.message}`);
  }
}

/** The invocation that the JSON of `POST /restate/attach|output|lookup` means. */
export function invocationOfJson(engine: Invocations, body: Uint8Array): InvocationId {
  const json = parseObject(body);
  switch (json['target']) {
    case 'invocation':
      return parseInvocationId(text(json, 'invocationId'));
    case 'idempotentInvocation':
      return idempotentOfJson(engine, json);
    case 'workflow':
      return workflowInvocation(engine, text(json, 'workflowName'), text(json, 'workflowKey'), scopeOf(json));
    default:
      throw new Refusal(
        400,
        'the body must be JSON with "target": "invocation", "idempotentInvocation" or "workflow"',
      );
  }
}

function idempotentOfJson(engine: Invocations, json: Readonly<Record<string, unknown>>): InvocationId {
  const service = findService(engine, text(json, 'service'));
  const key = json['key'];
  const keyed = key !== undefined && key !== null;
  const handler = text(json, 'handler');
  const idempotencyKey = text(json, 'idempotencyKey');
  if (keyed !== (targetLength(service) === 3)) {
    throw new Refusal(
      400,
      keyed ? `'${service.name}' has no keys: leave "key" out` : `'${service.name}' needs a "key"`,
    );
  }
  const segments = keyed ? [service.name, text(json, 'key'), handler] : [service.name, handler];
  const scope = scopeOf(json);
  if (scope !== undefined) checkScope(service, scope);
  const target = { ...namedTarget(service, segments, ''), ...(scope === undefined ? {} : { scope }) };
  return idempotentInvocation(engine, target, idempotencyKey);
}

export function idempotentInvocation(
  engine: Invocations,
  target: Target,
  idempotencyKey: string,
): InvocationId {
  return engine.idempotentId(target, checkedIdempotencyKey(idempotencyKey, 'the idempotency key'));
}

/** The run of a workflow key, whether or not there was one. */
export function workflowInvocation(
  engine: Invocations,
  name: string,
  key: string,
  scope?: string,
): InvocationId {
  const service = findService(engine, name);
  if (service.type !== 'workflow') throw new Refusal(400, `'${shown(name)}' is not a workflow`);
  if (scope !== undefined) checkScope(service, scope);
  return engine.workflowId({
    service: name,
    key: checkedKey(key),
    ...(scope === undefined ? {} : { scope }),
  });
}

/** Its longest strings, escaped, take a quarter of it. A parse blocks everybody else. */
const TARGET_BYTES_MAX = 64 * 1024;
/** Bytes that are no text would otherwise be replaced, and name another key than the one meant. */
const UTF8 = new TextDecoder('utf-8', { fatal: true });

function parseObject(body: Uint8Array): Readonly<Record<string, unknown>> {
  if (body.byteLength > TARGET_BYTES_MAX) {
    throw new Refusal(413, `a target is at most ${TARGET_BYTES_MAX} bytes of JSON`);
  }
  let json: unknown;
  try {
    json = JSON.parse(UTF8.decode(body));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    throw new Refusal(400, 'the body is not JSON in UTF-8');
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new Refusal(400, 'the body is not a JSON object');
  }
  return json as Readonly<Record<string, unknown>>;
}

const scopeOf = (json: Readonly<Record<string, unknown>>): string | undefined =>
  json['scope'] === undefined || json['scope'] === null ? undefined : text(json, 'scope');

function text(json: Readonly<Record<string, unknown>>, field: string): string {
  const value = json[field];
  if (typeof value !== 'string' || value === '') {
    throw new Refusal(400, `the body must have the string "${field}"`);
  }
  return value;
}
