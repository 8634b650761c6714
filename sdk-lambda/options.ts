/**
 * Options of services and handlers, as users write them. A handler's own win over its service's, and those over the
 * endpoint's defaults; each option as a whole.
 *
 * They are mutable, here and in the context's verbs, because code that moves to this SDK may build them up.
 */
import type { Duration } from './duration.ts';
import type { TerminalError } from './errors.ts';
import type { Serde } from './serde.ts';

export interface RetryPolicy {
  /** Attempts in total, the first included. */
  maxAttempts?: number;
  onMaxAttempts?: 'pause' | 'kill';
  initialInterval?: Duration | number;
  maxInterval?: Duration | number;
  exponentiationFactor?: number;
}

/** Times reach the server through discovery. */
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
  /** A cancellation is not thrown into the handler; it watches for it with `ContextInternal.cancellation`. */
  explicitCancellation?: boolean;
  /**
   * What happens when the code departs from its journal: the attempt is retried, or the invocation is paused or fails.
   * Before protocol version 7 `pause` retries by the policy, which pauses in the end.
   *
   * @default 'retry'
   */
  onJournalMismatchErrors?: 'retry' | 'pause' | 'fail';
}

interface LazyStateOption {
  /** State is fetched when it is read, instead of coming with every attempt. */
  enableLazyState?: boolean;
}
export interface ObjectOptions extends ServiceOptions, LazyStateOption {}
export interface WorkflowOptions extends ServiceOptions, LazyStateOption {
  /** How long result, promises and state are kept after the workflow has completed. */
  workflowRetention?: Duration | number;
}
/** For all services of an endpoint. */
export interface DefaultServiceOptions extends ServiceOptions, ObjectOptions, WorkflowOptions {}

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
export interface ObjectHandlerOpts<I, O> extends ServiceHandlerOpts<I, O>, LazyStateOption {}
export interface WorkflowHandlerOpts<I, O> extends ServiceHandlerOpts<I, O>, LazyStateOption {}
