/**
 * The routes under `/restate`, one row each; all other paths address a handler directly (`plain`). `{target}` is
 * `service/handler` or `object/key/handler`, any other `{name}` is one segment.
 */

import type { InvocationId } from '../core/model.ts';
import { Refusal, sendJson } from './answers.ts';
import { attach, type Call, call, completeAwakeable, output, send } from './operations.ts';
import { badPath, shown } from './request.ts';
import {
  findService,
  idempotentInvocation,
  inScope,
  invocableTarget,
  invocationOfJson,
  namedTarget,
  parseAwakeableId,
  parseInvocationId,
  type ResolvedTarget,
  targetLength,
  workflowInvocation,
} from './target.ts';

interface Parameters {
  /** Values of the single-segment parameters in order. */
  readonly values: readonly string[];
  readonly target: readonly string[];
}

interface Route {
  readonly path: string;
  readonly methods: readonly string[];
  readonly run: (call: Call, parameters: Parameters) => void;
}

const INVOKE = ['POST', 'GET'];
const GET = ['GET'];
const POST = ['POST'];

export const ROUTES: readonly Route[] = [
  { path: '/restate/health', methods: GET, run: health },
  { path: '/restate/call/{target}', methods: INVOKE, run: (c, p) => call(c, invocable(c, p)) },
  { path: '/restate/send/{target}', methods: INVOKE, run: (c, p) => send(c, invocable(c, p)) },
  { path: '/restate/scope/{scope}/call/{target}', methods: INVOKE, run: (c, p) => call(c, scoped(c, p)) },
  { path: '/restate/scope/{scope}/send/{target}', methods: INVOKE, run: (c, p) => send(c, scoped(c, p)) },
  { path: '/restate/attach', methods: POST, run: c => attach(c, ofBody(c)) },
  { path: '/restate/output', methods: POST, run: c => output(c, ofBody(c)) },
  { path: '/restate/lookup', methods: POST, run: c => sendJson(c, 200, { invocationId: ofBody(c) }) },
  { path: '/restate/attach/{id}', methods: GET, run: (c, p) => attach(c, ofId(p)) },
  { path: '/restate/output/{id}', methods: GET, run: (c, p) => output(c, ofId(p)) },
  { path: '/restate/invocation/{id}/attach', methods: GET, run: (c, p) => attach(c, ofId(p)) },
  { path: '/restate/invocation/{id}/output', methods: GET, run: (c, p) => output(c, ofId(p)) },
  { path: '/restate/invocation/{target}/{key}/attach', methods: GET, run: (c, p) => attach(c, ofKey(c, p)) },
  { path: '/restate/invocation/{target}/{key}/output', methods: GET, run: (c, p) => output(c, ofKey(c, p)) },
  { path: '/restate/workflow/{name}/{key}/attach', methods: GET, run: (c, p) => attach(c, ofWorkflow(c, p)) },
  { path: '/restate/workflow/{name}/{key}/output', methods: GET, run: (c, p) => output(c, ofWorkflow(c, p)) },
  { path: '/restate/awakeables/{id}/resolve', methods: POST, run: (c, p) => awakeable(c, p, 'resolve') },
  { path: '/restate/awakeables/{id}/reject', methods: POST, run: (c, p) => awakeable(c, p, 'reject') },
  { path: '/restate/a/{id}/resolve', methods: POST, run: (c, p) => awakeable(c, p, 'resolve') },
  { path: '/restate/a/{id}/reject', methods: POST, run: (c, p) => awakeable(c, p, 'reject') },
];

/** Runs the request whose decoded path is `segments`. */
export function route(call: Call, segments: readonly string[]): void {
  if (segments[0] !== 'restate') {
    plain(call, segments);
    return;
  }
  for (const candidate of CANDIDATES.get(segments[1] ?? '') ?? []) {
    const parameters = match(candidate.parts, segments);
    if (parameters === undefined) continue;
    checkMethod(call, candidate.route.methods);
    candidate.route.run(call, parameters);
    return;
  }
  throw new Refusal(404, `no such route: ${shown(call.request.path)}`);
}

/** `/{target}` calls, `/{target}/send` sends; how long the target is depends on the type of the service. */
function plain(c: Call, segments: readonly string[]): void {
  const service = findService(c.engine, segments[0] as string);
  const length = targetLength(service);
  const isSend = segments.length === length + 1 && segments[length] === 'send';
  if (segments.length !== length && !isSend) {
    const form = length === 2 ? '/service/handler' : '/service/key/handler';
    throw badPath(c.request.path, `'${service.name}' is called as ${form}, optionally with /send`);
  }
  checkMethod(c, INVOKE);
  const names = isSend ? segments.slice(0, length) : segments;
  const resolved = invocableTarget(c.engine, service, names, c.request.path);
  if (isSend) send(c, resolved);
  else call(c, resolved);
}

function checkMethod(call: Call, methods: readonly string[]): void {
  if (!methods.includes(call.request.method)) throw new Refusal(405, 'method not allowed');
}

function health(c: Call): void {
  sendJson(c, 200, { services: c.engine.serviceNames() });
}

function scoped(c: Call, parameters: Parameters): ResolvedTarget {
  return inScope(invocable(c, parameters), parameters.values[0] as string);
}

function invocable(c: Call, { target }: Parameters): ResolvedTarget {
  const service = findService(c.engine, target[0] as string);
  return invocableTarget(c.engine, service, target, c.request.path);
}

function ofId({ values }: Parameters): InvocationId {
  return parseInvocationId(values[0] as string);
}

function ofKey(c: Call, { target, values }: Parameters): InvocationId {
  const service = findService(c.engine, target[0] as string);
  const named = namedTarget(service, target, c.request.path);
  return idempotentInvocation(c.engine, named, values[0] as string);
}

function ofWorkflow(c: Call, { values }: Parameters): InvocationId {
  return workflowInvocation(c.engine, values[0] as string, values[1] as string);
}

function ofBody(c: Call): InvocationId {
  return invocationOfJson(c.engine, c.request.takeBody());
}

function awakeable(c: Call, { values }: Parameters, how: 'resolve' | 'reject'): void {
  completeAwakeable(c, parseAwakeableId(values[0] as string), how);
}

interface Candidate {
  readonly route: Route;
  readonly parts: readonly string[];
}

/** Rows by their second segment, which is literal in all of them. */
const CANDIDATES: ReadonlyMap<string, readonly Candidate[]> = Map.groupBy(
  ROUTES.map(row => ({ route: row, parts: row.path.slice(1).split('/') })),
  candidate => candidate.parts[1] as string,
);

function match(parts: readonly string[], segments: readonly string[]): Parameters | undefined {
  const values: string[] = [];
  let target: readonly string[] = [];
  let at = 0;
  for (const part of parts) {
    if (part === '{target}') {
      // Takes what the parts around it leave over.
      const length = segments.length - (parts.length - 1);
      if (length !== 2 && length !== 3) return undefined;
      target = segments.slice(at, at + length);
      at += length;
      continue;
    }
    const segment = segments[at];
    at += 1;
    if (segment === undefined) return undefined;
    if (part.startsWith('{')) values.push(segment);
    else if (part !== segment) return undefined;
  }
  return at === segments.length ? { values, target } : undefined;
}
