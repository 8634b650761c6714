/** Durable handlers on AWS Lambda. */
import { createEndpointHandler, endpoint } from './lambda.ts';

export { SdkUsageError } from './coded-error.ts';
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
  type Rand,
  type Request,
  type RunAction,
  type RunOptions,
  type Target,
} from './context/context.ts';
export {
  createServiceHandler,
  handlers,
  type RemoveVoidArgument,
  type RetryPolicy,
  type Service,
  type ServiceDefinition,
  type ServiceDefinitionFrom,
  type ServiceHandler,
  type ServiceHandlerOpts,
  type ServiceOptions,
  type ServiceOpts,
  service,
  type VirtualObjectDefinition,
  type WorkflowDefinition,
} from './definitions.ts';
export type { Duration } from './duration.ts';
export { createEndpoint, type Endpoint } from './endpoint.ts';
export {
  CancelledError,
  RestateError,
  type RestateErrorOptions,
  RetryableError,
  type RetryableErrorOptions,
  TerminalError,
  type TerminalErrorOptions,
  TimeoutError,
} from './errors.ts';
export { type EndpointRequest, type EndpointResponse, handleInvocation, handleRequest } from './http.ts';
export {
  drainMicrotasks,
  type InvocationPorts,
  type InvocationRequest,
} from './invocation.ts';
export type {
  EndpointOptions,
  LambdaEndpoint,
  LambdaEvent,
  LambdaHandler,
  LambdaResponse,
} from './lambda.ts';
export { CombineablePromise, isRestatePromise, RestatePromise } from './promise.ts';
export { type Serde, serde } from './serde.ts';

export { createEndpointHandler, endpoint };
export const lambda = { createEndpointHandler, endpoint };
