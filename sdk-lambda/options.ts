/**
 * Options of services and handlers, as users write them. A handler's own win over its service's, and those over the
 * endpoint's defaults; each option as a whole.
 *
 * They are mutable, here and in the context's verbs, because code that moves to this SDK may build them up.
 */
import type { Duration } from './duration.ts';
import type { TerminalError } from './errors.ts';
import type { HooksProvider } from './hooks.ts';
import type { Serde } from './serde.ts';
import type { StandardSchema } from './standard-schema.ts';

/** How the server repeats failed attempts. What is not set here is as the server is configured. Numbers are ms. */
export interface RetryPolicy {
  /** Attempts in total, the first included. @default 70 */
  maxAttempts?: number;
  /** After the last: `pause` until a person resumes it, or `kill`, which fails it. @default 'pause' */
  onMaxAttempts?: 'pause' | 'kill';
  /** Before the second attempt. @default 500 ms */
  initialInterval?: Duration | number;
  /** No wait is longer. @default 60 s */
  maxInterval?: Duration | number;
  /** Each wait is this many times the one before. @default 2 */
  exponentiationFactor?: number;
}

/** Of a service and its handlers. Numbers are ms. Times and `retryPolicy` reach the server when it is registered. */
export interface ServiceOptions {
  /** How long the result of an invocation with an idempotency key is kept. @default 24 h */
  idempotencyRetention?: Duration | number;
  /** How long the journal of a completed invocation is kept; at most as long as its result. @default 24 h */
  journalRetention?: Duration | number;
  /** How long an attempt may be silent before the server asks it to suspend. Not on Lambda. @default 1 min */
  inactivityTimeout?: Duration | number;
  /** How long after that the server breaks the attempt off. @default 10 min */
  abortTimeout?: Duration | number;
  /** Callable from handlers only. @default false */
  ingressPrivate?: boolean;
  /** For attempts that fail. */
  retryPolicy?: RetryPolicy;
  /** Maps an error of a handler, or of a step, to a terminal one; undefined leaves it to be retried. */
  // biome-ignore lint/suspicious/noExplicitAny: as handlers written for the Restate SDK have it
  asTerminalError?: (error: any) => TerminalError | undefined;
  /** For inputs, outputs and all other values that have no serde of their own. @default serde.json */
  // biome-ignore lint/suspicious/noExplicitAny: one serde for values of every type
  serde?: Serde<any>;
  /**
   * Code around each attempt and each closure of `ctx.run` that executes, the first one outermost. Those of a handler
   * come within those of its service.
   */
  hooks?: HooksProvider[];
  /**
   * A cancellation is not thrown into the handler; it watches for it with `ContextInternal.cancellation`.
   *
   * @default false
   */
  explicitCancellation?: boolean;
  /**
   * What happens when the code departs from its journal: the attempt is retried, or the invocation is paused or fails.
   * Before protocol version 7 `pause` retries by the policy, which pauses in the end.
   *
   * @default 'retry'
   */
  onJournalMismatchErrors?: 'retry' | 'pause' | 'fail';
}

/** Of what has state. */
export interface LazyStateOption {
  /** State is fetched when it is read, instead of coming with every attempt. @default false */
  enableLazyState?: boolean;
}
/** Of a virtual object and its handlers. */
export interface ObjectOptions extends ServiceOptions, LazyStateOption {}
/** Of a workflow and its handlers. */
export interface WorkflowOptions extends ServiceOptions, LazyStateOption {
  /** How long result, promises and state are kept after the workflow has completed. @default 24 h */
  workflowRetention?: Duration | number;
}
/** For all services of an endpoint. */
export interface DefaultServiceOptions extends ServiceOptions, ObjectOptions, WorkflowOptions {}

/** What handlers have beside the options of their services, apart from how values are read and written. */
interface OwnOptions extends ServiceOptions {
  /** Content types that the ingress accepts, with wildcards. @default the content type of `input` */
  accept?: string;
  /** Send the output's content type with an empty output too. @default false */
  setOutputContentTypeIfEmpty?: boolean;
  /** For people, in the description of the service. */
  description?: string;
  /** For tools, in the description of the service. */
  metadata?: Record<string, string>;
}

/** Of every handler with options. */
interface InputOption<I, SI> {
  /**
   * How the input is read; a Standard Schema (zod, valibot, arktype, ...) checks JSON. An input that does not fit is a
   * TerminalError with code 400 that names the issues.
   *
   * @default the option `serde`
   */
  input?: Serde<I> | StandardSchema<SI, I>;
}

/**
 * Of a handler that gets an `I` and returns an `O`. Where schemas transform values, callers send an `SI` and get an `SO`,
 * and the handler returns an `RO`.
 */
export interface ServiceHandlerOpts<I, O, SI = I, SO = O, RO = O> extends OwnOptions, InputOption<I, SI> {
  /**
   * How the result is written; a Standard Schema checks it and makes JSON of what it makes of it. A result that does not
   * fit fails the attempt (`HF_SDK_OUTPUT`).
   *
   * @default the option `serde`
   */
  output?: Serde<O> | StandardSchema<RO, SO>;
}
/** Of a handler of a virtual object. */
export interface ObjectHandlerOpts<I, O, SI = I, SO = O, RO = O>
  extends ServiceHandlerOpts<I, O, SI, SO, RO>,
    LazyStateOption {}
/** Of a handler of a workflow. */
export interface WorkflowHandlerOpts<I, O, SI = I, SO = O, RO = O>
  extends ServiceHandlerOpts<I, O, SI, SO, RO>,
    LazyStateOption {}

/** Of a handler whose result a schema checks: it returns an `RO`, and callers get an `SO`. */
export interface OutputSchemaOpts<I, SI, RO, SO> extends OwnOptions, InputOption<I, SI> {
  output: StandardSchema<RO, SO>;
}

/** Once schemas are serdes. */
export interface ResolvedHandlerOpts extends OwnOptions, LazyStateOption {
  input?: Serde<unknown>;
  output?: Serde<unknown>;
}
