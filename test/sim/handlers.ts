/**
 * The services under test: handlers written with the real SDK that interpret a program and tell the checkers what
 * each await gave. What they do to the outside world they do through `Outside`.
 */

import { crc32 } from 'node:zlib';
import { decodeAwakeableId } from '@holdfast/protocol';
import {
  type Context,
  createEndpoint,
  type Endpoint,
  type InvocationId,
  RestatePromise,
  serde,
  service,
  TerminalError,
} from '@holdfast/sdk-lambda';
import type { Execution, HandlerChecker } from './checkers/handler-checker.ts';
import { type Life, nameOf } from './checkers/lives.ts';
import { type Leaf, type Program, SERVICES, type Step } from './programs.ts';

export interface Outside {
  /** Virtual time inside a function. */
  delay(ms: number): Promise<void>;
  /** Somebody outside will complete the awakeable, once per life of the invocation. */
  offer(
    life: Life,
    awakeableId: string,
    values: readonly { delayMs: number; value: string; reject: boolean }[],
  ): void;
}

type Text = RestatePromise<string>;
interface Scope {
  readonly context: Context;
  readonly execution: Execution;
}

export class Handlers {
  readonly endpoint: Endpoint;
  readonly #outside: Outside;
  readonly #checker: HandlerChecker;
  /** How often something has been executed, over all attempts: the world's memory of side effects. */
  readonly #executions = new Map<string, number>();

  constructor(outside: Outside, checker: HandlerChecker) {
    this.#outside = outside;
    this.#checker = checker;
    this.endpoint = createEndpoint(SERVICES.map((name, index) => this.#service(name, index)));
  }

  #service(name: string, index: number) {
    return service({
      name,
      handlers: {
        program: (context: Context, program: Program) => this.#program(context, program),
        /** Completes an awakeable from a handler. */
        complete: async (context: Context, input: { id: string; value: string; reject: boolean }) => {
          if (input.reject) context.rejectAwakeable(input.id, input.value);
          else context.resolveAwakeable(input.id, input.value);
          return 'completed';
        },
      },
      options: {
        idempotencyRetention: 20_000 + 20_000 * index,
        journalRetention: index === 0 ? 0 : 10_000,
        retryPolicy: {
          initialInterval: 20,
          maxInterval: 1000,
          exponentiationFactor: 2,
          maxAttempts: 6 + 4 * index,
          onMaxAttempts: index === 0 ? 'pause' : 'kill',
        },
      },
    });
  }

  async #program(context: Context, program: Program): Promise<string> {
    const scope = { context, execution: context.request().extraArgs[0] as Execution };
    let digest = 0;
    for (const [index, step] of program.steps.entries()) {
      const path = String(index);
      let value: string;
      try {
        value = await this.#step(scope, path, step);
      } catch (error) {
        // Anything else fails the attempt and is no observation.
        if (!(error instanceof TerminalError)) throw error;
        value = `failed ${error.code} ${error.message}`;
        this.#checker.observed(scope.execution, path, value);
        if (!program.catches) throw error;
        continue;
      }
      this.#checker.observed(scope.execution, path, value);
      digest = crc32(value, digest);
    }
    return digest.toString(16);
  }

  async #step(scope: Scope, path: string, step: Step): Promise<string> {
    const { context } = scope;
    switch (step.kind) {
      case 'send':
        return context.genericSend(request(step, step.delayMs)).invocationId;
      case 'callAndCancel':
        return this.#callAndCancel(context, step);
      case 'attach': {
        const { invocationId } = context.genericSend({ ...request(step), idempotencyKey: step.key });
        return context.attach<string>(await invocationId, serde.json);
      }
      case 'combine':
        return this.#combine(scope, path, step);
      case 'orTimeout':
        return this.#leaf(scope, `${path}.0`, step.part).orTimeout(step.ms);
      case 'transient':
        if (this.#count(scope, path) <= step.failures) throw new Error(`transient at ${path}`);
        return 'passed';
      case 'terminal':
        throw new TerminalError(`terminal at ${path}`, { errorCode: 418 });
      case 'rand':
        return String(context.rand.random());
      case 'date':
        return String(await context.date.now());
      default: {
        const promise = this.#leaf(scope, path, step);
        if (step.kind === 'awakeable' && step.pauseMs > 0) await context.sleep(step.pauseMs);
        return promise;
      }
    }
  }

