/** Builds the context of one attempt: each verb is a function of its own file. */
import type { Attempt } from '../attempt.ts';
import { toMillis } from '../duration.ts';
import type { RestatePromise } from '../promise.ts';
import { type Serde, serde } from '../serde.ts';
import { awakeable, rejectAwakeable, resolveAwakeable } from './awakeable.ts';
import { call, send } from './call.ts';
import { createClient, createSendClient } from './client.ts';
import { createConsole } from './console.ts';
import type { Context, GenericCall, GenericSend, Rand, Request, RunAction, RunOptions } from './context.ts';
import { attach, cancel } from './invocation.ts';
import { createRand } from './rand.ts';
import { run } from './run.ts';

export interface ContextParts {
  readonly attempt: Attempt;
  readonly request: Request;
  readonly defaultSerde: Serde<unknown>;
  readonly console: Console;
}

export function createContext({ attempt, request, defaultSerde, console }: ContextParts): Context {
  const { machine } = attempt;
  let rand: Rand | undefined;
  let contextConsole: Console | undefined;
  const client = (definition: { readonly name: string }, key?: string) =>
    createClient(attempt, definition.name, key, defaultSerde);
  const sendClient = (definition: { readonly name: string }, key?: string) =>
    createSendClient(attempt, definition.name, key, defaultSerde);

  return {
    get rand() {
      rand ??= createRand(machine.start.randomSeed, machine.start.id, () => attempt.assertOutsideRun());
      return rand;
    },
    get console() {
      contextConsole ??= createConsole(console, machine, `[${request.target}][${request.id}]`);
      return contextConsole;
    },
    date: {
      now: () => run(attempt, serde.json, '', () => attempt.now()),
      toJSON: () => run(attempt, serde.json, '', () => new Date(attempt.now()).toJSON()),
    },
    run<T>(
      nameOrAction: string | RunAction<T>,
      action?: RunAction<T>,
      options?: RunOptions<T>,
    ): RestatePromise<T> {
      return typeof nameOrAction === 'string'
        ? run(attempt, defaultSerde, nameOrAction, action as RunAction<T>, options)
        : run(attempt, defaultSerde, '', nameOrAction);
    },
    sleep: (duration, name) => attempt.sleep(toMillis(duration), name) as unknown as RestatePromise<void>,
    awakeable: <T>(valueSerde?: Serde<T>) => awakeable(attempt, valueSerde ?? (defaultSerde as Serde<T>)),
    resolveAwakeable: (id, payload, valueSerde) =>
      resolveAwakeable(attempt, id, payload, valueSerde as Serde<unknown> | undefined, defaultSerde),
    rejectAwakeable: (id, reason) => rejectAwakeable(attempt, id, reason),
    serviceClient: client,
    serviceSendClient: sendClient,
    objectClient: client,
    objectSendClient: sendClient,
    workflowClient: client,
    workflowSendClient: sendClient,
    genericCall: <REQ, RES>(request: GenericCall<REQ, RES>) =>
      call(
        attempt,
        { service: request.service, handler: request.method, key: request.key },
        (request.inputSerde ?? (serde.binary as unknown as Serde<REQ>)).serialize(request.parameter),
        request.outputSerde ?? (serde.binary as unknown as Serde<RES>),
        request,
      ),
    genericSend: <REQ>(request: GenericSend<REQ>) =>
      send(
        attempt,
        { service: request.service, handler: request.method, key: request.key },
        (request.inputSerde ?? (serde.binary as unknown as Serde<REQ>)).serialize(request.parameter),
        request,
      ),
    attach: <T>(id: string, output?: Serde<T>) => attach(attempt, id, output ?? (defaultSerde as Serde<T>)),
    cancel: id => cancel(attempt, id),
    request: () => request,
  };
}
