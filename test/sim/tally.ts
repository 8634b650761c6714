/**
 * Programs over shared counters whose sums have to be exact whatever happens: `tally` adds to a counter, with steps
 * and sleeps between reading and writing, and calls on to further counters; `saga` is a program of up to 20 such
 * commands. Both take back what they did when they are cancelled or fail.
 *
 * Invariants: an `add` that fails, unless it is killed, has added nothing. Keys that an `add` waits for are greater
 * than its own, so that no two wait for each other.
 */

import {
  CancelledError,
  type Context,
  type ObjectContext,
  type ObjectSharedContext,
  object,
  RestatePromise,
  handlers as sdkHandlers,
  serde,
  service,
  TerminalError,
} from '@holdfast/sdk-lambda';
import type { SimRandom } from './random.ts';

export interface Pause {
  readonly kind: 'run' | 'sleep';
  readonly ms: number;
}
export interface Add {
  readonly key: string;
  readonly amount: number;
  /** Between reading and writing. */
  readonly pauses: readonly Pause[];
  /** To greater keys. */
  readonly nested: readonly Add[];
}
export type SagaStep =
  | Pause
  | { readonly kind: 'call'; readonly add: Add }
  | { readonly kind: 'send'; readonly add: Add; readonly delayMs: number }
  /** Sent with an idempotency key, then waited for. */
  | { readonly kind: 'attach'; readonly add: Add; readonly idempotencyKey: string }
  | { readonly kind: 'read'; readonly key: string }
  | { readonly kind: 'fail' };
export interface Saga {
  readonly steps: readonly SagaStep[];
}

export const KEYS = ['t0', 't1', 't2', 't3', 't4'] as const;
export const COUNTER = 'n';
/** It takes back what it did, however often it is told to stop. */
const UNDO_ATTEMPTS_MAX = 50;

// ---- random programs

export function randomSaga(random: SimRandom, stepsMax: number): Saga {
  return { steps: Array.from({ length: random.int(1, stepsMax) }, () => randomStep(random)) };
}

const STEP_WEIGHTS = { call: 6, send: 2, attach: 1, read: 1, run: 2, sleep: 2, fail: 0.15 } as const;

function randomStep(random: SimRandom): SagaStep {
  const kind = random.weighted(STEP_WEIGHTS);
  switch (kind) {
    case 'call':
      return { kind, add: randomAdd(random, 0) };
    case 'send':
      return { kind, add: randomAdd(random, 0), delayMs: random.pick([0, 0, random.int(1, 3000)]) };
    case 'attach':
      return { kind, add: randomAdd(random, 0), idempotencyKey: `saga${random.uint32()}` };
    case 'read':
      return { kind, key: random.pick(KEYS) };
    case 'fail':
      return { kind };
    default:
      return { kind, ms: random.pick([0, random.int(0, 20), random.int(0, 1000)]) };
  }
}

function randomAdd(random: SimRandom, from: number): Add {
  const at = random.int(from, KEYS.length - 1);
  const pauses = Array.from({ length: random.pick([0, 0, 1, 2]) }, () => ({
    kind: random.pick(['run', 'sleep'] as const),
    ms: random.pick([0, random.int(0, 10), random.int(0, 150)]),
  }));
  const nested = at < KEYS.length - 1 && random.chance(0.3) ? [randomAdd(random, at + 1)] : [];
  return { key: KEYS[at] as string, amount: random.int(1, 1000), pauses, nested };
}

// ---- handlers

interface Waits {
  delay(ms: number): Promise<void>;
}

/** Pauses, so that somebody looks, and never gives up: the sums would tell of it. */
const retryPolicy = {
  initialInterval: 20,
  maxInterval: 500,
  maxAttempts: 8,
  onMaxAttempts: 'pause',
} as const;

