/**
 * The HTTP API for operators and deployment tools, on a listener of its own. Every route exists unversioned and
 * under `/v2`, `/v3` and `/v4`; unversioned is version 3.
 *
 * Invariant: nothing is read or done for a request whose `Host` or `Origin` is refused.
 */
import type { Operations } from '../partition/engine.ts';
import type { HttpAnswer, HttpHandler, HttpReply, HttpRequest } from '../platform/http-handler.ts';
import type { Clock, Logger } from '../platform/ports.ts';
import { type Answer, empty, failure, json, Refusal, sendAnswer, text } from './answers.ts';
import { describeDeployment, listDeployments, registerDeployment, removeDeployment } from './deployments.ts';
import { type AllowedHosts, refusedOrigin } from './host.ts';
import { describeInvocation, describeJournal } from './inspect.ts';
import { cancelInvocation, killInvocation, resumeInvocation, terminateInvocation } from './invocations.ts';
import { handlerJson, serviceJson } from './metadata.ts';

export interface AdminOptions {
  readonly engine: Operations;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly version: string;
  /** URL of the ingress, as callers reach it. */
  readonly ingressEndpoint: string;
  /** @default only `localhost` and loopback addresses */
  readonly allowedHosts?: AllowedHosts;
}

export const ADMIN_BODY_BYTES_MAX = 1024 * 1024;
const VERSION_MIN = 2;
const VERSION_MAX = 4;

interface Operation {
  readonly options: AdminOptions;
  readonly request: HttpRequest;
  readonly version: number;
  readonly done: (answer: Answer) => void;
}
type Run = (operation: Operation, p: string, q: string) => void;

/** A route that answers at once. */
function now(read: (options: AdminOptions, p: string, q: string, request: HttpRequest) => Answer): Run {
  return (o, p, q) => o.done(read(o.options, p, q, o.request));
}

/** `*` is one segment, handed to `run` in order. */
const ROUTES: readonly (readonly [method: string, path: string, run: Run])[] = [
  ['GET', 'health', now(() => empty(200))],
  ['GET', 'version', now(describeVersion)],
  ['GET', 'deployments', now(o => listDeployments(o.engine))],
  ['POST', 'deployments', o => registerDeployment(o.options.engine, o.request, o.version, o.done)],
  ['GET', 'deployments/*', now((o, id) => describeDeployment(o.engine, id))],
  ['DELETE', 'deployments/*', (o, id) => removeDeployment(o.options.engine, id, o.request, o.done)],
  ['GET', 'services', now(o => listServices(o.engine))],
  ['GET', 'services/*', now((o, name) => describeService(o.engine, name))],
  ['GET', 'services/*/handlers', now((o, name) => listHandlers(o.engine, name))],
  ['GET', 'services/*/handlers/*', now((o, name, handler) => describeHandler(o.engine, name, handler))],
  ['GET', 'invocations/*', now((o, id) => describeInvocation(o.engine, id, o.clock.now()))],
  ['GET', 'invocations/*/journal', now((o, id, _, request) => describeJournal(o.engine, id, request))],
  ['DELETE', 'invocations/*', (o, id) => terminateInvocation(o.options.engine, id, o.request, o.done)],
  ['PATCH', 'invocations/*/cancel', (o, id) => cancelInvocation(o.options.engine, id, o.done)],
  ['PATCH', 'invocations/*/kill', (o, id) => killInvocation(o.options.engine, id, o.done)],
  ['PATCH', 'invocations/*/resume', (o, id) => resumeInvocation(o.options.engine, id, o.request, o.done)],
];

const TABLE = ROUTES.map(([method, path, run]) => ({ method, parts: path.split('/'), run }));

export function createAdmin(options: AdminOptions): HttpHandler {
  const refusals = new RefusalLog(options);
  return {
    bodyBytesMax: ADMIN_BODY_BYTES_MAX,
    handle: (request, reply) => handle(options, refusals, request, reply),
    refuse,
  };
}

const LOG_INTERVAL_MS = 10_000;

