/**
 * Definitions of services: what users write with `service(...)`, and what the endpoint reads.
 *
 * Options are mutable, here and in the context's verbs, because code that moves to this SDK may build them up.
 *
 * The types carry the handler map as a phantom, so that a typed client needs the definition's type only. Objects
 * and workflows will be further kinds of the same `Definition`.
 */
import { SdkUsageError } from './coded-error.ts';
import type { Context } from './context/context.ts';
import type { Duration } from './duration.ts';
import type { TerminalError } from './errors.ts';
import type { Serde } from './serde.ts';

declare const handlersOf: unique symbol;

export interface ServiceDefinition<P extends string, M> {
  readonly name: P;
  readonly [handlersOf]?: M;
}
/** Exists so that clients of objects and workflows type-check. */
export interface VirtualObjectDefinition<P extends string, M> extends ServiceDefinition<P, M> {}
export interface WorkflowDefinition<P extends string, M> extends ServiceDefinition<P, M> {}

/** The handler map of a definition type, or the type itself when it is a handler map. */
export type Service<D> = D extends ServiceDefinition<string, infer M> ? M : D;
export type VirtualObject<D> = Service<D>;
export type Workflow<D> = Service<D>;
export type ServiceDefinitionFrom<D> =
  D extends ServiceDefinition<string, unknown> ? D : ServiceDefinition<string, D>;
export type VirtualObjectDefinitionFrom<D> = ServiceDefinitionFrom<D>;
export type WorkflowDefinitionFrom<D> = ServiceDefinitionFrom<D>;

export interface RetryPolicy {
  /** Attempts in total, the first included. */
  maxAttempts?: number;
  onMaxAttempts?: 'pause' | 'kill';
  initialInterval?: Duration | number;
  maxInterval?: Duration | number;
  exponentiationFactor?: number;
}

/** Options of a service; a handler's own win. Times reach the server through discovery. */
export interface ServiceOptions {
  idempotencyRetention?: Duration | number;
  journalRetention?: Duration | number;
  inactivityTimeout?: Duration | number;
  abortTimeout?: Duration | number;
  /** Callable from handlers only. */
  ingressPrivate?: boolean;
  retryPolicy?: RetryPolicy;
  /** Maps an error of user code to a terminal one; undefined leaves it to be retried. */
  // biome-ignore lint/suspicious/noExplicitAny: as handlers written for the Restate SDK have it
  asTerminalError?: (error: any) => TerminalError | undefined;
  /** Default for inputs, outputs and everything the context serializes. */
  // biome-ignore lint/suspicious/noExplicitAny: one serde for values of every type
  serde?: Serde<any>;
}

export interface ServiceHandlerOpts<I, O> extends ServiceOptions {
  /** Content types the ingress accepts; `input.contentType` by default. */
  accept?: string;
  input?: Serde<I>;
  output?: Serde<O>;
  /** Send the output's content type with an empty output too. */
  setOutputContentTypeIfEmpty?: boolean;
  description?: string;
  metadata?: Record<string, string>;
}

export type HandlerFunction = (this: unknown, context: Context, input: unknown) => Promise<unknown>;

export interface HandlerDefinition {
  readonly name: string;
  readonly fn: HandlerFunction;
  readonly options: ServiceHandlerOpts<unknown, unknown>;
}

export type DefinitionKind = 'service';

/** What `service` returns behind its type. */
export class Definition {
  readonly kind: DefinitionKind;
  readonly name: string;
  /** `this` of the handlers, so that they can call each other. */
  readonly self: object;
  readonly handlers: ReadonlyMap<string, HandlerDefinition>;
  readonly options: ServiceOptions;
  readonly description: string | undefined;
  readonly metadata: Record<string, string> | undefined;

  constructor(kind: DefinitionKind, spec: ServiceSpec) {
    this.kind = kind;
    this.name = checkedName('service', SERVICE_NAME, spec.name);
    this.self = spec.handlers;
    this.options = spec.options ?? {};
    this.description = spec.description;
    this.metadata = spec.metadata;
    this.handlers = new Map(
      Object.entries(spec.handlers).map(([name, fn]) => {
        checkedName('handler', HANDLER_NAME, name);
        if (typeof fn !== 'function') {
          throw new SdkUsageError('HF_SDK_DEFINITION', `Handler ${spec.name}/${name} is not a function.`);
        }
        return [name, { name, fn, options: optionsOf.get(fn) ?? {} }];
      }),
    );
  }
}

interface ServiceSpec {
  readonly name: string;
  readonly handlers: object;
  readonly description?: string | undefined;
  readonly metadata?: Record<string, string> | undefined;
  readonly options?: ServiceOptions | undefined;
}

// The server's rules, checked here so that a wrong name fails the deployment and not its registration.
const SERVICE_NAME = /^([a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9._-]*$/;
const HANDLER_NAME = /^([a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9_]*$/;

function checkedName(what: string, pattern: RegExp, name: string): string {
  if (!pattern.test(name)) {
    throw new SdkUsageError(
      'HF_SDK_DEFINITION',
      `"${name}" is not a valid ${what} name: it must match ${pattern}.`,
    );
  }
  return name;
}

/** A handler function of a service: it takes the context and at most one input, and returns a promise. */
export type ServiceHandler<F> = F extends (context: Context) => Promise<unknown>
  ? F
  : // biome-ignore lint/suspicious/noExplicitAny: any input type will do
    F extends (context: Context, input: any) => Promise<unknown>
    ? F
    : // biome-ignore lint/suspicious/noExplicitAny: the shape shown in the error
      (context: Context, input?: any) => Promise<any>;

export type ServiceOpts<M> = { [K in keyof M]: ServiceHandler<M[K]> };

export function service<P extends string, M>(definition: {
  name: P;
  handlers: ServiceOpts<M> & ThisType<M>;
  description?: string;
  metadata?: Record<string, string>;
  options?: ServiceOptions;
}): ServiceDefinition<P, M> {
  return new Definition('service', definition as unknown as ServiceSpec) as unknown as ServiceDefinition<
    P,
    M
  >;
}

const optionsOf = new WeakMap<object, ServiceHandlerOpts<unknown, unknown>>();

/** A handler without input shows as one that takes none. */
export type RemoveVoidArgument<F> = F extends (context: infer C, input: infer I) => infer R
  ? I extends void
    ? (context: C) => R
    : F
  : F;

function handler<O, I = void>(
  options: ServiceHandlerOpts<I, O>,
  fn: (context: Context, input: I) => Promise<O>,
): RemoveVoidArgument<typeof fn> {
  // A copy, because the same function may be bound twice with different options.
  const copy: HandlerFunction = function (context, input) {
    return (fn as HandlerFunction).call(this, context, input);
  };
  optionsOf.set(copy, options as ServiceHandlerOpts<unknown, unknown>);
  return copy as unknown as RemoveVoidArgument<typeof fn>;
}

export const handlers = { handler };
export const createServiceHandler = handler;
