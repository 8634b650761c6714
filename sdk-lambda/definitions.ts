/**
 * Definitions of services, objects and workflows: what users write, and what the endpoint reads.
 *
 * The types carry the handler map as a phantom, so that a typed client needs the definition's type only. Each kind
 * brings the contexts of its handlers along, so that a bundle has those it uses.
 */
import { refuseDefinition as refuse } from './coded-error.ts';
import type { Context } from './context/context.ts';
import { AttemptContext, type ContextParts } from './context/create.ts';
import {
  KEYED_COMMANDS,
  KeyedContext,
  WORKFLOW_COMMANDS,
  WorkflowKeyedContext,
} from './context/create-keyed.ts';
import type {
  ObjectContext,
  ObjectSharedContext,
  WorkflowContext,
  WorkflowSharedContext,
} from './context/keyed.ts';
import { COMMANDS, type Commands } from './machine/commands.ts';
import type {
  DefaultServiceOptions,
  ObjectOptions,
  ResolvedHandlerOpts,
  ServiceOptions,
  WorkflowOptions,
} from './options.ts';
import type { JournalValueCodec } from './value-codec.ts';

declare const handlersOf: unique symbol;

/** What `service` returns; for clients the type, or its name, is enough. `M` has the handlers. */
export interface ServiceDefinition<P extends string, M> {
  /** As callers name it. */
  readonly name: P;
  readonly [handlersOf]?: M;
}
/** What `object` returns. */
export interface VirtualObjectDefinition<P extends string, M> extends ServiceDefinition<P, M> {}
/** What `workflow` returns. */
export interface WorkflowDefinition<P extends string, M> extends ServiceDefinition<P, M> {}

/** The handler map of a definition type, or the type itself when it is a handler map. */
export type Service<D> = D extends ServiceDefinition<string, infer M> ? M : D;
/** As `Service`, of an object. */
export type VirtualObject<D> = Service<D>;
/** As `Service`, of a workflow. */
export type Workflow<D> = Service<D>;
/** The definition type of a handler map, or the type itself when it is a definition. */
export type ServiceDefinitionFrom<D> =
  D extends ServiceDefinition<string, unknown> ? D : ServiceDefinition<string, D>;
/** As `ServiceDefinitionFrom`, of an object. */
export type VirtualObjectDefinitionFrom<D> = ServiceDefinitionFrom<D>;
/** As `ServiceDefinitionFrom`, of a workflow. */
export type WorkflowDefinitionFrom<D> = ServiceDefinitionFrom<D>;

/**
 * Of one key, exclusive handlers run one at a time and shared ones beside them; a workflow's `run` runs once.
 * Handlers of services are of no kind.
 */
export type HandlerKind = 'exclusive' | 'shared' | 'workflow';
export type DefinitionKind = 'service' | 'object' | 'workflow';

export type HandlerFunction = (this: unknown, context: Context, input: unknown) => Promise<unknown>;

export interface HandlerDefinition {
  readonly name: string;
  readonly kind: HandlerKind | undefined;
  readonly fn: HandlerFunction;
  readonly options: ResolvedHandlerOpts;
  /** Of the endpoint. */
  readonly codec?: JournalValueCodec | undefined;
}

interface DefinitionFacts {
  readonly kind: DefinitionKind;
  readonly name: string;
  /** `this` of the handlers, so that they can call each other. */
  readonly self: object;
  readonly handlers: ReadonlyMap<string, HandlerDefinition>;
  readonly options: DefaultServiceOptions;
  readonly description?: string | undefined;
  readonly metadata?: Record<string, string> | undefined;
  readonly commands: Commands;
  readonly createContext: (parts: ContextParts, kind: HandlerKind | undefined) => Context;
}

/** What `service`, `object` and `workflow` return behind their types. */
export class Definition {
  readonly facts: DefinitionFacts;
  readonly name: string;

  constructor(facts: DefinitionFacts) {
    this.facts = facts;
    this.name = facts.name;
  }

