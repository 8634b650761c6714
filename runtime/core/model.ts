/**
 * The nouns of the system: what a row of the state holds. Rows are immutable; `apply` writes new ones.
 * Times are Unix milliseconds, durations milliseconds.
 */

/** The latest time: rows and records hold whole numbers up to here. */
export const TIME_MAX = Number.MAX_SAFE_INTEGER;

declare const brand: unique symbol;
/** `inv_1…`, 38 characters. Its 128 random (or keyed-hash) bits also protect the awakeables of the invocation. */
export type InvocationId = string & { readonly [brand]: 'InvocationId' };
/** `dp_1…` */
export type DeploymentId = string & { readonly [brand]: 'DeploymentId' };

export interface Target {
  readonly service: string;
  readonly handler: string;
  /** Key of a virtual object or workflow; empty for a plain service. */
  readonly key: string;
  /** A name space of keys and idempotency keys; absent: the one that has no name. Protocol V7. */
  readonly scope?: string;
}

/** What has state, promises and a queue of its own. */
export type Keyed = Pick<Target, 'service' | 'key' | 'scope'>;

export type Header = readonly [name: string, value: string];

export interface Failure {
  /** HTTP-like code that the caller sees. */
  readonly code: number;
  readonly message: string;
  readonly metadata?: readonly Header[];
}

/** What a second run of a workflow key gets; whoever wants the result of the first attaches to it. */
export const RUN_BEFORE: Failure = { code: 409, message: 'the workflow method was already invoked' };

/** Keys of objects, state and promises become keys of rows: at most so many UTF-16 code units. */
export const KEY_LENGTH_MAX = 1024;

/** What an invocation ends with, once and for ever (C3). */
export type Result =
  | { readonly kind: 'success'; readonly value: Uint8Array }
  | { readonly kind: 'failure'; readonly failure: Failure };

export type NotificationResult =
  | Result
  | { readonly kind: 'void' }
  | { readonly kind: 'invocationId'; readonly id: InvocationId }
  | { readonly kind: 'stateKeys'; readonly keys: readonly string[] };

/** Which operation a completion belongs to; names the notification on the wire. */
export type CompletionOf =
  | 'sleep'
  | 'callId'
  | 'call'
  | 'run'
  | 'attach'
  | 'getOutput'
  | 'getState'
  | 'getStateKeys'
  | 'getPromise'
  | 'peekPromise'
  | 'completePromise';

/** What an invocation is towards the data of its key; decided by its handler when it is created. */
export type Role =
  /** Of a plain service: there is no key. */
  | 'service'
  /** Alone on the key of a virtual object: reads and writes its state. */
  | 'exclusive'
  /** Beside others on the key of a virtual object: reads its state. */
  | 'shared'
  /** The one `run` of a workflow key: reads and writes its state, and its promises. */
  | 'workflow'
  /** Beside the run of a workflow key and after it: reads its state, and its promises. */
  | 'workflowShared';

/** A signal by number (1 cancels, awakeables from 17) or by name. */
export type SignalId = number | string;
export const CANCEL: SignalId = 1;

/** One position of a journal. Index 0 is always the input. A written entry never changes (C6). */
export type Entry =
  | { readonly kind: 'input'; readonly headers: readonly Header[]; readonly body: Uint8Array }
  /** `frame` is replayed byte for byte as the SDK sent it. */
  | { readonly kind: 'command'; readonly type: number; readonly frame: Uint8Array }
  | {
      readonly kind: 'completion';
      readonly of: CompletionOf;
      readonly completionId: number;
      readonly result: NotificationResult;
    }
  | { readonly kind: 'signal'; readonly signal: SignalId; readonly result: NotificationResult };

/** Entries that one record appended to one journal; replay concatenates the chunks in order. */
export interface JournalChunk {
  readonly first: number;
  readonly entries: readonly Entry[];
}

