/**
 * The hot path to AWS Lambda: one signed `Invoke` per attempt.
 *
 * Invariants: a call is sent at most once (a retry is the retry policy's business, not the client's); `done` is
 * called exactly once and never from within `invoke`, and not at all after `abort` or `close`; what goes wrong
 * outside comes back as a result with a code, never as an exception; nothing on the path of a call awaits
 * credentials that are still valid; no more than Lambda's own limit of a response is ever held.
 *
 * The AWS SDK's `LambdaClient.send` costs ten times as much CPU per call (`test/bench/lambda-client.bench.ts`
 * measures both); it is the oracle of the tests instead.
 */

import {
  type CredentialCache,
  type CredentialSource,
  createCredentialCache,
  credentialsOf,
  type Env,
} from '../platform/aws/credentials.ts';
import {
  type AwsCredentials,
  canonicalPath,
  createSigner,
  encodeSegment,
  type Signer,
  type SigningTarget,
} from '../platform/aws/sigv4.ts';
import type { CodedError } from '../platform/error.ts';
import {
  createHttpPool,
  type HttpCall,
  type HttpHeaders,
  type HttpOutcome,
} from '../platform/http-client.ts';
import type { Clock, Logger, TimerHandle, Timers } from '../platform/ports.ts';
import { type AssumedRole, createRoles, type Roles } from './assume-role.ts';
import { CREDENTIAL_ERRORS, classifyAwsError, type InvokeFailure, parseAwsError } from './aws-error.ts';
import { endpointOf, endpointOverride, parseLambdaArn } from './lambda-arn.ts';

export interface LambdaRequest {
  /** Qualified ARN; the region of the call is the ARN's. */
  readonly arn: string;
  /** The event, JSON. */
  readonly payload: string | Uint8Array;
  /** From `invoke` to the last byte of the answer, waiting for a connection included. */
  readonly timeoutMs: number;
  /** Called as this role. @default the orchestrator's own */
  readonly assumeRole?: AssumedRole;
}

export type LambdaResult =
  | {
      readonly kind: 'response';
      readonly payload: Uint8Array;
      /** `Unhandled` or `Handled`; then the payload describes an error, see `classifyFunctionError`. */
      readonly functionError?: string;
      readonly requestId?: string;
      readonly executedVersion?: string;
    }
  | InvokeFailure;

export interface LambdaCall {
  /** Gives up waiting. The function itself cannot be stopped and runs on. */
  abort(): void;
}

export interface LambdaClient {
  /** Throws `HF_LAMBDA_ARN` for an ARN that is malformed or names no version. */
  invoke(request: LambdaRequest, done: (result: LambdaResult) => void): LambdaCall;
  readonly stats: LambdaClientStats;
  /** Aborts what is in flight and closes the connections. */
  close(): Promise<void>;
}

export interface LambdaClientStats {
  readonly connections: number;
  readonly active: number;
  /** Calls among the active ones that wait for a connection. */
  readonly waiting: number;
}

export interface LambdaClientOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Read for `AWS_ENDPOINT_URL_LAMBDA`, `AWS_ENDPOINT_URL_STS` and `AWS_ENDPOINT_URL`. */
  readonly env: Env;
  /** @default those in `env`, else the AWS SDK's chain for Node, loaded at the first call */
  readonly credentials?: CredentialSource;
  /** Per endpoint; each call in flight holds one. @default 1000 */
  readonly maxConnections?: number;
  /** How often timeouts are looked at. @default 250 */
  readonly tickMs?: number;
}

/** Lambda's limit for a synchronous request and response, as it states it in its own error: 6 MiB + 100 bytes. */
export const PAYLOAD_BYTES_MAX = 6 * 1024 * 1024 + 100;
/** Room for what a double or a proxy may add; past it an answer is cut off. */
const RESPONSE_BYTES_MAX = PAYLOAD_BYTES_MAX + 64 * 1024;
/** Deployments come and go; past this many the table is built anew. */
const TARGETS_MAX = 4096;

