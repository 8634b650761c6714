/** Handlers that watch for cancellations themselves. */
import type { Notes } from '../notes.ts';
import type { ExplicitContext, Names, Sdk } from '../sdk.ts';
import type { Callees } from './calls.ts';
import { shown } from './steps.ts';

const LONG_MS = 600_000;

export const explicit = (sdk: Sdk, notes: Notes, names: Names) => ({
  /** Each promise of a cancellation is of the next one that comes. */
  watch: async (ctx: ExplicitContext): Promise<unknown> => {
    const slept = ctx.sleep(LONG_MS).map(() => 'slept');
    const first = await sdk.RestatePromise.race([slept, ctx.cancellation().map(() => 'cancelled')]);
    await ctx.run('undo', () => notes.mark(ctx.request().id, 'undo'));
    const second = await sdk.RestatePromise.race([slept, ctx.cancellation().map(() => 'cancelled again')]);
    return [first, second];
  },

  heedless: async (ctx: ExplicitContext): Promise<unknown> => {
    const { id, promise } = ctx.awakeable<unknown>();
    notes.write(ctx.request().id, 'awakeable', id);
    return promise;
  },

  cancelsItsCalls: async (ctx: ExplicitContext): Promise<unknown> => {
    const call = ctx.serviceClient<Callees>({ name: names.own }).sleeper(LONG_MS);
    await sdk.RestatePromise.race([call.map(() => undefined), ctx.cancellation()]);
    const cancelled = await ctx.cancelPreviousCalls();
    return { same: cancelled[0] === (await call.invocationId), failure: await call.map((_, e) => shown(e)) };
  },
});
