/** End-to-end harness; see `stack.ts`. Status: working and in use by the kill test and the demo. */
export {
  AdminClient,
  type CallAnswer,
  type CallOptions,
  HttpError,
  IngressClient,
  type InvocationStatus,
  type InvocationView,
  type JournalEntry,
  type PreviewedValue,
  type Registration,
  type SendAnswer,
} from './clients.ts';
export { HttpHandlers, type HttpHandlersOptions } from './http-handlers.ts';
export { FOREIGN_PUBLIC_KEY, IDENTITY_PUBLIC_KEY, writeIdentityKey } from './identity.ts';
export type { EnvironmentInfo, FunctionSettings, LambdaOptions, LambdaServer } from './lambda.ts';
export { type Endpoints, Orchestrator, type OrchestratorOptions } from './orchestrator.ts';
export { type Exit, type RunningProcess, startProcess, type TempDir, tempDir } from './processes.ts';
export { type Stack, type StackOptions, startStack } from './stack.ts';
export { until } from './until.ts';