interface Target extends SigningTarget {
  readonly arn: string;
  readonly origin: string;
}

/** Whom calls are made as. The signer keeps the keys of one credential, so each has its own. */
interface Caller {
  readonly credentials: CredentialCache;
  readonly signer: Signer;
}

const callerOf = (credentials: CredentialCache): Caller => ({ credentials, signer: createSigner() });

export function createLambdaClient(options: LambdaClientOptions): LambdaClient {
  return new Client(options);
}

class Client implements LambdaClient {
  readonly #options: LambdaClientOptions;
  readonly #override: ReturnType<typeof endpointOverride>;
  readonly #own: Caller;
  readonly #roles: Roles<Caller>;
  readonly #targets = new Map<string, Target>();
  readonly #pools = new Map<string, ReturnType<typeof createHttpPool>>();
  /** Calls that wait for the first credentials, each with its timeout. */
  readonly #unsent = new Map<Invocation, TimerHandle>();
  #closed = false;

  constructor(options: LambdaClientOptions) {
    this.#options = options;
    this.#override = endpointOverride(options.env);
    this.#own = callerOf(createCredentialCache(options.credentials ?? credentialsOf(options.env), options));
    this.#roles = createRoles(this.#own.credentials, options, callerOf);
  }

  get stats(): LambdaClientStats {
    const sum = { connections: 0, active: 0, waiting: 0 };
    for (const { stats } of this.#pools.values()) {
      sum.connections += stats.connections;
      sum.active += stats.active;
      sum.waiting += stats.waiting;
    }
    return sum;
  }

