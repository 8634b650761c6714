/**
 * Calls handlers from outside: the client of the ingress. Browser-safe; needs types and serdes of the SDK only.
 *
 * | file                 | owns                                                                |
 * | -------------------- | ------------------------------------------------------------------- |
 * | `api.ts`             | the surface, in types                                               |
 * | `options.ts`         | options of single requests                                          |
 * | `connect.ts`         | options of a connection; methods by the names of handlers           |
 * | `caller.ts`          | what is called as requests: paths, headers, bodies                  |
 * | `exchange.ts`        | one request: attempts, pauses, timeout and abort                    |
 * | `retry.ts`           | which failures are retried, and when                                |
 * | `http-call-error.ts` | answers that are errors                                             |
 */
export { SdkUsageError } from '../coded-error.ts';
export type {
  Service,
  ServiceDefinition,
  ServiceDefinitionFrom,
  VirtualObject,
  VirtualObjectDefinition,
  VirtualObjectDefinitionFrom,
  Workflow,
  WorkflowDefinition,
  WorkflowDefinitionFrom,
} from '../definitions.ts';
export type { Duration } from '../duration.ts';
export { type Serde, serde } from '../serde.ts';
export type { JournalValueCodec } from '../value-codec.ts';
export type {
  ConnectionOpts,
  InferArgType,
  Ingress,
  IngressClient,
  IngressClientFromDescriptors,
  IngressSendClient,
  IngressSendClientFromDescriptors,
  IngressWorkflowClient,
  Output,
  ScopedIngress,
  Send,
  WorkflowSubmission,
} from './api.ts';
export { connect } from './connect.ts';
export { HttpCallError } from './http-call-error.ts';
export {
  type IngressCallOptions,
  type IngressSendOptions,
  Opts,
  type RequestOptions,
  rpc,
  SendOpts,
} from './options.ts';
export { defaultShouldRetry, type RetryFailure, type RetryPolicy } from './retry.ts';
