/**
 * Handlers with options, and the marks that tell exclusive handlers from shared ones.
 *
 * Schemas are made part of the function here: what is called, by the server or by another handler of `this`, checks its
 * input and its result. So a bundle without such handlers has nothing of it, and the types are those of the callers.
 */
import { SdkUsageError } from './coded-error.ts';
import type { Context } from './context/context.ts';
import type {
  ObjectContext,
  ObjectSharedContext,
  TypedState,
  UntypedState,
  WorkflowContext,
  WorkflowSharedContext,
} from './context/keyed.ts';
import {
  type HandlerFunction,
  type HandlerKind,
  markHandler,
  type RemoveVoidArgument,
} from './definitions.ts';
import { TerminalError } from './errors.ts';
import type {
  LazyStateOption,
  ObjectHandlerOpts,
  OutputSchemaOpts,
  ResolvedHandlerOpts,
  ServiceHandlerOpts,
  WorkflowHandlerOpts,
} from './options.ts';
import { json, type Serde } from './serde.ts';
import { checked, jsonSchemaOf, type StandardSchema } from './standard-schema.ts';

/** What `fn` looks like to its callers: they send what the schemas of its options take, and get what those make. */
type Handler<C, I, O> = undefined extends I
  ? RemoveVoidArgument<(context: C, input?: I) => Promise<O>>
  : (context: C, input: I) => Promise<O>;

/** What fits the schema, literals and lists written in place included, which are inferred as constants. */
type Fitting<T> = unknown extends T
  ? T
  : T extends (...args: never) => unknown
    ? T
    : { readonly [K in keyof T]: Fitting<T[K]> };

/** What is returned: what the schema takes, if there is one. */
type Returned<O, RO> = [RO] extends [never] ? O : NoInfer<RO>;

/** Of a service, with options. In an object it is a shared one. */
function handler<RO, SO, const R extends Fitting<RO>, I = void, SI = I>(
  options: OutputSchemaOpts<I, SI, RO, SO>,
  fn: (context: Context, input: I) => Promise<R>,
): Handler<Context, SI, SO>;
function handler<O, I = void, SI = I, SO = O, RO = never>(
  options: ServiceHandlerOpts<I, O, SI, SO, RO>,
  fn: (context: Context, input: I) => Promise<Returned<O, RO>>,
): Handler<Context, SI, SO>;
function handler(options: object, fn: object): unknown {
  // Shared, because that is what the Restate SDK makes of it.
  return mark('shared', options, fn);
}

/** Of an object, the only one that runs for its key; which is what a handler is that has no mark. */
function exclusive<
  RO,
  SO,
  const R extends Fitting<RO>,
  I = void,
  S extends TypedState = UntypedState,
  SI = I,
>(
  options: OutputSchemaOpts<I, SI, RO, SO> & LazyStateOption,
  fn: (context: ObjectContext<S>, input: I) => Promise<R>,
): Handler<ObjectContext<S>, SI, SO>;
function exclusive<O, I = void, S extends TypedState = UntypedState, SI = I, SO = O, RO = never>(
  options: ObjectHandlerOpts<I, O, SI, SO, RO>,
  fn: (context: ObjectContext<S>, input: I) => Promise<Returned<O, RO>>,
): Handler<ObjectContext<S>, SI, SO>;
function exclusive<O, I = void, S extends TypedState = UntypedState>(
  fn: (context: ObjectContext<S>, input: I) => Promise<O>,
): Handler<ObjectContext<S>, I, O>;
function exclusive(optionsOrFn: object, fn?: object): unknown {
  return mark('exclusive', optionsOrFn, fn);
}

/** Of an object, runs beside others of its key, and reads state. */
function shared<RO, SO, const R extends Fitting<RO>, I = void, S extends TypedState = UntypedState, SI = I>(
  options: OutputSchemaOpts<I, SI, RO, SO> & LazyStateOption,
  fn: (context: ObjectSharedContext<S>, input: I) => Promise<R>,
): Handler<ObjectSharedContext<S>, SI, SO>;
function shared<O, I = void, S extends TypedState = UntypedState, SI = I, SO = O, RO = never>(
  options: ObjectHandlerOpts<I, O, SI, SO, RO>,
  fn: (context: ObjectSharedContext<S>, input: I) => Promise<Returned<O, RO>>,
): Handler<ObjectSharedContext<S>, SI, SO>;
function shared<O, I = void, S extends TypedState = UntypedState>(
  fn: (context: ObjectSharedContext<S>, input: I) => Promise<O>,
): Handler<ObjectSharedContext<S>, I, O>;
function shared(optionsOrFn: object, fn?: object): unknown {
  return mark('shared', optionsOrFn, fn);
}

/** The handler `run` of a workflow. */
function workflowRun<
  RO,
  SO,
  const R extends Fitting<RO>,
  I = void,
  S extends TypedState = UntypedState,
  SI = I,