  invoke(request: LambdaRequest, done: (result: LambdaResult) => void): LambdaCall {
    if (this.#closed) throw new Error('a function was invoked after the Lambda client was closed');
    const target = this.#target(request.arn);
    const { payload, assumeRole } = request;
    const body = typeof payload === 'string' ? Buffer.from(payload) : payload;
    const caller = assumeRole === undefined ? this.#own : this.#roles.get(assumeRole, target.region);
    const call = new Invocation(target, caller, done);
    if (body.length > PAYLOAD_BYTES_MAX) {
      this.#options.timers.soon(() => call.finish(requestTooLarge(target.arn, body.length)));
      return call;
    }
    const credentials = caller.credentials.peek();
    if (credentials !== undefined) this.#send(call, body, credentials, request.timeoutMs);
    else this.#sendWhenLoaded(call, body, request.timeoutMs);
    return call;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const call of this.#unsent.keys()) call.abort();
    for (const timer of this.#unsent.values()) this.#options.timers.clear(timer);
    await Promise.all([...this.#pools.values()].map(pool => pool.close()));
  }

  #sendWhenLoaded(call: Invocation, body: Uint8Array, timeoutMs: number): void {
    const { clock, timers } = this.#options;
    const startedMs = clock.monotonicMs();
    // The AWS SDK's providers have timeouts of their own, but not all of them, and their sum is not ours.
    const timer = timers.set(timeoutMs, () => call.finish(timedOut(call.target.arn)));
    this.#unsent.set(call, timer);
    call.caller.credentials.load(result => {
      timers.clear(timer);
      this.#unsent.delete(call);
      if (call.over) return;
      if (result instanceof Error) call.finish(noCredentials(result));
      else this.#send(call, body, result, Math.max(0, timeoutMs - (clock.monotonicMs() - startedMs)));
    });
  }

  #send(call: Invocation, body: Uint8Array, credentials: AwsCredentials, timeoutMs: number): void {
    const { target, caller } = call;
    const headers = caller.signer.sign(target, body, credentials, this.#options.clock.now());
    call.http = this.#pool(target.origin).request(
      { method: 'POST', path: target.path, headers, body, timeoutMs, maxResponseBytes: RESPONSE_BYTES_MAX },
      outcome => call.finish(this.#interpret(call, credentials, outcome)),
    );
  }

  #interpret(
    { target, caller }: Invocation,
    credentials: AwsCredentials,
    outcome: HttpOutcome,
  ): LambdaResult {
    switch (outcome.kind) {
      case 'response': {
        const { status, headers, body } = outcome;
        if (status === 200) return functionResult(headers, body);
        const error = parseAwsError(status, headers, body);
        if (CREDENTIAL_ERRORS.has(error.type)) caller.credentials.refused(credentials);
        return classifyAwsError(target.arn, status, error, headers, this.#options.clock.now());
      }
      case 'timedOut':
        return timedOut(target.arn);
      case 'tooLarge':
        return responseTooLarge(target.arn);
      case 'broken': {
        const { reason, message } = outcome;
        const text = `No answer from ${target.origin} when calling '${target.arn}' (${reason}): ${message}`;
        return { kind: 'failed', code: 'RT0010', message: text };
      }
      default:
        return outcome satisfies never;
    }
  }

  #target(arn: string): Target {
    let target = this.#targets.get(arn);
    if (target === undefined) {
      const parsed = parseLambdaArn(arn);
      const { origin, host, prefix } = endpointOf(parsed, this.#override);
      const path = `${prefix}/2015-03-31/functions/${encodeSegment(arn)}/invocations`;
      target = { arn, origin, host, path, canonicalPath: canonicalPath(path), region: parsed.region };
      if (this.#targets.size >= TARGETS_MAX) this.#targets.clear();
      this.#targets.set(arn, target);
    }
    return target;
  }

  #pool(origin: string): ReturnType<typeof createHttpPool> {
    let pool = this.#pools.get(origin);
    if (pool === undefined) {
      const { clock, timers, maxConnections, tickMs } = this.#options;
      pool = createHttpPool({
        origin,
        clock,
        timers,
        ...(maxConnections === undefined ? {} : { maxConnections }),
        ...(tickMs === undefined ? {} : { tickMs }),
      });
      this.#pools.set(origin, pool);
    }
    return pool;
  }
}

class Invocation implements LambdaCall {
  readonly target: Target;
  readonly caller: Caller;
  readonly #done: (result: LambdaResult) => void;
  http: HttpCall | null = null;
  over = false;

  constructor(target: Target, caller: Caller, done: (result: LambdaResult) => void) {
    this.target = target;
    this.caller = caller;
    this.#done = done;
  }

  abort(): void {
    this.over = true;
    this.http?.abort();
  }

  finish(result: LambdaResult): void {
    if (this.over) return;
    this.over = true;
    this.#done(result);
  }
}

function functionResult(headers: HttpHeaders, payload: Uint8Array): LambdaResult {
  const functionError = headers['x-amz-function-error'];
  const requestId = headers['x-amzn-requestid'];
  const executedVersion = headers['x-amz-executed-version'];
  return {
    kind: 'response',
    payload,
    ...(typeof functionError === 'string' ? { functionError } : undefined),
    ...(typeof requestId === 'string' ? { requestId } : undefined),
    ...(typeof executedVersion === 'string' ? { executedVersion } : undefined),
  };
}

function requestTooLarge(arn: string, bytes: number): LambdaResult {
  const message =
    `The request to '${arn}' has ${bytes} bytes; Lambda takes ${PAYLOAD_BYTES_MAX}. ` +
    'The journal and state of this invocation have outgrown one call.';
  return { kind: 'failed', code: 'RT0003', message, deterministic: true };
}

function responseTooLarge(arn: string): LambdaResult {
  const message = `The answer of '${arn}' exceeds ${RESPONSE_BYTES_MAX} bytes and was not read.`;
  return { kind: 'failed', code: 'RT0019', message, deterministic: true };
}

/** Which of the two clocks runs out first decides whether the reason can be told. */
const TIMEOUTS = "The setting invokeTimeout should be longer than the function's own timeout.";

function timedOut(arn: string): LambdaResult {
  return { kind: 'failed', code: 'RT0001', message: `'${arn}' did not answer in time. ${TIMEOUTS}` };
}

function noCredentials(error: CodedError): LambdaResult {
  return { kind: 'failed', code: error.code, message: error.message };
}