  async #callAndCancel(context: Context, step: Extract<Step, { kind: 'callAndCancel' }>): Promise<string> {
    const call = context.genericCall<Program, string>({ ...request(step), outputSerde: serde.json });
    const id = await call.invocationId;
    if (step.afterMs > 0) await context.sleep(step.afterMs);
    context.cancel(id);
    return call;
  }

  async #combine(scope: Scope, path: string, step: Extract<Step, { kind: 'combine' }>): Promise<string> {
    const parts = step.parts.map((part, index) => this.#leaf(scope, `${path}.${index}`, part));
    if (step.rule === 'race') return RestatePromise.race(parts);
    if (step.rule === 'all') return (await RestatePromise.all(parts)).join();
    if (step.rule === 'allSettled') {
      const settled = await RestatePromise.allSettled(parts);
      return settled.map(one => (one.status === 'fulfilled' ? one.value : String(one.reason))).join();
    }
    try {
      return await RestatePromise.any(parts);
    } catch (error) {
      if (!(error instanceof AggregateError)) throw error;
      return `none: ${error.errors.join()}`;
    }
  }

  #leaf(scope: Scope, path: string, leaf: Leaf): Text {
    const { context } = scope;
    switch (leaf.kind) {
      case 'sleep':
        return context.sleep(leaf.ms).map(failIfFailed(() => 'slept'));
      case 'call':
        return context.genericCall<Program, string>({
          ...request(leaf),
          outputSerde: serde.json,
          ...(leaf.key === undefined ? {} : { idempotencyKey: leaf.key }),
        });
      case 'run':
        return this.#run(scope, path, leaf);
      case 'awakeable':
        return this.#awakeable(scope, path, leaf);
      default:
        return leaf satisfies never;
    }
  }

  #run(scope: Scope, path: string, leaf: Extract<Leaf, { kind: 'run' }>): Text {
    const { context, execution } = scope;
    const action = async () => {
      const times = this.#count(scope, path);
      this.#checker.runStarts(execution, path);
      if (leaf.ms > 0) await this.#outside.delay(leaf.ms);
      if (times <= leaf.failures) throw new Error(`flaky run ${path}`);
      if (leaf.terminal) throw new TerminalError(`run ${path} is refused`, { errorCode: 422 });
      return `${path} by ${execution.number}`;
    };
    const options =
      leaf.attempts === undefined ? {} : { maxRetryAttempts: leaf.attempts, maxRetryInterval: 500 };
    return context.run(path, action, options).map(
      failIfFailed((value: string) => {
        this.#checker.gotRun(execution, path, value);
        return value;
      }),
    );
  }

  #awakeable(scope: Scope, path: string, leaf: Extract<Leaf, { kind: 'awakeable' }>): Text {
    const { context, execution } = scope;
    const { id, promise } = context.awakeable<string>();
    const values = leaf.delaysMs.map((delayMs, index) => {
      return { delayMs, value: `${path} value ${index}`, reject: leaf.reject };
    });
    if (leaf.by === 'outside') this.#outside.offer(execution.life, id, values);
    else {
      // The handler that completes it may be cancelled: then somebody notices in the end.
      this.#outside.offer(execution.life, id, [{ delayMs: 60_000, value: `${path} late`, reject: false }]);
      for (const { delayMs, value, reject } of values) {
        context.genericSend({
          service: SERVICES[1],
          method: 'complete',
          parameter: { id, value, reject },
          inputSerde: serde.json,
          ...(delayMs > 0 ? { delay: delayMs } : {}),
        });
      }
    }
    return promise.map(
      failIfFailed((value: string) => {
        this.#checker.gotSignal(execution, decodeAwakeableId(id).signalIndex, value);
        return value;
      }),
    );
  }

  #count({ execution }: Scope, path: string): number {
    const key = `${nameOf(execution.life)}/${path}`;
    const times = (this.#executions.get(key) ?? 0) + 1;
    this.#executions.set(key, times);
    return times;
  }
}

const failIfFailed =
  <T>(map: (value: T) => string) =>
  (value?: T, failure?: TerminalError): string => {
    if (failure !== undefined) throw failure;
    return map(value as T);
  };

function request(step: { readonly service: string; readonly program: Program }, delayMs?: number) {
  return {
    service: step.service,
    method: 'program',
    parameter: step.program,
    inputSerde: serde.json,
    ...(delayMs === undefined ? {} : { delay: delayMs }),
  };
}

export type { InvocationId };
