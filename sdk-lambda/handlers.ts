/** Handlers with options, and the marks that tell exclusive handlers from shared ones. */
import type { Context } from './context/context.ts';
import type {
  ObjectContext,
  ObjectSharedContext,
  TypedState,
  UntypedState,
  WorkflowContext,
  WorkflowSharedContext,
} from './context/keyed.ts';
import { type HandlerKind, markHandler, type RemoveVoidArgument } from './definitions.ts';
import type { ObjectHandlerOpts, ServiceHandlerOpts, WorkflowHandlerOpts } from './options.ts';

function handler<O, I = void>(
  options: ServiceHandlerOpts<I, O>,
  fn: (context: Context, input: I) => Promise<O>,
): RemoveVoidArgument<typeof fn> {
  // In an object, a handler that was made for services runs beside others, as with the Restate SDK.
  return markHandler('shared', options, fn);
}

function exclusive<O, I = void, S extends TypedState = UntypedState>(
  options: ObjectHandlerOpts<I, O>,
  fn: (context: ObjectContext<S>, input: I) => Promise<O>,
): RemoveVoidArgument<typeof fn>;
function exclusive<O, I = void, S extends TypedState = UntypedState>(
  fn: (context: ObjectContext<S>, input: I) => Promise<O>,
): RemoveVoidArgument<typeof fn>;
function exclusive(optionsOrFn: object, fn?: object): unknown {
  return mark('exclusive', optionsOrFn, fn);
}

function shared<O, I = void, S extends TypedState = UntypedState>(
  options: ObjectHandlerOpts<I, O>,
  fn: (context: ObjectSharedContext<S>, input: I) => Promise<O>,
): RemoveVoidArgument<typeof fn>;
function shared<O, I = void, S extends TypedState = UntypedState>(
  fn: (context: ObjectSharedContext<S>, input: I) => Promise<O>,
): RemoveVoidArgument<typeof fn>;
function shared(optionsOrFn: object, fn?: object): unknown {
  return mark('shared', optionsOrFn, fn);
}

function workflowRun<O, I = void, S extends TypedState = UntypedState>(
  options: WorkflowHandlerOpts<I, O>,
  fn: (context: WorkflowContext<S>, input: I) => Promise<O>,
): RemoveVoidArgument<typeof fn>;
function workflowRun<O, I = void, S extends TypedState = UntypedState>(
  fn: (context: WorkflowContext<S>, input: I) => Promise<O>,
): RemoveVoidArgument<typeof fn>;
function workflowRun(optionsOrFn: object, fn?: object): unknown {
  return mark('workflow', optionsOrFn, fn);
}

function workflowShared<O, I = void, S extends TypedState = UntypedState>(
  options: WorkflowHandlerOpts<I, O>,
  fn: (context: WorkflowSharedContext<S>, input: I) => Promise<O>,
): RemoveVoidArgument<typeof fn>;
function workflowShared<O, I = void, S extends TypedState = UntypedState>(
  fn: (context: WorkflowSharedContext<S>, input: I) => Promise<O>,
): RemoveVoidArgument<typeof fn>;
function workflowShared(optionsOrFn: object, fn?: object): unknown {
  return mark('shared', optionsOrFn, fn);
}

const mark = (kind: HandlerKind, optionsOrFn: object, fn: object | undefined): unknown =>
  fn === undefined ? markHandler(kind, {}, optionsOrFn) : markHandler(kind, optionsOrFn, fn);

export const handlers = {
  handler,
  object: { exclusive, shared },
  workflow: { workflow: workflowRun, shared: workflowShared },
};
export const createServiceHandler = handler;
export const createObjectHandler = exclusive;
export const createObjectSharedHandler = shared;
export const createWorkflowHandler = workflowRun;
export const createWorkflowSharedHandler = workflowShared;
