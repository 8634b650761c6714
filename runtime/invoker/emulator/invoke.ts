/**
 * The Invoke operation: synchronous, asynchronous (`Event`) and dry.
 *
 * Invariants:
 * - A synchronous request is tried once. Whoever retries it is the caller.
 * - An asynchronous request is tried at most three times: again after 1 s and after 2 s (AWS: 1 and 2 minutes),
 *   throttling included. It lives in memory, and ends with the server.
 * - A request whose caller has gone is not started; one that runs, runs to its end, as on AWS.
 */

import { randomUUID } from 'node:crypto';
import { AwsError } from './aws-errors.ts';
import type { Invocation, Outcome } from './environment.ts';
import type { Fleet } from './fleet.ts';
import type { Functions, Revision } from './functions.ts';
import { type ApiRequest, sendError, tooLarge } from './http.ts';
import { functionArn, type Place, parseTarget, type Target } from './target.ts';

export const INVOKE_PREFIX = '/2015-03-31/functions/';
export const INVOKE_SUFFIX = '/invocations';

/** Lambda's limit for an asynchronous event. */
const EVENT_BYTES_MAX = 1_048_576;
const RETRY_DELAYS_MS = [1000, 2000];
/** Parsed targets are few (one per deployment); a caller that invents names must not fill the memory. */
const CACHED_TARGETS_MAX = 1000;

interface Resolved {
  readonly target: Target;
  readonly arn: string;
}

export class InvokeApi {
  readonly #functions: Functions;
  readonly #fleet: Fleet;
  readonly #place: Place;
  readonly #targets = new Map<string, Resolved>();
  readonly #retries = new Set<NodeJS.Timeout>();

  constructor(functions: Functions, fleet: Fleet, place: Place) {
    this.#functions = functions;
    this.#fleet = fleet;
    this.#place = place;
  }

  handle(request: ApiRequest): void {
    const { target, arn } = this.#resolve(request);
    const revision = this.#functions.resolve(target);
    const type = request.headers['x-amz-invocation-type'] ?? 'RequestResponse';
    if (type === 'RequestResponse') this.#respond(request, revision, arn);
    else if (type === 'Event') this.#enqueue(request, revision, arn, target);
    else if (type === 'DryRun') this.#empty(request, revision, 204);
    else {
      throw new AwsError(
        'InvalidParameterValueException',
        `Value '${type}' at 'invocationType' must be one of: Event, RequestResponse, DryRun`,
      );
    }
  }

  close(): void {
    for (const timer of this.#retries) clearTimeout(timer);
  }

  #resolve({ path, query }: ApiRequest): Resolved {
    const key = query === '' ? path : `${path}?${query}`;
    const cached = this.#targets.get(key);
    if (cached !== undefined) return cached;
    const name = decodeSegment(path.slice(INVOKE_PREFIX.length, -INVOKE_SUFFIX.length));
    const target = parseTarget(name, new URLSearchParams(query).get('Qualifier'), this.#place);
    const resolved = { target, arn: functionArn(this.#place, target.name, target.qualifier) };
    if (this.#targets.size >= CACHED_TARGETS_MAX) this.#targets.clear();
    this.#targets.set(key, resolved);
    return resolved;
  }

  #respond(request: ApiRequest, revision: Revision, arn: string): void {
    const { response } = request;
    const invocation = invocationOf(request, arn, outcome => {
      if (!response.destroyed) answer(request, revision, invocation.traceId, outcome);
    });
    const withdraw = this.#fleet.submit(revision, invocation);
    response.on('close', () => {
      if (!response.writableFinished) withdraw();
    });
  }

  #enqueue(request: ApiRequest, revision: Revision, arn: string, target: Target): void {
    const { chunks, bytes } = request;
    if (bytes > EVENT_BYTES_MAX) throw tooLarge(bytes, EVENT_BYTES_MAX, 'Event');
    if (bytes > 0) {
      // A synchronous event is parsed where it is used; here the caller is gone by then, so it is checked first.
      try {
        JSON.parse(Buffer.concat(chunks).toString());
      } catch (error) {
        throw badJson((error as Error).message);
      }
    }
    const attempt = (left: readonly number[]): void => {
      const again = (): void => {
        const [delayMs, ...rest] = left;
        if (delayMs === undefined) return;
        const timer = setTimeout(() => {
          this.#retries.delete(timer);
          attempt(rest);
        }, delayMs);
        this.#retries.add(timer);
      };
      const invocation = invocationOf(request, arn, outcome => {
        if (outcome.kind !== 'result') again();
      });
      try {
        // Resolved anew: an alias may have moved between two attempts.
        this.#fleet.submit(this.#functions.resolve(target), invocation);
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        again();
      }
    };
    this.#empty(request, revision, 202);
    attempt(RETRY_DELAYS_MS);
  }

  #empty({ response, requestId }: ApiRequest, revision: Revision, status: number): void {
    response.writeHead(status, {
      'x-amzn-RequestId': requestId,
      'X-Amz-Executed-Version': revision.version,
      ...(status === 204 ? {} : { 'Content-Length': 0 }),
    });
    response.end();
  }
}

export function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    // Not URL-encoded text, so it names nothing; the pattern it is matched against says so.
    return segment;
  }
}

function header(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function invocationOf(request: ApiRequest, arn: string, done: (outcome: Outcome) => void): Invocation {
  const { headers, requestId, chunks, bytes } = request;
  const traceId = header(headers['x-amzn-trace-id']) ?? newTraceId();
  const clientContext = header(headers['x-amz-client-context']);
  const tail = headers['x-amz-log-type'] === 'Tail';
  const base = { requestId, traceId, arn, chunks, bytes, tail, done };
  return clientContext === undefined ? base : { ...base, clientContext };
}

function newTraceId(): string {
  const hex = randomUUID().replaceAll('-', '');
  const seconds = Math.floor(Date.now() / 1000).toString(16);
  return `Root=1-${seconds}-${hex.slice(0, 24)};Parent=${hex.slice(8, 24)};Sampled=0`;
}

function badJson(reason: string): AwsError {
  return new AwsError('InvalidRequestContentException', `Could not parse request body into json: ${reason}`);
}

function answer(request: ApiRequest, revision: Revision, traceId: string, outcome: Outcome): void {
  const { response, requestId } = request;
  switch (outcome.kind) {
    case 'badEvent':
      sendError(response, requestId, badJson(outcome.message));
      return;
    case 'unavailable':
      sendError(response, requestId, new AwsError('ServiceException', outcome.message));
      return;
    case 'result':
    case 'functionError': {
      const headers: Record<string, string | number> = {
        'Content-Type': 'application/json',
        'Content-Length': outcome.body.length,
        'x-amzn-RequestId': requestId,
        'X-Amz-Executed-Version': revision.version,
        'X-Amzn-Trace-Id': traceId,
      };
      if (outcome.kind === 'functionError') headers['X-Amz-Function-Error'] = 'Unhandled';
      if (outcome.tail !== undefined) headers['X-Amz-Log-Result'] = outcome.tail;
      response.writeHead(200, headers);
      response.end(outcome.body);
      return;
    }
    default:
      outcome satisfies never;
  }
}
