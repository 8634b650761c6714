/** The types of the context that handlers get: the verbs of durable execution. */
import type {
  Service,
  ServiceDefinitionFrom,
  VirtualObject,
  VirtualObjectDefinitionFrom,
  Workflow,
  WorkflowDefinitionFrom,
} from '../definitions.ts';
import type { Duration } from '../duration.ts';
import type { TerminalError } from '../errors.ts';
import type { RunRetryPolicy } from '../machine/run-retry.ts';
import type { RestatePromise } from '../promise.ts';
import type { Serde } from '../serde.ts';
import type { Client, SendClient } from './client.ts';

export type InvocationId = string & { readonly __brand: 'InvocationId' };
export const InvocationIdParser = { fromString: (id: string): InvocationId => id as InvocationId };

export interface InvocationHandle {
  readonly invocationId: Promise<InvocationId>;
}
export type InvocationPromise<T> = RestatePromise<T> & InvocationHandle;

/** Another invocation. */
export interface InvocationReference {
  signal<T>(name: string, serde?: Serde<T>): SignalReference<T>;
  cancel(): void;
  /** Its result. */
  attach<T>(serde?: Serde<T>): RestatePromise<T>;
}
export interface SignalReference<T> {
  resolve(payload?: T): void;
  reject(reason: string | TerminalError): void;
}

export interface Target {
  readonly service: string;
  readonly handler: string;
  readonly key?: string;
  toString(): string;
}

/** The request as this handler got it. */
export interface Request {
  readonly target: Target;
  /** Stable over retries and suspensions. */
  readonly id: InvocationId;
  /** Headers of the original call. */
  readonly headers: ReadonlyMap<string, string>;
  /** Headers of this attempt's request; differ between attempts. */
  readonly attemptHeaders: ReadonlyMap<string, string | string[] | undefined>;
  readonly body: Uint8Array;
  /** What the platform passed along; on Lambda its context. */
  readonly extraArgs: unknown[];
  readonly idempotencyKey?: string;
  readonly scope?: string;
  readonly limitKey?: string;
  /** Aborted when this attempt is over, for whatever reason; release what the handler holds. */
  readonly attemptCompletedSignal: AbortSignal;
}

/** Deterministic: the same values at every attempt. Predictable, so not for secrets. */
export interface Rand {
  /** Uniform in [0, 1). */
  random(): number;
  uuidv4(): string;
}

/** The time, recorded when it is first read. Each call is a step, as `run` is. */
export interface ContextDate {
  now(): Promise<number>;
  toJSON(): Promise<string>;
}

export type RunAction<T> = (() => Promise<T>) | (() => T);

/** Without any of the retry options the server's retry policy applies. */
export interface RunOptions<T> extends RunRetryPolicy {
  serde?: Serde<T>;
  /**
   * For steps that may run again with another result, such as reads and writes that are idempotent: the handler goes on
   * with the result before it is stored, so that many such steps, one after the other, take one invocation of the
   * function. The results are stored together when the handler has to wait for something, calls for a step that is not
   * batched, or returns.
   *
   * Guarantee: until it is stored, a failure of the attempt makes the step run again, also when batched steps after it
   * have run. A step that is not batched begins only once all batched results before it are stored; calls, state and
   * other effects of the handler take effect together with them. Batched results reach the handler in the order of the
   * calls of `run` and before anything else that it waits for, cancellations included.
   *
   * @default false
   */
  batched?: boolean;
  /**
   * How long the action takes at most. On Lambda it is not begun when less is left of the function's time: the next
   * attempt begins it. What can never fit pauses the invocation.
   *
   * @default 0: it is begun while any time is left
   */
  expectedDuration?: Duration | number;
}

export interface GenericSend<REQ> {
  service: string;
  method: string;
  parameter: REQ;
  key?: string;
  headers?: Record<string, string>;
  inputSerde?: Serde<REQ>;
  delay?: Duration | number;
  idempotencyKey?: string;
  /** As of `Context.scope`. */
  scope?: string;
  limitKey?: string;
  /** Shown in the journal. */
  name?: string;
}

export interface GenericCall<REQ, RES> extends Omit<GenericSend<REQ>, 'delay'> {
  outputSerde?: Serde<RES>;
}

/** Clients of other handlers. */
export interface ScopedContext {
  serviceClient<D>(service: ServiceDefinitionFrom<D>): Client<Service<D>>;
  serviceSendClient<D>(service: ServiceDefinitionFrom<D>): SendClient<Service<D>>;
  objectClient<D>(object: VirtualObjectDefinitionFrom<D>, key: string): Client<VirtualObject<D>>;
  objectSendClient<D>(object: VirtualObjectDefinitionFrom<D>, key: string): SendClient<VirtualObject<D>>;
  workflowClient<D>(workflow: WorkflowDefinitionFrom<D>, key: string): Client<Workflow<D>>;
  workflowSendClient<D>(workflow: WorkflowDefinitionFrom<D>, key: string): SendClient<Workflow<D>>;
}

export interface Context extends ScopedContext {
  readonly rand: Rand;
  /** Silent while recorded steps are replayed. */
  readonly console: Console;
  readonly date: ContextDate;

  /**
   * Runs `action` once and journals its result; later attempts get the result. If the attempt breaks before the
   * result is stored, the action runs again. A TerminalError is a result; any other error is retried.
   */
  run<T>(action: RunAction<T>, options?: RunOptions<T>): RestatePromise<T>;
  run<T>(name: string, action: RunAction<T>, options?: RunOptions<T>): RestatePromise<T>;

  sleep(duration: Duration | number, name?: string): RestatePromise<void>;

  /** A promise that anyone who has the id can settle. */
  awakeable<T>(serde?: Serde<T>): { readonly id: string; readonly promise: RestatePromise<T> };
  resolveAwakeable<T>(id: string, payload?: T, serde?: Serde<T>): void;
  rejectAwakeable(id: string, reason: string | TerminalError): void;

  /**
   * Clients whose calls go to this scope. Object keys, workflow keys and idempotency keys of one scope are apart from
   * those of another, and of none. Needs protocol version 7.
   */
  scope(scopeKey: string): ScopedContext;
  genericCall<REQ = Uint8Array, RES = Uint8Array>(call: GenericCall<REQ, RES>): InvocationPromise<RES>;
  genericSend<REQ = Uint8Array>(send: GenericSend<REQ>): InvocationHandle;

  /**
   * A signal that another handler sends to this invocation under this name. Each one that comes is taken by one
   * promise, in order.
   */
  signal<T>(name: string, serde?: Serde<T>): RestatePromise<T>;
  invocation(invocationId: InvocationId): InvocationReference;
  /** As `invocation(id).attach` and `.cancel`. */
  attach<T>(invocationId: InvocationId, serde?: Serde<T>): RestatePromise<T>;
  cancel(invocationId: InvocationId): void;

  request(): Request;
}