  /** With the options of the definition, and of its endpoint, where it has none of its own. */
  handler(name: string, defaults?: DefaultServiceOptions): HandlerDefinition | undefined {
    const handler = this.facts.handlers.get(name);
    if (!handler) return undefined;
    const options = { ...defaults, ...this.facts.options };
    // Of hooks the handler has its own within the others.
    const hooks = [...(options.hooks ?? []), ...(handler.options.hooks ?? [])];
    return { ...handler, options: { ...options, ...handler.options, hooks } };
  }
}

interface DefinitionSpec {
  readonly name: string;
  readonly handlers: object;
  readonly description?: string | undefined;
  readonly metadata?: Record<string, string> | undefined;
  readonly options?: ServiceOptions | undefined;
}

function define(
  kind: DefinitionKind,
  spec: DefinitionSpec,
  kindOf: (name: string, marked: HandlerKind | undefined) => HandlerKind | undefined,
  commands: Commands,
  createContext: DefinitionFacts['createContext'],
): Definition {
  const name = checkedName(kind, SERVICE_NAME, spec.name);
  const handlers = new Map<string, HandlerDefinition>();
  for (const [handlerName, fn] of Object.entries(spec.handlers)) {
    checkedName('handler', HANDLER_NAME, handlerName);
    if (typeof fn !== 'function') refuse(`Handler ${name}/${handlerName} is not a function.`);
    const marked = marks.get(fn);
    handlers.set(handlerName, {
      name: handlerName,
      kind: kindOf(handlerName, marked?.kind),
      fn,
      options: marked?.options ?? {},
    });
  }
  const { options = {}, handlers: self } = spec;
  return new Definition({ ...spec, kind, self, handlers, options, commands, createContext });
}

// The server's rules, checked here so that a wrong name fails the deployment and not its registration.
const SERVICE_NAME = /^([a-z]|_[a-z\d])[\w.-]*$/i;
const HANDLER_NAME = /^([a-z]|_[a-z\d])\w*$/i;

function checkedName(what: string, pattern: RegExp, name: string): string {
  if (!pattern.test(name)) refuse(`"${name}" is no ${what} name: it must match ${pattern}.`);
  return name;
}

interface Mark {
  readonly kind: HandlerKind;
  readonly options: ResolvedHandlerOpts;
}
const marks = new WeakMap<object, Mark>();

/** A handler without input shows as one that takes none. */
export type RemoveVoidArgument<F> = F extends (context: infer C, input: infer I) => infer R
  ? unknown extends I
    ? F
    : // biome-ignore lint/suspicious/noConfusingVoidType: as a type argument, for what a union has of it must not count
      [I] extends [void]
      ? (context: C) => R
      : F
  : F;

/** A copy of `fn` that carries these, because the same function may be bound twice with different options. */
export function markHandler(
  kind: HandlerKind,
  options: ResolvedHandlerOpts,
  fn: HandlerFunction,
): HandlerFunction {
  const copy: HandlerFunction = function (context, input) {
    return fn.call(this, context, input);
  };
  marks.set(copy, { kind, options });
  return copy;
}

/** A handler function: it takes the context and at most one input, and returns a promise. */
type HandlerOf<F, C> = F extends (context: C) => Promise<unknown>
  ? F
  : // biome-ignore lint/suspicious/noExplicitAny: any input type will do
    F extends (context: C, input: any) => Promise<unknown>
    ? F
    : // biome-ignore lint/suspicious/noExplicitAny: the shape shown in the error
      (context: C, input?: any) => Promise<any>;

/** `F`, when it can be a handler of a service; else the shape that one has. The same of the next four. */
export type ServiceHandler<F, C = Context> = HandlerOf<F, C>;
/** Of an object. */
// biome-ignore lint/suspicious/noExplicitAny: state of every type
export type ObjectHandler<F, C = ObjectContext<any>> = HandlerOf<F, C>;
/** Of an object, beside others. */
// biome-ignore lint/suspicious/noExplicitAny: state of every type
export type ObjectSharedHandler<F, C = ObjectSharedContext<any>> = HandlerOf<F, C>;
/** Of a workflow, named `run`. */
// biome-ignore lint/suspicious/noExplicitAny: state of every type
export type WorkflowHandler<F, C = WorkflowContext<any>> = HandlerOf<F, C>;
/** Of a workflow, beside `run`. */
// biome-ignore lint/suspicious/noExplicitAny: state of every type
export type WorkflowSharedHandler<F, C = WorkflowSharedContext<any>> = HandlerOf<F, C>;

