/** The surface of a connection, in types: what can be called is inferred from the type of a definition alone. */
import type {
  Service,
  ServiceDefinitionFrom,
  VirtualObject,
  VirtualObjectDefinitionFrom,
  Workflow,
  WorkflowDefinitionFrom,
} from '../definitions.ts';
import type { Serde } from '../serde.ts';
import type { JournalValueCodec } from '../value-codec.ts';
import type { Opts, RequestOptions, SendOpts } from './options.ts';
import type { RetryPolicy } from './retry.ts';

/** Of {@link connect}. */
export interface ConnectionOpts {
  /**
   * Of the ingress: `http://localhost:8080`, with a path before the routes if it has one. In a browser it may be relative
   * to the page.
   */
  url: string;
  /** Sent with every request, such as credentials. */
  headers?: Record<string, string> | undefined;
  /**
   * Whether and how requests are retried that may be: see {@link RetryPolicy}. A call or send without an idempotency key
   * never is, because it could run twice.
   *
   * @default true
   */
  retry?: RetryPolicy | boolean | undefined;
  /** How inputs and results become bytes where a request does not say it. @default serde.json */
  // biome-ignore lint/suspicious/noExplicitAny: a serde of every type
  serde?: Serde<any> | undefined;
  /** That of the handlers, if they have one: what they encode is decoded with it, and what they decode is encoded. */
  journalValueCodec?: JournalValueCodec | undefined;
  /** In place of the global one, such as one that speaks HTTP/2. */
  fetch?: typeof globalThis.fetch | undefined;
}

/** The type of a handler's input, of its parameters without the context. */
export type InferArgType<P> = P extends [infer A, ...unknown[]] ? A : unknown;

/** A method for each handler: input and options in, the result out. */
export type IngressClient<M> = {
  [K in keyof M as M[K] extends never ? never : K]: M[K] extends (
    context: never,
    ...args: infer P
  ) => PromiseLike<infer O>
    ? (...args: [...P, ...[opts?: Opts<InferArgType<P>, O>]]) => Promise<O>
    : never;
};

/** A method for each handler, which resolves when the invocation is accepted. */
export type IngressSendClient<M> = {
  [K in keyof M as M[K] extends never ? never : K]: M[K] extends (
    context: never,
    ...args: infer P
  ) => PromiseLike<infer O>
    ? (...args: [...P, ...[opts?: SendOpts<InferArgType<P>>]]) => Promise<Send<O>>
    : never;
};

/** The shared handlers of a workflow, and its run, which happens once for a key. */
export type IngressWorkflowClient<M> = Omit<IngressClient<M>, 'run'> &
  (M extends { run: (context: never, ...args: infer P) => PromiseLike<infer O> }
    ? {
        /** Starts the run, or finds that it has been started: `status` says which. Retried without harm. */
        workflowSubmit: (
          ...args: [...P, ...[opts?: SendOpts<InferArgType<P>>]]
        ) => Promise<WorkflowSubmission<O>>;
        /**
         * Waits for the run's result.
         * @throws HttpCallError its terminal error; or with status 404 that it was never submitted
         */
        workflowAttach: (opts?: Opts<void, O>) => Promise<O>;
        /** The run's result if there is one yet. Does not wait. */
        workflowOutput: (opts?: Opts<void, O>) => Promise<Output<O>>;
      }
    : unknown);

/** Of a workflow's run. */
export interface Output<O> {
  /** Whether the run has ended. */
  ready: boolean;
  /** Throws while it is not ready. */
  result: O;
}

/** Carries a type. A method, so that what is known to be sent and no more can be asked for a result of any type. */
declare const resultOf: unique symbol;

/** What was sent. `T` is the type of its result, for `ingress.result`. */
export interface Send<T = unknown> {
  [resultOf]?(result: T): void;
  invocationId: string;
  /** `PreviouslyAccepted`: by an earlier request with this idempotency key, which may be an earlier attempt of this one. */
  status: 'Accepted' | 'PreviouslyAccepted';
  /** Whether `ingress.result` can tell its result: if it has an idempotency key. */
  attachable: boolean;
}

/** A workflow that was submitted. `T` is the type of its result, for `ingress.result`. */
export interface WorkflowSubmission<T> {
  [resultOf]?(result: T): void;
  readonly invocationId: string;
  /** `PreviouslyAccepted`: by an earlier request for this key, which may be an earlier attempt of this one. */
  readonly status: 'Accepted' | 'PreviouslyAccepted';
  readonly attachable: true;
}

/** A handler in a description of a service that has no code: its serdes. */
// biome-ignore lint/suspicious/noExplicitAny: of any type
export interface HandlerDescriptor<I = any, O = any> {
  readonly _inputSerde?: Serde<I>;
  readonly _outputSerde?: Serde<O>;
}

/** A service described by a value that has no code. */
export interface Descriptor<Kind extends string, P extends string, H> {
  readonly name: P;
  readonly _kind: Kind;
  readonly _handlers: H;
}

type InputOf<D> = D extends { readonly _inputSerde?: Serde<infer I> } ? I : unknown;
type OutputOf<D> = D extends { readonly _outputSerde?: Serde<infer O> } ? O : unknown;
type Descriptors = Record<string, HandlerDescriptor>;
// biome-ignore lint/suspicious/noConfusingVoidType: the input of handlers that take none
type TakesNothing<D> = [InputOf<D>] extends [void] ? true : false;

