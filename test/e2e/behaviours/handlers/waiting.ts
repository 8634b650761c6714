/** Awakeables, combinators, timeouts and cancellation. */
import type { Notes } from '../notes.ts';
import type { Context, Names, RestatePromise, Sdk } from '../sdk.ts';
import type { Callees } from './calls.ts';
import { shown } from './steps.ts';

/** One promise of a combination. */
export type Part =
  | { readonly sleep: number; readonly value: unknown }
  | { readonly run: unknown }
  | { readonly failingRun: string }
  | { readonly call: unknown }
  | { readonly signal: string }
  /** Published as the note `awakeable<index>`. */
  | { readonly awakeable: true };

export interface Combination {
  readonly rule: 'all' | 'race' | 'any' | 'allSettled';
  readonly of: readonly Part[];
}

export interface Cancellable {
  readonly on: 'sleep' | 'call' | 'awakeable';
  readonly compensate: boolean;
}

const failureOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: Error) => error.message,
  );

const LONG_MS = 600_000;

export const waiting = (sdk: Sdk, notes: Notes, names: Names) => {
  const client = (ctx: Context) => ctx.serviceClient<Callees>({ name: names.own });
  const sendClient = (ctx: Context) => ctx.serviceSendClient<Callees>({ name: names.own });

  const publish = (ctx: Context, awakeable: string, as = 'awakeable') =>
    ctx.run('publish', () => notes.write(ctx.request().id, as, awakeable));

  const promiseOf = (ctx: Context, part: Part, index: number): RestatePromise<unknown> => {
    if ('sleep' in part) return ctx.sleep(part.sleep).map(() => part.value);
    if ('run' in part) return ctx.run(`run${index}`, () => part.run);
    if ('call' in part) return client(ctx).echo(part.call);
    if ('signal' in part) return ctx.signal<unknown>(part.signal);
    if ('failingRun' in part) {
      return ctx.run(`run${index}`, () => {
        throw new sdk.TerminalError(part.failingRun);
      });
    }
    const { id, promise } = ctx.awakeable<unknown>();
    notes.write(ctx.request().id, `awakeable${index}`, id);
    return promise;
  };

  const combine = (rule: Combination['rule'], parts: readonly RestatePromise<unknown>[]) =>
    sdk.RestatePromise[rule](parts) as RestatePromise<unknown>;

  return {
    awaitAwakeable: async (ctx: Context): Promise<unknown> => {
      const { id, promise } = ctx.awakeable<unknown>();
      await publish(ctx, id);
      try {
        return { value: await promise };
      } catch (error) {
        return shown(error);
      }
    },

    /** Busy with something else when the awakeable is resolved. */
    awaitLate: async (ctx: Context): Promise<unknown> => {
      const { id, promise } = ctx.awakeable<unknown>();
      const gate = ctx.awakeable<unknown>();
      await ctx.run('publish', () => {
        notes.write(ctx.request().id, 'gate', gate.id);
        notes.write(ctx.request().id, 'awakeable', id);
      });
      await gate.promise;
      return promise;
    },

    resolvedByHandler: async (ctx: Context, value: unknown): Promise<unknown> => {
      const { id, promise } = ctx.awakeable<unknown>();
      sendClient(ctx).resolveIt({ id, value });
      return promise;
    },
    rejectedByHandler: async (ctx: Context, reason: string): Promise<unknown> => {
      const { id, promise } = ctx.awakeable<unknown>();
      sendClient(ctx).rejectIt({ id, reason });
      return promise.map((_, failure) => shown(failure));
    },
    resolveIt: async (ctx: Context, { id, value }: { id: string; value: unknown }): Promise<void> =>
      ctx.resolveAwakeable(id, value),
    rejectIt: async (ctx: Context, { id, reason }: { id: string; reason: string }): Promise<void> =>
      ctx.rejectAwakeable(id, reason),

    combination: async (ctx: Context, { rule, of }: Combination): Promise<unknown> => {
      const parts = of.map((part, index) => promiseOf(ctx, part, index));
      try {
        const value = await combine(rule, parts);
        if (rule !== 'allSettled') return { value };
        const settled = value as PromiseSettledResult<unknown>[];
        return settled.map(one => (one.status === 'fulfilled' ? one.value : (one.reason as Error).message));
      } catch (error) {
        if (!(error instanceof AggregateError)) return { failed: (error as Error).message };
        return { allFailed: error.errors.map((one: Error) => one.message) };
      }
    },

    /** Combinations of combinations, one promise in two of them. */
    nested: async (ctx: Context, ms: number): Promise<unknown> => {
      const fast = ctx.sleep(ms / 2).map(() => 'fast');
      const slow = ctx.sleep(ms).map(() => 'slow');
      const both = sdk.RestatePromise.all([fast, slow]);
      const first = await sdk.RestatePromise.race([slow, fast]);
      const second = await sdk.RestatePromise.race([both, ctx.sleep(LONG_MS).map(() => 'never')]);
      return { first, second, again: await fast };
    },

    timeout: async (ctx: Context, input: { ms: number; timeoutMs: number }): Promise<unknown> => {
      const slow = ctx.sleep(input.ms).map(() => 'in time');
      try {
        return await slow.orTimeout(input.timeoutMs);
      } catch (error) {
        return { ...shown(error), isTimeout: error instanceof sdk.TimeoutError };
      }
    },

    awakeableTimeout: async (ctx: Context, timeoutMs: number): Promise<unknown> => {
      const { id, promise } = ctx.awakeable<unknown>();
      await publish(ctx, id);
      return promise.orTimeout(timeoutMs).map((value, failure) => failure?.message ?? value);
    },

    cancellable: async (ctx: Context, { on, compensate }: Cancellable): Promise<unknown> => {
      const waits = {
        sleep: () => ctx.sleep(LONG_MS),
        call: () => client(ctx).sleeper(LONG_MS),
        awakeable: () => ctx.awakeable().promise,
      };
      try {
        return await (waits[on]() as RestatePromise<unknown>);
      } catch (error) {
        if (!compensate) throw error;
        const undone = await ctx.run('undo', () => notes.mark(ctx.request().id, 'undo'));
        await ctx.sleep(10);
        const { message, code } = error as InstanceType<Sdk['TerminalError']>;
        return { message, code, isCancelled: error instanceof sdk.CancelledError, undone };
      }
    },

    /** Waits again after it was cancelled. */
    stubborn: async (ctx: Context): Promise<unknown> => {
      const first = await failureOf(ctx.sleep(LONG_MS));
      await ctx.run('undo', () => notes.mark(ctx.request().id, 'undo'));
      return [first, await failureOf(ctx.awakeable().promise)];
    },

    cancelOther: async (ctx: Context): Promise<unknown> => {
      const id = await sendClient(ctx).sleeper(LONG_MS).invocationId;
      // One that has not started would be cancelled without a trace in its journal.
      await ctx.sleep(100);
      ctx.cancel(id);
      return ctx.attach(id).map((_, failure) => shown(failure));
    },

    /** Something under way below it: one child that is awaited, one that is not. */
    parent: async (ctx: Context): Promise<unknown> => {
      const sent = await sendClient(ctx).sleeper(LONG_MS).invocationId;
      await ctx.run('note', () => notes.write(ctx.request().id, 'sent', sent));
      return client(ctx).sleeper(LONG_MS);
    },
  };
};
