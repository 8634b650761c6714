/** The promises that programs wait for: steps that can be combined, and their combinations. */

import { decodeAwakeableId } from '@holdfast/protocol';
import { RestatePromise, serde, TerminalError, type WorkflowContext } from '@holdfast/sdk-lambda';
import type { Execution, HandlerChecker } from './checkers/handler-checker.ts';
import { type Life, nameOf } from './checkers/lives.ts';
import {
  type Callee,
  type Combine,
  type Leaf,
  type Part,
  type Program,
  SERVICES,
  type StepOf,
} from './programs.ts';

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

export type Text = RestatePromise<string>;
export interface Scope {
  /** As wide as the handler's kind allows; programs keep to that. */
  readonly context: WorkflowContext;
  readonly execution: Execution;
  readonly isWatchful: boolean;
}

export class Leaves {
  readonly #outside: Outside;
  readonly #checker: HandlerChecker;
  /** How often something has been executed, over all attempts: the world's memory of side effects. */
  readonly #executions = new Map<string, number>();

  constructor(outside: Outside, checker: HandlerChecker) {
    this.#outside = outside;
    this.#checker = checker;
  }

  async combinePlain(scope: Scope, path: string, step: Combine): Promise<string> {
    try {
      return String(JSON.stringify(await this.#plain(scope, path, step)));
    } catch (error) {
      if (!(error instanceof AggregateError)) throw error;
      return `none: ${error.errors.join()}`;
    }
  }

  /** As the context gives them, but for signals: who takes which is looked at in a mapper. */
  #plain(scope: Scope, path: string, part: Part): RestatePromise<unknown> {
    switch (part.kind) {
      case 'combine':
        return this.#combined(
          part,
          part.parts.map((inner, index) => this.#plain(scope, `${path}.${index}`, inner)),
        );
      case 'sleep':
        return scope.context.sleep(part.ms);
      case 'run':
        return this.#bareRun(scope, path, part);
      case 'awakeable':
        return this.#bareAwakeable(scope, path, part).promise;
      default:
        return this.leaf(scope, path, part);
    }
  }

  #combined({ rule }: Combine, parts: readonly RestatePromise<unknown>[]): RestatePromise<unknown> {
    switch (rule) {
      case 'all':
        return RestatePromise.all(parts);
      case 'race':
        return RestatePromise.race(parts);
      case 'any':
        return RestatePromise.any(parts);
      case 'allSettled':
        return RestatePromise.allSettled(parts);
      default:
        return rule satisfies never;
    }
  }

  async combine(scope: Scope, path: string, step: StepOf<'combine'>): Promise<string> {
    const parts = step.parts.map((part, index) => {
      if (part.kind === 'combine') throw new Error('assertion failed: only plain ones are nested');
      return this.leaf(scope, `${path}.${index}`, part);
    });
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

  leaf(scope: Scope, path: string, leaf: Leaf): Text {
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

  offerSignal({ execution }: Scope, path: string, leaf: StepOf<'signal'>): void {
    const offered = { kind: 'signal', name: leaf.name, path } as const;
    this.#outside.offer(execution.life, offered, valuesOf(leaf, path));
  }

  #run(scope: Scope, path: string, leaf: Extract<Leaf, { kind: 'run' }>): Text {
    return this.#bareRun(scope, path, leaf).map(
      failIfFailed((value: string) => {
        this.#checker.gotRun(scope.execution, path, value, leaf.batched);
        return value;
      }),
    );
  }

  #bareRun(scope: Scope, path: string, leaf: Extract<Leaf, { kind: 'run' }>): Text {
    const { context, execution } = scope;
    const { batched } = leaf;
    const action = async () => {
      const times = this.count(scope, path);
      this.#checker.runStarts(execution, path, batched);
      if (leaf.ms > 0) await this.#outside.delay(leaf.ms);
      const value = `${path} by ${execution.number}`;
      const failure = times <= leaf.failures ? `flaky run ${path}` : `run ${path} is refused`;
      const fails = times <= leaf.failures || leaf.terminal;
      if (batched) this.#checker.batchedRunEnds(execution, path, fails ? { failure } : { value });
      if (times <= leaf.failures) throw plainError(failure);
      if (leaf.terminal) throw new TerminalError(failure, { errorCode: 422 });
      return value;
    };
    const retries =
      leaf.attempts === undefined ? {} : { maxRetryAttempts: leaf.attempts, maxRetryInterval: 500 };
    return context.run(path, action, { batched, ...retries });
  }

  #awakeable(scope: Scope, path: string, leaf: Extract<Leaf, { kind: 'awakeable' }>): Text {
    const { id, promise } = this.#bareAwakeable(scope, path, leaf);
    return promise.map(
      failIfFailed((value: string) => {
        this.#checker.gotSignal(scope.execution, decodeAwakeableId(id).signalIndex, value);
        return value;
      }),
    );
  }

  #bareAwakeable(
    scope: Scope,
    path: string,
    leaf: Extract<Leaf, { kind: 'awakeable' }>,
  ): { readonly id: string; readonly promise: Text } {
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
    return { id, promise };
  }

  count({ execution }: Scope, path: string): number {
    const key = `${nameOf(execution.life)}/${path}`;
    const times = (this.#executions.get(key) ?? 0) + 1;
    this.#executions.set(key, times);
    return times;
  }
}

/** Its stack would be journaled, and differ with the code around it. */
export function plainError(message: string): Error {
  const error = new Error(message);
  error.stack = `Error: ${message}`;
  return error;
}

const valuesOf = (leaf: { delaysMs: readonly number[]; reject: boolean }, path: string): readonly Offer[] =>
  leaf.delaysMs.map((delayMs, index) => ({ delayMs, value: `${path} value ${index}`, reject: leaf.reject }));

export const failIfFailed =
  <T>(map: (value: T) => string) =>
  (value?: T, failure?: TerminalError): string => {
    if (failure !== undefined) throw failure;
    return map(value as T);
  };

export function request({ service: name, handler, key, program, idempotencyKey }: Callee) {
  return {
    service: name,
    method: handler,
    parameter: program,
    inputSerde: serde.json,
    ...(key === '' ? {} : { key }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  };
}
export const delay = (delayMs: number | undefined) => (delayMs === undefined ? {} : { delay: delayMs });