export type IngressClientFromDescriptors<H extends Descriptors> = {
  readonly [K in keyof H]: TakesNothing<H[K]> extends true
    ? (opts?: Opts<InputOf<H[K]>, OutputOf<H[K]>>) => Promise<OutputOf<H[K]>>
    : (input: InputOf<H[K]>, opts?: Opts<InputOf<H[K]>, OutputOf<H[K]>>) => Promise<OutputOf<H[K]>>;
};
export type IngressSendClientFromDescriptors<H extends Descriptors> = {
  readonly [K in keyof H]: TakesNothing<H[K]> extends true
    ? (opts?: SendOpts<InputOf<H[K]>>) => Promise<Send<OutputOf<H[K]>>>
    : (input: InputOf<H[K]>, opts?: SendOpts<InputOf<H[K]>>) => Promise<Send<OutputOf<H[K]>>>;
};

/** A handler by name. */
interface ByName<I> {
  service: string;
  handler: string;
  /** Bytes are sent as they are, anything else as the connection's serde has it, unless `opts` has an input serde. */
  parameter: I;
  /** Of an object or workflow. */
  key?: string | undefined;
  scope?: string | undefined;
}

/**
 * Callers' side of handlers. All methods that make a request reject with {@link HttpCallError} if it is answered with an
 * error, with the TypeError of `fetch` if it is not answered, and with a DOMException when `timeout` or `signal` end it.
 */
export interface Ingress {
  /** Of a service: `serviceClient(greeter)`, or with its type alone `serviceClient<typeof greeter>({ name: 'Greeter' })`. */
  serviceClient<D>(definition: ServiceDefinitionFrom<D>): IngressClient<Service<D>>;
  /** Of an object, for one key. */
  objectClient<D>(definition: VirtualObjectDefinitionFrom<D>, key: string): IngressClient<VirtualObject<D>>;
  /** Of a workflow, for one key. */
  workflowClient<D>(definition: WorkflowDefinitionFrom<D>, key: string): IngressWorkflowClient<Workflow<D>>;
  /** Of a service; its methods resolve when the invocation is accepted, which is durable. */
  serviceSendClient<D>(definition: ServiceDefinitionFrom<D>): IngressSendClient<Service<D>>;
  /** Of an object, for one key; its methods resolve when the invocation is accepted, which is durable. */
  objectSendClient<D>(
    definition: VirtualObjectDefinitionFrom<D>,
    key: string,
  ): IngressSendClient<VirtualObject<D>>;

  /** Of a description without code; the serdes are those of the description. */
  client<P extends string, H extends Descriptors>(
    service: Descriptor<'service', P, H>,
  ): IngressClientFromDescriptors<H>;
  client<P extends string, H extends Descriptors>(
    objectOrWorkflow: Descriptor<'object' | 'workflow', P, H>,
    key: string,
  ): IngressClientFromDescriptors<H>;
  /** Of a description without code; its methods resolve when the invocation is accepted. */
  sendClient<P extends string, H extends Descriptors>(
    service: Descriptor<'service', P, H>,
  ): IngressSendClientFromDescriptors<H>;
  sendClient<P extends string, H extends Descriptors>(
    objectOrWorkflow: Descriptor<'object' | 'workflow', P, H>,
    key: string,
  ): IngressSendClientFromDescriptors<H>;

  /** Calls a handler by name. The result is bytes if the parameter is, and no serde says otherwise. */
  call<I = Uint8Array, O = I extends Uint8Array ? Uint8Array : unknown>(
    call: ByName<I> & { opts?: Opts<I, O> | undefined },
  ): Promise<O>;
  /** Sends to a handler by name. */
  send<I = Uint8Array>(send: ByName<I> & { opts?: SendOpts<I> | undefined }): Promise<Send>;

  /**
   * Waits for the result of what was sent.
   * @throws SdkUsageError it was sent without an idempotency key, so its result is not kept
   */
  result<T>(
    send: Send<T> | WorkflowSubmission<T>,
    resultSerde?: Serde<T>,
    options?: RequestOptions,
  ): Promise<T>;

  /** Settles an awakeable with a value. The first to settle it wins; nobody is told which that was. */
  resolveAwakeable<T>(
    id: string,
    payload?: T,
    payloadSerde?: Serde<T>,
    options?: RequestOptions,
  ): Promise<void>;
  /** Settles an awakeable with a terminal error, code 500. */
  rejectAwakeable(id: string, reason: string, options?: RequestOptions): Promise<void>;

  /**
   * The clients above within a scope: keys, idempotency keys and workflows of their own, and limits.
   * @param scopeKey 1 to 36 of `a-z A-Z 0-9 _ . -`
   */
  scope(scopeKey: string): ScopedIngress;
}

/** The clients within a scope. */
export type ScopedIngress = Pick<
  Ingress,
  | 'serviceClient'
  | 'serviceSendClient'
  | 'objectClient'
  | 'objectSendClient'
  | 'workflowClient'
  | 'client'
  | 'sendClient'
>;