export function tallyObject(waits: Waits) {
  return object({
    name: 'tally',
    handlers: {
      add: async (context: ObjectContext, { amount, pauses, nested }: Add): Promise<number> => {
        const before = (await context.get<number>(COUNTER)) ?? 0;
        const undo = new Undo(context);
        try {
          for (const [index, one] of pauses.entries()) await pause(context, waits, `pause ${index}`, one);
          for (const add of nested) await undo.call(add);
          // Nothing is awaited behind it: the write and the success are one record.
          context.set(COUNTER, before + amount);
          return before + amount;
        } catch (error) {
          if (error instanceof TerminalError) await undo.all();
          throw error;
        }
      },
      read: sdkHandlers.object.shared(
        async (context: ObjectSharedContext): Promise<number> => (await context.get<number>(COUNTER)) ?? 0,
      ),
    },
    options: { journalRetention: 5000, idempotencyRetention: 60_000, retryPolicy },
  });
}

export function sagaService(waits: Waits) {
  return service({
    name: 'saga',
    handlers: {
      program: async (context: Context, { steps }: Saga): Promise<string> => {
        const undo = new Undo(context);
        try {
          for (const [index, step] of steps.entries()) await act(context, waits, undo, `step ${index}`, step);
          return 'done';
        } catch (error) {
          if (error instanceof TerminalError) await undo.all();
          throw error;
        }
      },
    },
    options: { journalRetention: 5000, idempotencyRetention: 60_000, retryPolicy },
  });
}

async function act(context: Context, waits: Waits, undo: Undo, name: string, step: SagaStep): Promise<void> {
  switch (step.kind) {
    case 'run':
    case 'sleep':
      return pause(context, waits, name, step);
    case 'call':
      return undo.call(step.add);
    case 'send':
      context.genericSend({ ...request(step.add), ...(step.delayMs === 0 ? {} : { delay: step.delayMs }) });
      return;
    case 'attach': {
      const { invocationId } = context.genericSend({
        ...request(step.add),
        idempotencyKey: step.idempotencyKey,
      });
      await context.attach(await invocationId, serde.json);
      return;
    }
    case 'read':
      await context.genericCall({
        service: 'tally',
        method: 'read',
        key: step.key,
        parameter: null,
        inputSerde: serde.json,
        outputSerde: serde.json,
      });
      return;
    case 'fail':
      throw new TerminalError('refused');
    default:
      return step satisfies never;
  }
}

async function pause(context: Context, waits: Waits, name: string, { kind, ms }: Pause): Promise<void> {
  if (kind === 'sleep') await context.sleep(ms);
  else await context.run(name, () => waits.delay(ms));
}

/** What was called so far, and how to take it back. */
class Undo {
  readonly #context: Context;
  readonly #calls: { readonly add: Add; readonly call: RestatePromise<number> }[] = [];

  constructor(context: Context) {
    this.#context = context;
  }

  async call(add: Add): Promise<void> {
    const call = this.#begin(add);
    this.#calls.push({ add, call });
    // A cancellation is thrown at what is awaited, which is therefore not the call itself: its result is looked at again.
    await RestatePromise.all([call]);
  }

  /** In reverse; what was under way is waited for, because it may have been done. */
  async all(): Promise<void> {
    for (const { add, call } of this.#calls.reverse()) {
      if (!(await this.#hasSucceeded(call))) continue;
      const inverse = negated(add);
      let attempts = 0;
      while (!(await this.#hasSucceeded(this.#begin(inverse)))) {
        if (++attempts === UNDO_ATTEMPTS_MAX) throw new Error('assertion failed: cannot be taken back');
      }
    }
  }

  /** Not to be stopped by a cancellation. */
  async #hasSucceeded(call: RestatePromise<number>): Promise<boolean> {
    for (;;) {
      try {
        const [outcome] = await RestatePromise.allSettled([call]);
        return outcome?.status === 'fulfilled';
      } catch (error) {
        if (!(error instanceof CancelledError)) throw error;
      }
    }
  }

  #begin(add: Add): RestatePromise<number> {
    return this.#context.genericCall<Add, number>({ ...request(add), outputSerde: serde.json });
  }
}

const negated = (add: Add): Add => ({
  ...add,
  amount: -add.amount,
  nested: add.nested.map(negated),
});

const request = (add: Add) => ({
  service: 'tally',
  method: 'add',
  key: add.key,
  parameter: add,
  inputSerde: serde.json,
});