/** Refused pages are an attack or a missing setting: worth a line, but not one for each request of a flood. */
class RefusalLog {
  readonly #options: AdminOptions;
  #count = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(options: AdminOptions) {
    this.#options = options;
  }

  add(): void {
    const { clock, logger } = this.#options;
    this.#count += 1;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#lastMs < LOG_INTERVAL_MS) return;
    this.#lastMs = nowMs;
    logger.warn('admin refused a foreign host or origin', { refused: this.#count });
  }
}

function refuse(status: number, message: string): HttpAnswer {
  return failure(status, message);
}

function handle(options: AdminOptions, refusals: RefusalLog, request: HttpRequest, reply: HttpReply): void {
  const refused = refusedOrigin(request, options.allowedHosts ?? []);
  if (refused !== undefined) {
    refusals.add();
    sendAnswer(request, reply, failure(403, refused));
    return;
  }
  const done = (answer: Answer): void => sendAnswer(request, reply, answer);
  try {
    dispatch(options, request, done);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    done(error.answer);
  }
}

function dispatch(options: AdminOptions, request: HttpRequest, done: (answer: Answer) => void): void {
  const { segments, version } = unversioned(pathSegments(request.path));
  let status = 404;
  for (const { method, parts, run } of TABLE) {
    const values = match(parts, segments);
    if (values === undefined) continue;
    if (method === request.method) {
      run({ options, request, version, done }, values[0] ?? '', values[1] ?? '');
      return;
    }
    status = 405;
  }
  done(empty(status));
}

function unversioned(segments: string[]): { readonly segments: string[]; readonly version: number } {
  const prefix = /^v(\d{1,9})$/.exec(segments[0] ?? '');
  if (prefix === null) return { segments, version: 3 };
  const version = Number(prefix[1]);
  if (version >= VERSION_MIN && version <= VERSION_MAX) return { segments: segments.slice(1), version };
  const spoken = `versions ${VERSION_MIN} to ${VERSION_MAX}`;
  throw new Refusal(text(400, `this server speaks ${spoken} of the admin API, not version ${version}`));
}

function pathSegments(path: string): string[] {
  try {
    return path.replace(/\/+$/, '').split('/').slice(1).map(decodeURIComponent);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw new Refusal(text(400, 'malformed percent-encoding in the path'));
  }
}

function match(parts: readonly string[], segments: readonly string[]): string[] | undefined {
  if (parts.length !== segments.length) return undefined;
  const values: string[] = [];
  for (const [i, part] of parts.entries()) {
    const segment = segments[i] as string;
    if (part === '*') values.push(segment);
    else if (part !== segment) return undefined;
  }
  return values;
}

function describeVersion({ version, ingressEndpoint }: AdminOptions): Answer {
  return json(200, {
    version,
    min_admin_api_version: VERSION_MIN,
    max_admin_api_version: VERSION_MAX,
    ingress_endpoint: ingressEndpoint,
    features: { vqueues: false },
  });
}

function listServices(engine: Operations): Answer {
  const services = engine.services().map(service => serviceJson(service, engine.deploymentOf(service.name)));
  return json(200, { services });
}

function findService(engine: Operations, name: string) {
  const service = engine.services().find(candidate => candidate.name === name);
  if (service === undefined) throw new Refusal(failure(404, `no service '${name.slice(0, 100)}'`));
  return service;
}

function describeService(engine: Operations, name: string): Answer {
  return json(200, serviceJson(findService(engine, name), engine.deploymentOf(name)));
}

function listHandlers(engine: Operations, name: string): Answer {
  return json(200, { handlers: findService(engine, name).handlers.map(handlerJson) });
}

function describeHandler(engine: Operations, name: string, handlerName: string): Answer {
  const handler = findService(engine, name).handlers.find(candidate => candidate.name === handlerName);
  if (handler !== undefined) return json(200, handlerJson(handler));
  return failure(404, `service '${name}' has no handler '${handlerName.slice(0, 100)}'`);
}
