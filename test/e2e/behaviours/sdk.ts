/**
 * What the handlers use of an SDK. They are written against the official types; ours must be usable in their place,
 * so the same source is built once with each.
 */
import type * as official from '@restatedev/restate-sdk/lambda';
import { type SdkName, type StateKind, servicesOf } from './dimensions.ts';

export type Sdk = Pick<
  typeof official,
  | 'CancelledError'
  | 'handlers'
  | 'PauseError'
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
/** What an endpoint serves. */
export type Services = Parameters<typeof official.createEndpointHandler>[0]['services'];
export type Context = official.Context;
export type ExplicitContext = official.internal.ContextInternal;
export type InvocationId = official.InvocationId;
export type ObjectContext = official.ObjectContext;
export type ObjectSharedContext = official.ObjectSharedContext;
export type WorkflowContext = official.WorkflowContext;
export type WorkflowSharedContext = official.WorkflowSharedContext;
export type Serde<T> = official.Serde<T>;
export type RestatePromise<T> = official.RestatePromise<T>;

/** Prefixes of the services that handlers serve and call. */
export interface Names {
  readonly own: string;
  /** Of the other SDK. */
  readonly other: string;
}

export const namesOf = (sdk: SdkName, state: StateKind = 'eager'): Names => ({
  own: servicesOf({ sdk, state }),
  other: servicesOf({ sdk: sdk === 'Official' ? 'Holdfast' : 'Official', state }),
});

export const privateServiceOf = (services: string): string => `${services}Private`;

/**
 * How long handlers wait where the orchestrator is killed meanwhile: longer than all rows take to get there and two
 * restarts, which is two seconds on two idle cores.
 */
export const KILLED_PAUSE_MS = 10_000;
