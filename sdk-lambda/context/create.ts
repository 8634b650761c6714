/** The context of one attempt: each verb is a function of its own file. One object per attempt, made to be cheap. */
import type { Attempt } from '../attempt.ts';
import { SdkUsageError } from '../coded-error.ts';
import { type Duration, toMillis } from '../duration.ts';
import type { TerminalError } from '../errors.ts';
import type { LoggerTransport } from '../logger.ts';
import type { Durable, RestatePromise } from '../promise.ts';
import { type Serde, serde } from '../serde.ts';
import { awakeable, rejectAwakeable, resolveAwakeable } from './awakeable.ts';
import { call, send } from './call.ts';
import { createClient, createSendClient } from './client.ts';
import { createConsole } from './console.ts';
import type {
  ContextDate,
  GenericCall,
  GenericSend,
  InvocationHandle,
  InvocationId,
  InvocationPromise,
  InvocationReference,
  Rand,
  Request,
  RunAction,
  RunOptions,
} from './context.ts';
import { cancellation, cancelPreviousCalls } from './explicit-cancellation.ts';
import type { ContextInternal } from './internal.ts';
import { attach, cancel } from './invocation.ts';
import { createRand } from './rand.ts';
import { run } from './run.ts';
import { invocation, signal } from './signal.ts';

export interface ContextParts {
  readonly attempt: Attempt;
  readonly request: Request;
  readonly defaultSerde: Serde<unknown>;
  readonly console: Console;
  readonly logger: LoggerTransport | undefined;
}

const binary = <T>(given: Serde<T> | undefined): Serde<T> => given ?? (serde.binary as unknown as Serde<T>);

interface Named {
  readonly name: string;
}

/** Of a plain service, and what those with a key have in common. */
export class AttemptContext implements ContextInternal {
  protected readonly parts: ContextParts;
  readonly #attempt: Attempt;
  #rand: Rand | undefined;
  #console: Console | undefined;
  #cancellation: Durable<void> | undefined;

  constructor(parts: ContextParts) {
    this.parts = parts;
    this.#attempt = parts.attempt;
  }

  get rand(): Rand {
    const { start } = this.#attempt.machine;
    this.#rand ??= createRand(start.randomSeed, start.id, () => this.#attempt.assertOutsideRun());
    return this.#rand;
  }

  get console(): Console {
    const { console, logger, request } = this.parts;
    this.#console ??= createConsole(console, logger, this.#attempt.machine, request);
    return this.#console;
  }

  get date(): ContextDate {
    const attempt = this.#attempt;
    return {
      now: () => run(attempt, serde.json, '', () => attempt.now()),
      toJSON: () => run(attempt, serde.json, '', () => new Date(attempt.now()).toJSON()),
    };
  }

  run<T>(
    nameOrAction: string | RunAction<T>,
    actionOrOptions?: RunAction<T> | RunOptions<T>,
    options?: RunOptions<T>,
  ): RestatePromise<T> {
    const [name, closure, given] =
      typeof nameOrAction === 'string'
        ? [nameOrAction, actionOrOptions, options]
        : ['', nameOrAction, actionOrOptions];
    if (typeof closure !== 'function' || typeof given === 'function') {
      throw new SdkUsageError(
        'HF_SDK_ARGUMENT',
        'ctx.run takes a name, a function and options in this order; the name and the options may be left out.',
      );
    }
    return run(this.#attempt, this.parts.defaultSerde, name, closure, given);
  }

  sleep(duration: Duration | number, name?: string): RestatePromise<void> {
    return this.#attempt.sleep(toMillis(duration), name) as unknown as RestatePromise<void>;
  }

  awakeable<T>(valueSerde?: Serde<T>): { readonly id: string; readonly promise: RestatePromise<T> } {
    return awakeable(this.#attempt, this.orDefault(valueSerde));
  }
  resolveAwakeable<T>(id: string, payload?: T, valueSerde?: Serde<T>): void {
    resolveAwakeable(this.#attempt, id, payload as T, valueSerde, this.parts.defaultSerde);
  }
  rejectAwakeable(id: string, reason: string | TerminalError): void {
    rejectAwakeable(this.#attempt, id, reason);
  }

  serviceClient(definition: Named) {
    return this.objectClient(definition);
  }
  serviceSendClient(definition: Named) {
    return this.objectSendClient(definition);
  }
  objectClient({ name }: Named, key?: string) {
    return createClient(this.#attempt, name, key, this.parts.defaultSerde);
  }
  objectSendClient({ name }: Named, key?: string) {
    return createSendClient(this.#attempt, name, key, this.parts.defaultSerde);
  }
  workflowClient(definition: Named, key: string) {
    return this.objectClient(definition, key);
  }
  workflowSendClient(definition: Named, key: string) {
    return this.objectSendClient(definition, key);
  }

  genericCall<REQ = Uint8Array, RES = Uint8Array>(request: GenericCall<REQ, RES>): InvocationPromise<RES> {
    const { service, method, key, parameter, inputSerde, outputSerde } = request;
    const bytes = binary(inputSerde).serialize(parameter);
    return call(this.#attempt, { service, handler: method, key }, bytes, binary(outputSerde), request);
  }
  genericSend<REQ = Uint8Array>(request: GenericSend<REQ>): InvocationHandle {
    const { service, method, key, parameter, inputSerde } = request;
    const bytes = binary(inputSerde).serialize(parameter);
    return send(this.#attempt, { service, handler: method, key }, bytes, request);
  }

  attach<T>(invocationId: InvocationId, output?: Serde<T>): RestatePromise<T> {
    return attach(this.#attempt, invocationId, this.orDefault(output));
  }
  cancel(invocationId: InvocationId): void {
    cancel(this.#attempt, invocationId);
  }
  invocation(invocationId: InvocationId): InvocationReference {
    return invocation(this.#attempt, invocationId, this.parts.defaultSerde);
  }
  signal<T>(name: string, valueSerde?: Serde<T>): RestatePromise<T> {
    return signal(this.#attempt, name, this.orDefault(valueSerde));
  }

  isProcessing(): boolean {
    return !this.#attempt.machine.replaying;
  }
  cancellation(): RestatePromise<void> {
    if (this.#cancellation?.isPending !== true) this.#cancellation = cancellation(this.#attempt);
    return this.#cancellation as unknown as RestatePromise<void>;
  }
  cancelPreviousCalls(): RestatePromise<InvocationId[]> {
    return cancelPreviousCalls(this.#attempt);
  }

  request(): Request {
    return this.parts.request;
  }

  protected orDefault<T>(given: Serde<T> | undefined): Serde<T> {
    return given ?? (this.parts.defaultSerde as Serde<T>);
  }
}