/** When a node of a future is complete, and what its outcome is. */
export type Combinator =
  /** Any child has completed; which outcome that is only the handler knows. All that V5 and V6 have. */
  | 'any'
  /** The first child that completes decides. */
  | 'firstCompleted'
  /** All children have completed; that is a success. */
  | 'allCompleted'
  /** The first success, or the failure of all. */
  | 'firstSucceeded'
  /** The first failure, or the success of all. */
  | 'allSucceeded';

/** What the handler waits for while it is suspended: a tree of combinators over completions and signals. */
export interface Future {
  readonly combinator: Combinator;
  readonly completions: readonly number[];
  readonly signals: readonly SignalId[];
  readonly nested: readonly Future[];
}

/** Levels of a future; a deeper one is refused. */
export const FUTURE_DEPTH_MAX = 1000;

/** An operation whose completion the journal still misses. */
export type Pending =
  | { readonly of: 'sleep'; readonly completionId: number; readonly timer: string }
  | { readonly of: 'call' | 'attach'; readonly completionId: number; readonly target: InvocationId }
  | { readonly of: 'run'; readonly completionId: number }
  /** `promise` is the key of its row. */
  | { readonly of: 'getPromise'; readonly completionId: number; readonly promise: string };

/** A notification, by its index in the journal. */
export interface Fresh {
  readonly index: number;
  readonly id: number | { readonly signal: SignalId };
  /** `unknown`: of a signal that came again, with another outcome. */
  readonly outcome: 'success' | 'failure' | 'unknown';
}

/** Another invocation that waits for this one's result. */
export interface Listener {
  readonly caller: InvocationId;
  readonly completionId: number;
  readonly of: 'call' | 'attach';
}

/** Why an attempt ended without a result. */
export interface AttemptFailure {
  /** `RT…` or `HF_…`: what kind of failure it was. */
  readonly code: string;
  /** HTTP-like code, as the SDK gave it, else 500. */
  readonly status: number;
  readonly message: string;
  readonly stack?: string;
  readonly relatedCommand?: { readonly index?: number; readonly name?: string; readonly type?: number };
}

export interface RecordedFailure extends AttemptFailure {
  readonly at: number;
  readonly attempt: number;
}

/** What the retry policy has to know of the attempts so far. */
export interface Failures {
  /** Failed attempts that counted. */
  readonly counted: number;
  /** Failures in a row whose delay was asked for by the handler or its host. */
  readonly overrides: number;
  /** Failures in a row that look as if they would repeat for ever. */
  readonly suspect: number;
}
export const NO_FAILURES: Failures = { counted: 0, overrides: 0, suspect: 0 };

export type InvocationStatus =
  /** Waits for its start time. */
  | { readonly status: 'scheduled'; readonly startAt: number; readonly timer: string }
  /** Waits for the key of its object, in the order of acceptance; the queue is linked through its members. */
  | {
      readonly status: 'queued';
      readonly previous: InvocationId | undefined;
      readonly next: InvocationId | undefined;
    }
  /** Has an attempt, under way or waiting for a free slot; `pausing`: it pauses when that has ended. */
  | { readonly status: 'running'; readonly pausing: boolean }
  | { readonly status: 'backingOff'; readonly retryAt: number; readonly timer: string }
  | { readonly status: 'suspended'; readonly awaiting: Future }
  /** Waits for an operator: its retries are used up, or the operator asked for it. */
  | { readonly status: 'paused' };

export type Source =
  | { readonly kind: 'ingress' }
  | { readonly kind: 'invocation'; readonly id: InvocationId; readonly target: Target }
  /** An operator ran `id` once more; the first `entries` of the journal are that one's. */
  | { readonly kind: 'restart'; readonly id: InvocationId; readonly entries: number };

