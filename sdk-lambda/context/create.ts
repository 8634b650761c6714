/** The context of one attempt: each verb is a function of its own file. One object per attempt, made to be cheap. */
import { CompleteAwakeableCommand, encodeAwakeableId } from '@holdfast/protocol';
import type { Attempt } from '../attempt.ts';
import { SdkUsageError } from '../coded-error.ts';
import { type Duration, toMillis } from '../duration.ts';
import type { TerminalError } from '../errors.ts';
import type { LoggerTransport } from '../logger.ts';
import type { NotificationId } from '../machine/machine.ts';
import { type Durable, type RestatePromise, valueWith } from '../promise.ts';
import { binary, json, type Serde } from '../serde.ts';
import { CANCEL } from '../signals.ts';
import type { ValuePlace } from '../value-codec.ts';
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
  ScopedContext,
} from './context.ts';
import { cancelPreviousCalls } from './explicit-cancellation.ts';
import type { ContextInternal } from './internal.ts';
import { invocation } from './invocation.ts';
import { createRand } from './rand.ts';
import { run } from './run.ts';

export interface ContextParts {
  readonly attempt: Attempt;
  readonly request: Request;
  readonly defaultSerde: Serde<unknown>;
  readonly console: Console;
  readonly logger: LoggerTransport | undefined;
}

const orBinary = <T>(given: Serde<T> | undefined): Serde<T> => given ?? (binary as unknown as Serde<T>);

const targetOf = ({ service, method, key, scope }: GenericSend<unknown>) => ({
  service,
  handler: method,
  key,
  scope,
});
const parameterOf = <T>({ parameter, inputSerde }: GenericSend<T>) =>
  orBinary(inputSerde).serialize(parameter);

interface Named {
  readonly name: string;
}

/** Clients of handlers, of one scope or of none. */
class Clients implements ScopedContext {
  protected readonly given: ContextParts;
  protected readonly attempt: Attempt;
  readonly #scope: string | undefined;

  constructor(given: ContextParts, scope?: string) {
    this.given = given;
    this.attempt = given.attempt;
    this.#scope = scope;
  }

  serviceClient(definition: Named) {
    return this.objectClient(definition);
  }
  serviceSendClient(definition: Named) {
    return this.objectSendClient(definition);
  }
  objectClient({ name }: Named, key?: string) {
    return createClient(this.given, { service: name, key, scope: this.#scope });
  }
  objectSendClient({ name }: Named, key?: string) {
    return createSendClient(this.given, { service: name, key, scope: this.#scope });
  }
  workflowClient(definition: Named, key: string) {
    return this.objectClient(definition, key);
  }
  workflowSendClient(definition: Named, key: string) {
    return this.objectSendClient(definition, key);
  }
}

/** Of a plain service, and what those with a key have in common. */
export class AttemptContext extends Clients implements ContextInternal {
  #rand: Rand | undefined;
  #console: Console | undefined;
  #cancellation: Durable<void> | undefined;

  get rand(): Rand {
    const { start } = this.attempt.machine;
    this.#rand ??= createRand(start.randomSeed, start.id, () => this.attempt.assertUsable());
    return this.#rand;
  }

  get console(): Console {
    const { console, logger, request } = this.given;
    this.#console ??= createConsole(console, logger, this.attempt, request);
    return this.#console;
  }

  get date(): ContextDate {
    const attempt = this.attempt;
    return {
      now() {
        attempt.via = this;
        return run(attempt, json, '', () => attempt.now());
      },
      toJSON() {
        attempt.via = this;
        return run(attempt, json, '', () => new Date(attempt.now()).toJSON());
      },
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
      throw new SdkUsageError('HF_SDK_ARGUMENT', 'ctx.run takes a name, a function, options.');
    }
    return run(this.attempt, this.given.defaultSerde, name, closure, given);
  }

  sleep(duration: Duration | number, name?: string): RestatePromise<void> {
    return this.attempt.sleep(toMillis(duration), name) as unknown as RestatePromise<void>;
  }

  awakeable<T>(valueSerde?: Serde<T>): { readonly id: string; readonly promise: RestatePromise<T> } {
    const { machine } = this.attempt;
    this.attempt.assertUsable();
    const signal = machine.nextSignal();
    const id = encodeAwakeableId(machine.start.id, signal);
    return { id, promise: this.#valueOf(-signal, valueSerde, () => ['awakeable', id]) };
  }
  resolveAwakeable<T>(awakeableId: string, payload?: T, valueSerde?: Serde<T>): void {
    // Nothing is sent as JSON null, which whoever awaits it can decode whatever the SDK.
    const isNothing = payload === undefined && valueSerde === undefined;
    const serde = this.coded(isNothing ? json : valueSerde, () => ['awakeable', awakeableId]);
    const value = serde.serialize(isNothing ? null : payload);
    this.attempt.command(CompleteAwakeableCommand, { awakeableId, value });
  }
  rejectAwakeable(awakeableId: string, reason: string | TerminalError): void {
    const failure = this.attempt.wireFailure(reason);
    this.attempt.command(CompleteAwakeableCommand, { awakeableId, failure });
  }

  scope(scopeKey: string): ScopedContext {
    return new Clients(this.given, scopeKey);
  }

  genericCall<REQ = Uint8Array, RES = Uint8Array>(request: GenericCall<REQ, RES>): InvocationPromise<RES> {
    return call(
      this.attempt,
      targetOf(request),
      parameterOf(request),
      orBinary(request.outputSerde),
      request,
    );
  }
  genericSend<REQ = Uint8Array>(request: GenericSend<REQ>): InvocationHandle {
    return send(this.attempt, targetOf(request), parameterOf(request), request);
  }

  attach<T>(invocationId: InvocationId, output?: Serde<T>): RestatePromise<T> {
    return this.invocation(invocationId).attach(output);
  }
  cancel(invocationId: InvocationId): void {
    this.invocation(invocationId).cancel();
  }
  invocation(invocationId: InvocationId): InvocationReference {
    return invocation(this.attempt, invocationId, this.given.defaultSerde);
  }
  signal<T>(name: string, valueSerde?: Serde<T>): RestatePromise<T> {
    this.attempt.assertUsable();
    return this.#valueOf(name, valueSerde, () => ['signal', this.given.request.id, name]);
  }

  #valueOf<T>(
    id: NotificationId,
    valueSerde: Serde<T> | undefined,
    place: () => ValuePlace,
  ): RestatePromise<T> {
    return this.attempt.leaf(id, valueWith(this.coded(valueSerde, place))) as unknown as RestatePromise<T>;
  }

  isProcessing(): boolean {
    return !this.attempt.machine.replaying;
  }
  cancellation(): RestatePromise<void> {
    if (this.#cancellation?.isPending !== true)
      this.#cancellation = this.attempt.leaf(CANCEL, () => undefined);
    return this.#cancellation as unknown as RestatePromise<void>;
  }
  cancelPreviousCalls(): RestatePromise<InvocationId[]> {
    return cancelPreviousCalls(this.attempt);
  }

  request(): Request {
    return this.given.request;
  }

  protected coded<T>(given: Serde<T> | undefined, place: () => ValuePlace): Serde<T> {
    return this.attempt.coded(given ?? (this.given.defaultSerde as Serde<T>), place);
  }
}
