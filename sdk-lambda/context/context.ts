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

/** `inv_...`, of one invocation over all its attempts. */
export type InvocationId = string & { readonly __brand: 'InvocationId' };
/** Takes a string, unchecked, for the id of an invocation. */
export const InvocationIdParser = { fromString: (id: string): InvocationId => id as InvocationId };

declare const going: unique symbol;
/**
 * A name with the type of what goes by it: of signals, of state, and of a workflow's promises. Declared once, as
 * `const approved: Name<boolean> = 'approved'`, it types `ctx.signal(approved)` and the handler that resolves it. It is the
 * string and nothing else; any string is a name whose type is given where it is used.
 */
export type Name<T> = string & { readonly [going]?: T };

/** What was called or sent. */
export interface InvocationHandle {
  /** Of the callee. Waiting for it is a step. */
  readonly invocationId: Promise<InvocationId>;
}
/** The result of a call, which fails with the TerminalError of the callee. */
export type InvocationPromise<T> = RestatePromise<T> & InvocationHandle;

/** Another invocation. */
export interface InvocationReference {
  /** A signal that it waits for under this name, now or later. */
  signal<T>(name: Name<T>, serde?: Serde<T>): SignalReference<T>;
  /** Asks it to stop; it gets a CancelledError at what it waits for, and may compensate. */
  cancel(): void;
  /** Its result, or its TerminalError. */
  attach<T>(serde?: Serde<T>): RestatePromise<T>;
}
/** Sends signals of one name to another invocation. */
export interface SignalReference<T> {
  /** One promise of `ctx.signal` gets this value. */
  resolve(payload?: T): void;
  /** One promise of `ctx.signal` fails with a TerminalError; a string is one with code 500. */
  reject(reason: string | TerminalError): void;
}

/** What was called. */
export interface Target {
  /** The name of the service, object or workflow. */
  readonly service: string;
  /** The name of the handler. */
  readonly handler: string;
  /** Of an object or workflow. */
  readonly key?: string;
  /** `service/handler` or `service/key/handler`. */
  toString(): string;
}

/** The request as this handler got it. */
export interface Request {
  /** The handler that runs. */
  readonly target: Target;
  /** Stable over retries and suspensions. */
  readonly id: InvocationId;
  /** Headers of the original call. */
  readonly headers: ReadonlyMap<string, string>;
  /** Headers of this attempt's request; differ between attempts. */
  readonly attemptHeaders: ReadonlyMap<string, string | string[] | undefined>;
  /** The input before it is deserialized. */
  readonly body: Uint8Array;
  /** What the platform passed along; on Lambda its context. */
  readonly extraArgs: unknown[];
  /** Of the call, if it had one. From protocol version 7. */
  readonly idempotencyKey?: string;
  /** Of the call, if it had one. From protocol version 7. */
  readonly scope?: string;
  /** Of the call, if it had one. From protocol version 7. */
  readonly limitKey?: string;
  /** Aborted when this attempt is over, for whatever reason; release what the handler holds. */
  readonly attemptCompletedSignal: AbortSignal;
}

/** Deterministic: the same values at every attempt. Predictable, so not for secrets. */
export interface Rand {
  /** Uniform in [0, 1). */
  random(): number;
  /** A UUID of version 4. */
  uuidv4(): string;
}

/** The time, recorded when it is first read. Each call is a step, as `run` is. */
export interface ContextDate {
  /** Milliseconds since 1970. */
  now(): Promise<number>;
  /** As ISO 8601 in UTC: `2026-01-31T12:00:00.000Z`. */
  toJSON(): Promise<string>;
}

/** What a step does. It must not use the context. */
export type RunAction<T> = (() => Promise<T>) | (() => T);