/** The handlers of a service. */
export type ServiceOpts<M> = { [K in keyof M]: ServiceHandler<M[K]> };
// Not as `ServiceOpts`: a form without one signature for all lets a handler return what another one of `this` returns,
// because then its result is inferred after `M`. The price is that contexts must be annotated.
/** The handlers of an object. */
export type ObjectOpts<M> = {
  [K in keyof M]: M[K] extends ObjectHandler<M[K]>
    ? M[K]
    : M[K] extends ObjectSharedHandler<M[K]>
      ? M[K]
      : ObjectHandler<M[K]> | ObjectSharedHandler<M[K]>;
};
/** The handlers of a workflow, one of them named `run`. */
export type WorkflowOpts<M> = { run: unknown } & {
  [K in keyof M]: K extends ReservedWorkflowName
    ? `${K} is a name that clients of workflows have themselves`
    : K extends 'run'
      ? WorkflowHandler<M[K]>
      : WorkflowSharedHandler<M[K]>;
};
type ReservedWorkflowName = 'workflowSubmit' | 'workflowAttach' | 'workflowOutput';

/** A service: its handlers run as often and as many at once as they are called. */
export function service<P extends string, M>(definition: {
  name: P;
  handlers: ServiceOpts<M> & ThisType<M>;
  description?: string;
  metadata?: Record<string, string>;
  options?: ServiceOptions;
}): ServiceDefinition<P, M> {
  return define(
    'service',
    definition,
    () => undefined,
    COMMANDS,
    parts => new AttemptContext(parts),
  ) as unknown as ServiceDefinition<P, M>;
}

/** One handler at a time for each key, in the order of the calls, but for shared ones; and state for each key. */
export function object<P extends string, M>(definition: {
  name: P;
  handlers: ObjectOpts<M> & ThisType<M>;
  description?: string;
  metadata?: Record<string, string>;
  options?: ObjectOptions;
}): VirtualObjectDefinition<P, M> {
  return define(
    'object',
    definition,
    (name, marked = 'exclusive') =>
      marked === 'workflow'
        ? refuse(
            `Handler ${definition.name}/${name} is a workflow's; objects have exclusive and shared ones.`,
          )
        : marked,
    KEYED_COMMANDS,
    (parts, kind) => new KeyedContext(parts, kind === 'shared'),
  ) as unknown as VirtualObjectDefinition<P, M>;
}

/** `run` runs once for each key; the other handlers, all shared, look on and settle promises. */
export function workflow<P extends string, M>(definition: {
  name: P;
  handlers: WorkflowOpts<M> & ThisType<M>;
  description?: string;
  metadata?: Record<string, string>;
  options?: WorkflowOptions;
}): WorkflowDefinition<P, M> {
  const defined = define(
    'workflow',
    definition,
    (name, marked) => workflowHandlerKind(definition.name, name, marked),
    WORKFLOW_COMMANDS,
    (parts, kind) => new WorkflowKeyedContext(parts, kind === 'shared'),
  );
  const run = defined.facts.handlers.get('run');
  if (run === undefined) refuse(`Workflow ${definition.name} has no handler named run.`);
  if (run.options.idempotencyRetention !== undefined)
    refuse(
      `Handler ${definition.name}/run has the option idempotencyRetention: what is kept of it is said by workflowRetention in the workflow's options.`,
    );
  return defined as unknown as WorkflowDefinition<P, M>;
}

function workflowHandlerKind(
  workflowName: string,
  name: string,
  marked: HandlerKind | undefined,
): HandlerKind {
  const kind = name === 'run' ? 'workflow' : 'shared';
  if (marked !== undefined && marked !== kind)
    refuse(
      `Handler ${workflowName}/${name} is marked ${marked} and must be ${kind}: a workflow has one workflow handler, named run, and shared ones.`,
    );
  if (RESERVED.has(name))
    refuse(`Handler ${workflowName}/${name}: clients of workflows have a ${name} themselves.`);
  return kind;
}
const RESERVED = new Set<string>([
  'workflowSubmit',
  'workflowAttach',
  'workflowOutput',
] satisfies ReservedWorkflowName[]);
