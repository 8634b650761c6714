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
  type internal,
  type ObjectContext,
  type ObjectSharedContext,
  object,
  RestatePromise,
  handlers as sdkHandlers,
  serde,
  service,
  TerminalError,
  type WorkflowContext,
  type WorkflowSharedContext,
  workflow,
} from '@holdfast/sdk-lambda';
import type { Execution, HandlerChecker } from './checkers/handler-checker.ts';
import { type Life, nameOf } from './checkers/lives.ts';
import { keyedStep, readsState, settle } from './keyed-steps.ts';
import { type Callee, type Leaf, type Program, SERVICES, type Step, type StepOf } from './programs.ts';
import { rawService } from './raw.ts';
import { sagaService, tallyObject } from './tally.ts';
import { isAlone } from './targets.ts';

/** What somebody outside will do to an invocation, once per life of it. */
export interface Offer {
  readonly delayMs: number;
  readonly value: string;
  readonly reject: boolean;
}
export type Offered =
  | { readonly kind: 'awakeable'; readonly id: string }
  | { readonly kind: 'signal'; readonly name: string; readonly path: string }
  | { readonly kind: 'promise'; readonly key: string; readonly name: string; readonly path: string };

export interface Outside {
  /** Virtual time inside a function. */
  delay(ms: number): Promise<void>;
  offer(life: Life, offered: Offered, values: readonly Offer[]): void;
}

type Text = RestatePromise<string>;
interface Scope {
  /** As wide as the handler's kind allows; programs keep to that. */
  readonly context: WorkflowContext;
  readonly execution: Execution;
  readonly isWatchful: boolean;
}

export interface Settlement {
  readonly name: string;
  readonly value: string;
  readonly reject: boolean;
}

/** Retries of a service; the second one's policy kills. */
const retries = (maxAttempts: number, onMaxAttempts: 'pause' | 'kill') => ({
  initialInterval: 20,
  maxInterval: 1000,
  exponentiationFactor: 2,
  maxAttempts,
  onMaxAttempts,
});

export class Handlers {
  readonly endpoint: Endpoint;
  readonly #outside: Outside;
  readonly #checker: HandlerChecker;
  /** How often something has been executed, over all attempts: the world's memory of side effects. */
  readonly #executions = new Map<string, number>();

  constructor(outside: Outside, checker: HandlerChecker) {
    this.#outside = outside;
    this.#checker = checker;
    this.endpoint = createEndpoint([
      this.#service('alpha', { journalRetention: 0, retryPolicy: retries(6, 'pause') }),
      this.#service('beta', { journalRetention: 10_000, retryPolicy: retries(10, 'kill') }),
      this.#service('watchful', { explicitCancellation: true, journalRetention: 15_000 }),
      this.#object('ledger', { journalRetention: 25_000, retryPolicy: retries(8, 'pause') }),
      this.#object('vault', { enableLazyState: true, retryPolicy: retries(8, 'kill') }),
      this.#workflow(),
      tallyObject(outside),
      sagaService(outside),
      rawService,
    ]);
  }