/** Without any of the retry options the server's retry policy applies. */
export interface RunOptions<T> extends RunRetryPolicy {
  /** Of the result. @default the option `serde` of the handler, then JSON */
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

/** A handler by its name, and what it is sent. */
export interface GenericSend<REQ> {
  /** The name of the service, object or workflow. */
  service: string;
  /** The name of the handler. */
  method: string;
  /** The input. */
  parameter: REQ;
  /** Of an object or workflow. */
  key?: string;
  /** The callee reads them in `ctx.request().headers`. */
  headers?: Record<string, string>;
  /** @default serde.binary */
  inputSerde?: Serde<REQ>;
  /** Start the callee after this long. @default at once */
  delay?: Duration | number;
  /** The same key, target and retention: the same invocation. */
  idempotencyKey?: string;
  /** As of `Context.scope`. */
  scope?: string;
  /** Within the scope, calls with one key share a limit of how many run at once. */
  limitKey?: string;
  /** Shown in the journal. */
  name?: string;
}

/** A handler by its name, what it is sent, and what comes back. */
export interface GenericCall<REQ, RES> extends Omit<GenericSend<REQ>, 'delay'> {
  /** @default serde.binary */
  outputSerde?: Serde<RES>;
}

/**
 * Clients of other handlers, typed by a definition or by its type: `ctx.serviceClient<typeof greeter>({ name: 'Greeter' })`.
 * Each handler is a method, `client.greet(input, rpc.opts({...}))`.
 */
export interface ScopedContext {
  /** Calls handlers of a service and waits for their results. */
  serviceClient<D>(service: ServiceDefinitionFrom<D>): Client<Service<D>>;
  /** Starts handlers of a service, now or later, without waiting for them. */
  serviceSendClient<D>(service: ServiceDefinitionFrom<D>): SendClient<Service<D>>;
  /** Calls handlers of the virtual object with this key. */
  objectClient<D>(object: VirtualObjectDefinitionFrom<D>, key: string): Client<VirtualObject<D>>;
  /** Starts handlers of the virtual object with this key. */
  objectSendClient<D>(object: VirtualObjectDefinitionFrom<D>, key: string): SendClient<VirtualObject<D>>;
  /** Calls handlers of the workflow with this key. */
  workflowClient<D>(workflow: WorkflowDefinitionFrom<D>, key: string): Client<Workflow<D>>;
  /** Starts handlers of the workflow with this key. */
  workflowSendClient<D>(workflow: WorkflowDefinitionFrom<D>, key: string): SendClient<Workflow<D>>;
}

/** What every handler gets: each of its verbs is a step, recorded in the journal. */
export interface Context extends ScopedContext {
  /** Random values that replay. */
  readonly rand: Rand;
  /** Silent while recorded steps are replayed. */
  readonly console: Console;
  /** The time, recorded. */
  readonly date: ContextDate;

  /**
   * Runs `action` once and journals its result; later attempts get the result. If the attempt breaks before the
   * result is stored, the action runs again. A TerminalError is a result; any other error is retried.
   */
  run<T>(action: RunAction<T>, options?: RunOptions<T>): RestatePromise<T>;
  run<T>(name: string, action: RunAction<T>, options?: RunOptions<T>): RestatePromise<T>;

  /** Waits at least this long, a number being ms; the function does not run meanwhile. `name` is shown in the journal. */
  sleep(duration: Duration | number, name?: string): RestatePromise<void>;

  /** A promise that anyone who has the id can settle. */
  awakeable<T>(serde?: Serde<T>): { readonly id: string; readonly promise: RestatePromise<T> };
  /** Settles the promise with this value, JSON by default. The first to settle it wins. */
  resolveAwakeable<T>(id: string, payload?: T, serde?: Serde<T>): void;
  /** Fails the promise with a TerminalError; a string is one with code 500. */
  rejectAwakeable(id: string, reason: string | TerminalError): void;

  /**
   * Clients whose calls go to this scope. Object keys, workflow keys and idempotency keys of one scope are apart from
   * those of another, and of none. Needs protocol version 7.
   */
  scope(scopeKey: string): ScopedContext;
  /** Calls a handler of which only the names are known, with bytes unless serdes are given. */
  genericCall<REQ = Uint8Array, RES = Uint8Array>(call: GenericCall<REQ, RES>): InvocationPromise<RES>;
  /** Starts one, without waiting for it. */
  genericSend<REQ = Uint8Array>(send: GenericSend<REQ>): InvocationHandle;

  /**
   * A signal that another handler sends to this invocation under this name. Each one that comes is taken by one
   * promise, in order.
   */
  signal<T>(name: Name<T>, serde?: Serde<T>): RestatePromise<T>;
  /** Another invocation, by its id: to signal it, cancel it, or wait for its result. */
  invocation(invocationId: InvocationId): InvocationReference;
  /** As `invocation(id).attach`. */
  attach<T>(invocationId: InvocationId, serde?: Serde<T>): RestatePromise<T>;
  /** As `invocation(id).cancel`. */
  cancel(invocationId: InvocationId): void;

  /** The request as this handler got it. */
  request(): Request;
}
