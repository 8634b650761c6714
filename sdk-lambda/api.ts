/** What handlers are written with, the same for every adapter; and attempts without any. */
export { SdkUsageError } from './coded-error.ts';
export { CombineablePromise, isRestatePromise, RestatePromise } from './combinators.ts';
export {
  type Client,
  type ClientCallOptions,
  type ClientSendOptions,
  type InferArg,
  Opts,
  rpc,
  type SendClient,
  SendOpts,
} from './context/client.ts';
export {
  type Context,
  type ContextDate,
  type GenericCall,
  type GenericSend,
  type InvocationHandle,
  type InvocationId,
  InvocationIdParser,
  type InvocationPromise,
  type InvocationReference,
  type Name,
  type Rand,
  type Request,
  type RunAction,
  type RunOptions,
  type ScopedContext,
  type SignalReference,
  type Target,
} from './context/context.ts';
export * as internal from './context/internal.ts';
export type {
  DurablePromise,
  KeyValueStore,
  ObjectContext,
  ObjectSharedContext,
  TypedState,
  UntypedState,
  WorkflowContext,
  WorkflowSharedContext,
} from './context/keyed.ts';
export {
  type ObjectHandler,
  type ObjectOpts,
  type ObjectSharedHandler,
  object,
  type RemoveVoidArgument,
  type Service,
  type ServiceDefinition,
  type ServiceDefinitionFrom,
  type ServiceHandler,
  type ServiceOpts,
  service,
  type VirtualObject,
  type VirtualObjectDefinition,
  type VirtualObjectDefinitionFrom,
  type Workflow,
  type WorkflowDefinition,
  type WorkflowDefinitionFrom,
  type WorkflowHandler,
  type WorkflowOpts,
  type WorkflowSharedHandler,
  workflow,
} from './definitions.ts';
export type { Duration } from './duration.ts';
export {
  createEndpoint,
  type Endpoint,
  type EndpointBuilder,
  type EndpointBuilder as RestateEndpointBase,
  type EndpointOptions,
} from './endpoint.ts';
export {
  CancelledError,
  PauseError,
  RestateError,
  type RestateErrorOptions,
  RetryableError,
  type RetryableErrorOptions,
  TerminalError,
  type TerminalErrorOptions,
  TimeoutError,
} from './errors.ts';
export {
  createObjectHandler,
  createObjectSharedHandler,
  createServiceHandler,
  createWorkflowHandler,
  createWorkflowSharedHandler,
  handlers,
} from './handlers.ts';
export type { Hooks, HooksProvider, Interceptor } from './hooks.ts';
export { type EndpointRequest, type EndpointResponse, handleInvocation, handleRequest } from './http.ts';
export {
  drainMicrotasks,
  type InvocationPorts,
  type InvocationRequest,
} from './invocation.ts';
export type { LoggerContext, LoggerTransport, LogMetadata, RestateLogLevel } from './logger.ts';
export type {
  DefaultServiceOptions,
  ObjectHandlerOpts,
  ObjectOptions,
  RetryPolicy,
  ServiceHandlerOpts,
  ServiceOptions,
  WorkflowHandlerOpts,
  WorkflowOptions,
} from './options.ts';
export { type Serde, serde } from './serde.ts';
export type { StandardSchema } from './standard-schema.ts';
export type { JournalValueCodec, ValuePlace } from './value-codec.ts';
