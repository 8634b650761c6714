/**
 * The services under test: handlers written with the real SDK that interpret a program and tell the checkers what
 * each await gave. What they do to the outside world they do through `Outside`.
 */

import { crc32 } from 'node:zlib';
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
import { keyedStep, readsState, settle } from './keyed-steps.ts';
import { delay, failIfFailed, Leaves, type Outside, plainError, request, type Scope } from './leaves.ts';
import type { Leaf, Program, Step, StepOf } from './programs.ts';
import { rawService } from './raw.ts';
import { sagaService, tallyObject } from './tally.ts';
import { isAlone } from './targets.ts';

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
  readonly #checker: HandlerChecker;
  readonly #leaves: Leaves;

  constructor(outside: Outside, checker: HandlerChecker) {
    this.#leaves = new Leaves(outside, checker);
    this.#checker = checker;
    this.endpoint = createEndpoint([
      this.#service('alpha', {
        journalRetention: 0,
        inactivityTimeout: 200,
        retryPolicy: retries(6, 'pause'),
      }),
      this.#service('beta', { journalRetention: 10_000, retryPolicy: retries(10, 'kill') }),
      this.#service('watchful', {
        explicitCancellation: true,
        journalRetention: 15_000,
        inactivityTimeout: 50,
      }),
      this.#object('ledger', { journalRetention: 25_000, retryPolicy: retries(8, 'pause') }),
      this.#object('vault', { enableLazyState: true, inactivityTimeout: 0, retryPolicy: retries(8, 'kill') }),
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
      options: {
        workflowRetention: 15_000,
        journalRetention: 5000,
        idempotencyRetention: 20_000,
        inactivityTimeout: 400,
      },
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
      if (step.kind === 'signal') this.#leaves.offerSignal(scope, String(index), step);
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
        return step.isPlain
          ? this.#leaves.combinePlain(scope, path, step)
          : this.#leaves.combine(scope, path, step);
      case 'orTimeout':
        return this.#leaves.leaf(scope, `${path}.0`, step.part).orTimeout(step.ms);
      case 'transient':
        if (this.#leaves.count(scope, path) <= step.failures) throw plainError(`transient at ${path}`);
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
    const promise = this.#leaves.leaf(scope, path, leaf);
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
}

export type { InvocationId };
