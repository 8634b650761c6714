/** Runs, sleeps, and errors that are retried. */
import type { Notes } from '../notes.ts';
import type { Context, Sdk } from '../sdk.ts';

const BATCHED = { batched: true } as object;

const fail = (message: string): never => {
  throw new Error(message);
};

export interface TerminalInput {
  readonly message: string;
  readonly code?: number;
  readonly metadata?: Record<string, string>;
}

/** An error as JSON. What has no metadata has none, or none in it, as the SDK likes. */
export const shown = (error: unknown): Record<string, unknown> => {
  const { name, message, code, metadata = {} } = error as Error & { code?: number; metadata?: object };
  return { name, message, code, ...(Object.keys(metadata).length === 0 ? {} : { metadata }) };
};

export const steps = (sdk: Sdk, notes: Notes) => ({
  runOnce: async (ctx: Context, value: unknown): Promise<unknown> =>
    ctx.run('only', () => {
      notes.mark(ctx.request().id, 'run');
      return value;
    }),

  runNothing: async (ctx: Context): Promise<string> => String(await ctx.run('nothing', () => {})),

  runTwo: async (ctx: Context, ms: number): Promise<unknown> => {
    const { id } = ctx.request();
    const first = await ctx.run('first', () => notes.mark(id, 'first'));
    if (ms > 0) await ctx.sleep(ms);
    const second = await ctx.run('second', async () => notes.mark(id, 'second') + 10);
    return [first, second];
  },

  runParallel: async (ctx: Context): Promise<unknown> => {
    const { id } = ctx.request();
    const run = (name: string) => ctx.run(name, async () => `${name}${notes.mark(id, name)}`);
    return sdk.RestatePromise.all([run('a'), run('b'), run('c')]);
  },

  tenSteps: async (ctx: Context): Promise<number> => {
    let sum = 0;
    for (let i = 0; i < 10; i++) sum += await ctx.run(`step ${i}`, () => i);
    return sum;
  },

  /** Ours alone has the option. */
  tenBatched: async (ctx: Context): Promise<number> => {
    let sum = 0;
    for (let i = 0; i < 10; i++) sum += await ctx.run(`step ${i}`, () => i, BATCHED);
    return sum;
  },

  batchedBeforeRun: async (ctx: Context, ms: number): Promise<unknown> => {
    const { id } = ctx.request();
    const first = await ctx.run('first', () => notes.mark(id, 'first'), BATCHED);
    const second = await ctx.run('second', () => notes.mark(id, 'second') + first, BATCHED);
    if (ms > 0) await ctx.sleep(ms);
    const third = await ctx.run('third', () => notes.mark(id, 'third') + second);
    return [first, second, third];
  },

  /** The result of the one that succeeds is there although the other one fails beside it. */
  runBesideFlaky: async (ctx: Context): Promise<unknown> => {
    const { id } = ctx.request();
    const good = ctx.run('good', () => notes.mark(id, 'good'));
    const flaky = ctx.run('flaky', async () => {
      const tries = notes.mark(id, 'flaky');
      return tries === 1 ? fail('the first try') : tries;
    });
    return sdk.RestatePromise.all([good, flaky]);
  },

  runLarge: async (ctx: Context, bytes: number): Promise<unknown> =>
    (await ctx.run('large', () => 'x'.repeat(bytes))).length,

  /** Fails `failures` times under a policy of its own. */
  runFlaky: async (ctx: Context, input: { failures: number; ms: number }): Promise<unknown> =>
    ctx.run(
      'flaky',
      () => {
        const tries = notes.mark(ctx.request().id, 'run');
        return tries <= input.failures ? fail(`try ${tries}`) : tries;
      },
      { maxRetryAttempts: 10, initialRetryInterval: input.ms, maxRetryInterval: input.ms },
    ),

  /** Fails once under the server's policy. */
  runRetriedByServer: async (ctx: Context): Promise<unknown> =>
    ctx.run('once', () => (notes.mark(ctx.request().id, 'run') === 1 ? fail('the first try') : 'second')),

  runExhausted: async (ctx: Context): Promise<unknown> => {
    try {
      return await ctx.run(
        'hopeless',
        () => {
          notes.mark(ctx.request().id, 'run');
          return fail('never works');
        },
        { maxRetryAttempts: 2, initialRetryInterval: 10 },
      );
    } catch (error) {
      return shown(error);
    }
  },

  runTerminal: async (ctx: Context, input: TerminalInput & { rethrow?: boolean }): Promise<unknown> => {
    try {
      return await ctx.run('doomed', () => {
        notes.mark(ctx.request().id, 'run');
        throw terminal(sdk, input);
      });
    } catch (error) {
      if (input.rethrow) throw error;
      return shown(error);
    }
  },

  terminal: async (_ctx: Context, input: TerminalInput): Promise<never> => {
    throw terminal(sdk, input);
  },

  flaky: async (ctx: Context, failures: number) => flaky(ctx, notes, failures),
  flakySlowly: async (ctx: Context, failures: number) => flaky(ctx, notes, failures),
  pausing: async (ctx: Context, failures: number) => flaky(ctx, notes, failures),
  killing: async (ctx: Context, failures: number) => flaky(ctx, notes, failures),

  /** Asks for its own delay. */
  retryAfter: async (ctx: Context, ms: number): Promise<unknown> => {
    if (notes.mark(ctx.request().id, 'try') === 1) throw new sdk.RetryableError('later', { retryAfter: ms });
    return 'done';
  },

  sleeper: async (ctx: Context, ms: number): Promise<number> => {
    await ctx.sleep(ms, 'nap');
    return Date.now();
  },

  twoSleeps: async (ctx: Context): Promise<unknown> => {
    await sdk.RestatePromise.all([ctx.sleep(1500), ctx.sleep(750)]);
    return ['long', 'short'];
  },

  manySleeps: async (ctx: Context, input: { count: number; ms: number }): Promise<unknown> => {
    const sleeps = Array.from({ length: input.count }, (_, i) => ctx.sleep(input.ms + (i % 5)).map(() => i));
    return sdk.RestatePromise.all(sleeps);
  },

  /** Waits in real time, without suspending, until the test lets it go. */
  busy: async (ctx: Context): Promise<unknown> => {
    const { id } = ctx.request();
    const held = notes.mark(id, 'busy');
    while (notes.read(id, 'release') === undefined) await new Promise(done => setTimeout(done, 10));
    return { held };
  },

  /** Waits for ever, and notes when its attempt is over. */
  tellsItsEnd: async (ctx: Context): Promise<void> => {
    const { id, attemptCompletedSignal } = ctx.request();
    attemptCompletedSignal.addEventListener('abort', () => notes.mark(id, 'told'));
    await ctx.sleep(600_000);
  },

  /** Takes another way at its second attempt. */
  erratic: async (ctx: Context): Promise<unknown> => {
    if (notes.count(ctx.request().id, 'attempt') === 2) return ctx.run('other way', () => 'wrong');
    await ctx.sleep(10);
    return 'right';
  },
});

function terminal(sdk: Sdk, { message, code, metadata }: TerminalInput) {
  return new sdk.TerminalError(message, {
    ...(code === undefined ? {} : { errorCode: code }),
    ...(metadata === undefined ? {} : { metadata }),
  });
}

function flaky(ctx: Context, notes: Notes, failures: number): string {
  const tries = notes.mark(ctx.request().id, 'try');
  return tries <= failures ? fail(`try ${tries}`) : `try ${tries} succeeded`;
}