/** An invocation that has not ended. */
export interface Invocation {
  readonly id: InvocationId;
  readonly target: Target;
  readonly role: Role;
  readonly source: Source;
  readonly idempotencyKey: string | undefined;
  /** Within its scope, what limits of running handlers go by. */
  readonly limitKey?: string | undefined;
  /** u64; stable over all attempts. */
  readonly randomSeed: bigint;
  readonly createdAt: number;
  /** When the journal last grew. */
  readonly modifiedAt: number;
  readonly state: InvocationStatus;
  /** Number of the current attempt; 0 before the first. Answers of any other attempt are ignored (C4). */
  readonly attempt: number;
  /** Pinned by the first attempt. */
  readonly pinned: { readonly deployment: DeploymentId; readonly protocolVersion: number } | undefined;
  /** Journal length: commands and notifications. */
  readonly entries: number;
  readonly commands: number;
  readonly pending: readonly Pending[];
  /** Completion ids in use as flat inclusive ranges [lo, hi, lo, hi, …], ascending. */
  readonly completionIds: readonly number[];
  /** Those that completed with a failure, as such ranges. */
  readonly failedIds: readonly number[];
  /** Notifications that the current attempt may not have seen. */
  readonly fresh: readonly Fresh[];
  readonly listeners: readonly Listener[];
  /** The last Output command; becomes the result at End. */
  readonly output: Result | undefined;
  /** What the retry policy counts; a suspension resets it. */
  readonly failures: Failures;
  /** Failed attempts since a command was last stored; the SDK's run retries build on it. */
  readonly retryCount: number;
  readonly lastFailure: RecordedFailure | undefined;
}

/** An invocation that has ended, kept for its retention. */
export interface CompletedInvocation {
  readonly id: InvocationId;
  readonly target: Target;
  readonly role: Role;
  readonly source: Source;
  readonly idempotencyKey: string | undefined;
  readonly limitKey?: string | undefined;
  readonly randomSeed: bigint;
  readonly createdAt: number;
  readonly completedAt: number;
  readonly expiresAt: number;
  /** When the journal is dropped, if that is before the rest. */
  readonly journalExpiresAt: number | undefined;
  readonly deployment: DeploymentId | undefined;
  readonly protocolVersion: number | undefined;
  readonly attempt: number;
  /** 0 once the journal has been dropped. */
  readonly entries: number;
  readonly result: Result;
  readonly lastFailure: RecordedFailure | undefined;
}

export type Timer = {
  /** Never fires before. */
  readonly at: number;
  readonly invocation: InvocationId;
} & (
  | { readonly kind: 'sleep'; readonly completionId: number }
  | { readonly kind: 'start' }
  | { readonly kind: 'retry' }
  /** Drop the journal of a completed invocation, or all that is kept of it. */
  | { readonly kind: 'dropJournal' }
  | { readonly kind: 'dropCompleted' }
  /** Drop a promise of a workflow key that has had no run; `promise` is the key of its row. */
  | { readonly kind: 'dropPromise'; readonly completionId: number; readonly promise: string }
);

/**
 * One key of a virtual object or workflow, while somebody holds it or, for a workflow, while its run is known. The
 * queue is FIFO in the order of the log (C5).
 */
export interface Instance {
  /** The exclusive invocation that may run. */
  readonly holder: InvocationId | undefined;
  /** Ends of the queue behind it. */
  readonly first: InvocationId | undefined;
  readonly last: InvocationId | undefined;
  /** Patches of the state, in order, that wait for the holder to end. */
  readonly patches: readonly StatePatch[];
  /** The run of a workflow key, from its acceptance until its retention ends. */
  readonly run: InvocationId | undefined;
}

export type StateEntry = readonly [key: string, value: Uint8Array];

/** Replaces the whole state of a key, unless its version is not `version` any more. */
export interface StatePatch {
  readonly version: string | undefined;
  readonly entries: readonly StateEntry[];
}

/** A durable promise of a workflow key; a row without a result has listeners. */
export interface DurablePromise {
  readonly result: Result | undefined;
  readonly listeners: readonly { readonly caller: InvocationId; readonly completionId: number }[];
  /** Drops it, where there was no run that it is kept for. */
  readonly timer: string | undefined;
}