>(
  options: OutputSchemaOpts<I, SI, RO, SO> & LazyStateOption,
  fn: (context: WorkflowContext<S>, input: I) => Promise<R>,
): Handler<WorkflowContext<S>, SI, SO>;
function workflowRun<O, I = void, S extends TypedState = UntypedState, SI = I, SO = O, RO = never>(
  options: WorkflowHandlerOpts<I, O, SI, SO, RO>,
  fn: (context: WorkflowContext<S>, input: I) => Promise<Returned<O, RO>>,
): Handler<WorkflowContext<S>, SI, SO>;
function workflowRun<O, I = void, S extends TypedState = UntypedState>(
  fn: (context: WorkflowContext<S>, input: I) => Promise<O>,
): Handler<WorkflowContext<S>, I, O>;
function workflowRun(optionsOrFn: object, fn?: object): unknown {
  return mark('workflow', optionsOrFn, fn);
}

/** Of a workflow, any handler but `run`. */
function workflowShared<
  RO,
  SO,
  const R extends Fitting<RO>,
  I = void,
  S extends TypedState = UntypedState,
  SI = I,
>(
  options: OutputSchemaOpts<I, SI, RO, SO> & LazyStateOption,
  fn: (context: WorkflowSharedContext<S>, input: I) => Promise<R>,
): Handler<WorkflowSharedContext<S>, SI, SO>;
function workflowShared<O, I = void, S extends TypedState = UntypedState, SI = I, SO = O, RO = never>(
  options: WorkflowHandlerOpts<I, O, SI, SO, RO>,
  fn: (context: WorkflowSharedContext<S>, input: I) => Promise<Returned<O, RO>>,
): Handler<WorkflowSharedContext<S>, SI, SO>;
function workflowShared<O, I = void, S extends TypedState = UntypedState>(
  fn: (context: WorkflowSharedContext<S>, input: I) => Promise<O>,
): Handler<WorkflowSharedContext<S>, I, O>;
function workflowShared(optionsOrFn: object, fn?: object): unknown {
  return mark('shared', optionsOrFn, fn);
}

type Options = ServiceHandlerOpts<unknown, unknown>;

function mark(kind: HandlerKind, optionsOrFn: object, fn: object | undefined): unknown {
  if (fn === undefined) return markHandler(kind, {}, optionsOrFn as HandlerFunction);
  const { input, output, ...options } = optionsOrFn as Options;
  const checksInput = schemaOf(input);
  const checksOutput = schemaOf(output);
  const resolved = {
    ...options,
    input: checksInput ? described(checksInput, 'input') : input,
    output: checksOutput ? described(checksOutput, 'output') : output,
  } as ResolvedHandlerOpts;
  return markHandler(kind, resolved, checking(fn as HandlerFunction, checksInput, checksOutput));
}

type Given = Serde<unknown> | StandardSchema | undefined;
const schemaOf = (given: Given): StandardSchema | undefined =>
  given && '~standard' in given ? given : undefined;

const described = (schema: StandardSchema, side: 'input' | 'output'): Serde<unknown> => ({
  ...json,
  // When it is asked for, which is at discovery and not at every cold start.
  get jsonSchema() {
    return jsonSchemaOf(schema, side);
  },
});

const BAD_REQUEST = 400;

function checking(
  fn: HandlerFunction,
  input: StandardSchema | undefined,
  output: StandardSchema | undefined,
): HandlerFunction {
  if (!input && !output) return fn;
  return async function (context, given) {
    const argument = input
      ? checked(input, given, issues => {
          // No retry will make it fit.
          throw new TerminalError(`The input of ${context.request().target} is not valid: ${issues}`, {
            errorCode: BAD_REQUEST,
          });
        })
      : given;
    const result = await fn.call(this, context, argument);
    if (!output) return result;
    return checked(output, result, issues => {
      // Not terminal: the code is wrong and not the request. Its steps are recorded, so that the code which mends it
      // goes on from there; a terminal error would give them up and show the caller a mistake that it did not make.
      throw new SdkUsageError(
        'HF_SDK_OUTPUT',
        `${context.request().target} returned what its output schema refuses: ${issues}.`,
      );
    });
  };
}

/** Handlers with options, and those of objects and workflows that differ from what they are without a mark. */
export const handlers = {
  /** Of a service. */
  handler,
  /** Of an object: the only one for its key, or beside others. */
  object: { exclusive, shared },
  /** Of a workflow: `run`, or beside it. */
  workflow: { workflow: workflowRun, shared: workflowShared },
};
/** `handlers.handler` */
export const createServiceHandler = handler;
/** `handlers.object.exclusive` */
export const createObjectHandler = exclusive;
/** `handlers.object.shared` */
export const createObjectSharedHandler = shared;
/** `handlers.workflow.workflow` */
export const createWorkflowHandler = workflowRun;
/** `handlers.workflow.shared` */
export const createWorkflowSharedHandler = workflowShared;
