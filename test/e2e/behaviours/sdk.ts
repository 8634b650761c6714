/**
 * What the handlers use of an SDK. They are written against the official types; ours must be usable in their place,
 * so the same source is built once with each.
 */
import type * as official from '@restatedev/restate-sdk/lambda';

export type Sdk = Pick<
  typeof official,
  | 'CancelledError'
  | 'createEndpointHandler'
  | 'handlers'
  | 'object'
  | 'RestatePromise'
  | 'RetryableError'
  | 'rpc'
  | 'serde'
  | 'service'
  | 'TerminalError'
  | 'TimeoutError'
  | 'workflow'
>;
export type Context = official.Context;
export type ExplicitContext = official.internal.ContextInternal;
export type InvocationId = official.InvocationId;
export type ObjectContext = official.ObjectContext;
export type ObjectSharedContext = official.ObjectSharedContext;
export type WorkflowContext = official.WorkflowContext;
export type WorkflowSharedContext = official.WorkflowSharedContext;
export type Serde<T> = official.Serde<T>;
export type RestatePromise<T> = official.RestatePromise<T>;

/** Which SDK's services a function serves and calls. */
export interface Names {
  readonly own: SdkName;
  readonly other: SdkName;
}

/** Prefix of the names of the services that an SDK serves. */
export const SDK_NAMES = ['Official', 'Holdfast'] as const;
export type SdkName = (typeof SDK_NAMES)[number];

export const privateServiceOf = (sdk: SdkName): string => `${sdk}Private`;

/**
 * How long handlers wait where the orchestrator is killed meanwhile: longer than all rows take to get there and two
 * restarts, which is two seconds on two idle cores.
 */
export const KILLED_PAUSE_MS = 10_000;