export interface RetryPolicy {
  readonly initialIntervalMs: number;
  readonly maxIntervalMs: number;
  readonly factor: number;
  /** Attempts in total, the first included; absent: without end. */
  readonly maxAttempts?: number;
  readonly onMaxAttempts: 'pause' | 'kill';
}

export type ServiceType = 'service' | 'virtualObject' | 'workflow';
export type HandlerType = 'exclusive' | 'shared' | 'workflow';

/** Absent: the service's value holds. */
export interface HandlerOptions {
  readonly idempotencyRetentionMs?: number;
  readonly journalRetentionMs?: number;
  readonly workflowRetentionMs?: number;
  readonly inactivityTimeoutMs?: number;
  readonly abortTimeoutMs?: number;
  readonly enableLazyState?: boolean;
  readonly retryPolicy?: Partial<RetryPolicy>;
}

export interface HandlerInput {
  readonly required: boolean;
  /** Absent: only an empty body is accepted. May hold wildcards, as in an Accept header. */
  readonly contentType?: string;
  readonly jsonSchema?: unknown;
}
export interface HandlerOutput {
  readonly contentType?: string;
  readonly setContentTypeIfEmpty: boolean;
  readonly jsonSchema?: unknown;
}

export interface HandlerMetadata extends HandlerOptions {
  readonly name: string;
  readonly type?: HandlerType;
  readonly public: boolean;
  readonly documentation?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly input: HandlerInput;
  readonly output: HandlerOutput;
}

/** One revision of a service as a deployment offers it, with all defaults filled in. */
export interface ServiceMetadata {
  readonly name: string;
  readonly type: ServiceType;
  readonly revision: number;
  readonly public: boolean;
  readonly documentation?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly idempotencyRetentionMs: number;
  readonly journalRetentionMs: number;
  readonly workflowRetentionMs: number;
  readonly inactivityTimeoutMs: number;
  readonly abortTimeoutMs: number;
  readonly enableLazyState: boolean;
  readonly retryPolicy: RetryPolicy;
  readonly handlers: readonly HandlerMetadata[];
}

/** Where a deployment is, and how it is spoken to. */
export type Endpoint =
  | {
      readonly kind: 'lambda';
      /** Qualified. */
      readonly arn: string;
      /** The role that its calls are made as; absent: the orchestrator's own. */
      readonly assumeRole?: { readonly arn: string; readonly externalId?: string };
      /** Its SDK takes and gives bodies compressed with zstd. */
      readonly compression?: 'zstd';
      /** Its SDK fetches and leaves bodies that exceed a Lambda payload in the object store. */
      readonly offload?: true;
    }
  | {
      readonly kind: 'http';
      /** Without a slash at its end; may have a path. */
      readonly uri: string;
      readonly http: 1 | 2;
      /** Request and response flow at the same time; otherwise the response follows the request. */
      readonly bidirectional: boolean;
    };

/** Immutable code at an immutable address; invocations are pinned to one. */
export interface Deployment {
  readonly id: DeploymentId;
  readonly endpoint: Endpoint;
  readonly additionalHeaders: readonly Header[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly createdAt: number;
  readonly minProtocolVersion: number;
  readonly maxProtocolVersion: number;
  /** The one of the service protocol that was agreed on when it was registered; its invocations are pinned to it. */
  readonly protocolVersion: number;
  /** The `x-restate-server` of its discovery answer. */
  readonly sdkVersion?: string;
  readonly services: readonly ServiceMetadata[];
}

/** Where new invocations of a service go. */
export interface ServicePointer {
  readonly name: string;
  readonly deployment: DeploymentId;
  readonly revision: number;
  /** The revision as an operator has changed its settings; absent: as the deployment has it. */
  readonly patched?: ServiceMetadata;
}