  #service(name: string, options: object) {
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
      options: { idempotencyRetention: name === 'alpha' ? 20_000 : 40_000, ...options },
    });
  }

  #object(name: string, options: object) {
    return object({
      name,
      handlers: {
        program: (context: ObjectContext, program: Program) => this.#program(context, program),
        look: sdkHandlers.object.shared((context: ObjectSharedContext, program: Program) =>
          this.#program(context, program),
        ),
      },
      options: { idempotencyRetention: 20_000, ...options },
    });
  }

  #workflow() {
    return workflow({
      name: 'flow',
      handlers: {
        run: (context: WorkflowContext, program: Program) => this.#program(context, program),
        look: (context: WorkflowSharedContext, program: Program) => this.#program(context, program),
        /** Somebody outside settles a promise. */
        settle: async (context: WorkflowSharedContext, { name, value, reject }: Settlement) =>
          settle(context, name, value, reject),
      },
      options: { workflowRetention: 15_000, journalRetention: 5000, idempotencyRetention: 20_000 },
    });
  }

  async #program(given: Context, program: Program): Promise<string> {
    const { extraArgs, target } = given.request();
    const scope: Scope = {
      context: given as WorkflowContext,
      execution: extraArgs[0] as Execution,
      isWatchful: target.service === 'watchful',
    };
    // Values come while it does other things, and before it waits.
    for (const [index, step] of program.steps.entries()) {
      if (step.kind === 'signal') this.#offerSignal(scope, String(index), step);
    }
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
        this.#observed(scope, path, step, value);
        if (!program.catches) throw error;
        continue;
      }
      this.#observed(scope, path, step, value);
      digest = crc32(value, digest);
    }
    return digest.toString(16);
  }

  /** A shared handler may read something else the next time, as long as its attempt has not been recorded. */
  #observed({ execution }: Scope, path: string, step: Step, value: string): void {
    const isFixed = isAlone(execution.life.kind) || !readsState(step);
    if (isFixed) this.#checker.observed(execution, path, value);
  }

  async #step(scope: Scope, path: string, step: Step): Promise<string> {
    const { context } = scope;
    switch (step.kind) {
      case 'send':
        return context.genericSend({ ...request(step.callee), ...delay(step.delayMs) }).invocationId;
      case 'callAndCancel':
      case 'callAndSignal':
        return this.#callAnd(context, step);
      case 'attach': {
        const { invocationId } = context.genericSend(request(step.callee));
        return context.attach<string>(await invocationId, serde.json);
      }
      case 'combine':
        return this.#combine(scope, path, step);
      case 'orTimeout':
        return this.#leaf(scope, `${path}.0`, step.part).orTimeout(step.ms);
      case 'transient':
        if (this.#count(scope, path) <= step.failures) throw plainError(`transient at ${path}`);
        return 'passed';
      case 'terminal':
        throw new TerminalError(`terminal at ${path}`, { errorCode: 418 });
      case 'rand': {
        const value = String(context.rand.random());
        this.#checker.drew(scope.execution, path, value);
        return value;
      }
      case 'date':
        return String(await context.date.now());
      case 'keys':
      case 'set':
      case 'clear':
      case 'clearAll':
      case 'peek':
      case 'settle':
        return keyedStep(context, path, step);
      default:
        return this.#awaited(scope, path, step);
    }
  }

  async #awaited(scope: Scope, path: string, leaf: Leaf): Promise<string> {
    const { context } = scope;
    const promise = this.#leaf(scope, path, leaf);
    if (leaf.kind === 'awakeable' && leaf.pauseMs > 0) await context.sleep(leaf.pauseMs);
    if (!scope.isWatchful) return promise;
    const watched = context as unknown as internal.ContextInternal;
    const cancelled = watched.cancellation().map(failIfFailed(() => 'cancelled'));
    const first = await RestatePromise.race([promise, cancelled]);
    return first === 'cancelled' ? `cancelled ${await watched.cancelPreviousCalls()}` : first;
  }

  async #callAnd(context: Context, step: StepOf<'callAndCancel' | 'callAndSignal'>): Promise<string> {
    const call = context.genericCall<Program, string>({ ...request(step.callee), outputSerde: serde.json });
    const id = await call.invocationId;
    if (step.kind === 'callAndSignal')
      context.invocation(id).signal<string>(step.name).resolve('from caller');
    else {
      if (step.afterMs > 0) await context.sleep(step.afterMs);
      context.cancel(id);
    }
    return call;
  }

  async #combine(scope: Scope, path: string, step: StepOf<'combine'>): Promise<string> {
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
    const { context, execution } = scope;
    switch (leaf.kind) {
      case 'sleep':
        return context.sleep(leaf.ms).map(failIfFailed(() => 'slept'));
      case 'call':
        return context.genericCall<Program, string>({ ...request(leaf.callee), outputSerde: serde.json });
      case 'run':
        return this.#run(scope, path, leaf);
      case 'awakeable':
        return this.#awakeable(scope, path, leaf);
      case 'signal': {
        this.#outside.offer(execution.life, { kind: 'signal', name: leaf.name, path }, valuesOf(leaf, path));
        return context.signal<string>(leaf.name).map((value?: string, failure?: TerminalError) => {
          this.#checker.tookSignal(execution, leaf.name, failure === undefined ? value : failure.message);
          return failIfFailed(String)(value, failure);
        });
      }
      case 'promise': {
        const { name } = leaf;
        const offered = { kind: 'promise', key: context.key, name, path } as const;
        this.#outside.offer(execution.life, offered, valuesOf(leaf, path));
        return context.promise<string>(name).get();
      }
      case 'get':
        return context.get<string>(leaf.name).map(failIfFailed(String));
      default:
        return leaf satisfies never;
    }
  }

  #offerSignal({ execution }: Scope, path: string, leaf: StepOf<'signal'>): void {
    const offered = { kind: 'signal', name: leaf.name, path } as const;
    this.#outside.offer(execution.life, offered, valuesOf(leaf, path));
  }

  #run(scope: Scope, path: string, leaf: Extract<Leaf, { kind: 'run' }>): Text {
    const { context, execution } = scope;
    const action = async () => {
      const times = this.#count(scope, path);
      this.#checker.runStarts(execution, path);
      if (leaf.ms > 0) await this.#outside.delay(leaf.ms);
      if (times <= leaf.failures) throw plainError(`flaky run ${path}`);
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
    const values = valuesOf(leaf, path);
    const offered = { kind: 'awakeable', id } as const;
    if (leaf.by === 'outside') this.#outside.offer(execution.life, offered, values);
    else {
      // The handler that completes it may be cancelled: then somebody notices in the end.
      this.#outside.offer(execution.life, offered, [
        { delayMs: 60_000, value: `${path} late`, reject: false },
      ]);
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

/** Its stack would be journaled, and differ with the code around it. */
function plainError(message: string): Error {
  const error = new Error(message);
  error.stack = `Error: ${message}`;
  return error;
}

const valuesOf = (leaf: { delaysMs: readonly number[]; reject: boolean }, path: string): readonly Offer[] =>
  leaf.delaysMs.map((delayMs, index) => ({ delayMs, value: `${path} value ${index}`, reject: leaf.reject }));

const failIfFailed =
  <T>(map: (value: T) => string) =>
  (value?: T, failure?: TerminalError): string => {
    if (failure !== undefined) throw failure;
    return map(value as T);
  };

function request({ service: name, handler, key, program, idempotencyKey }: Callee) {
  return {
    service: name,
    method: handler,
    parameter: program,
    inputSerde: serde.json,
    ...(key === '' ? {} : { key }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  };
}
const delay = (delayMs: number | undefined) => (delayMs === undefined ? {} : { delay: delayMs });

export type { InvocationId };
