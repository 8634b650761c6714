/** Handlers that take another way at every attempt after the first, for ever. */
import type { Notes } from '../notes.ts';
import type { Context, Names, ObjectContext } from '../sdk.ts';
import type { Counter } from './objects.ts';

const SOON_MS = 10;

export const mismatches = (notes: Notes, names: Names) => {
  const isFirst = (ctx: Context): boolean => notes.count(ctx.request().id, 'attempt') === 1;
  const counter = (ctx: Context, key: string) =>
    ctx.objectClient<Counter>({ name: `${names.own}Counter` }, key);
  const counterSend = (ctx: Context, key: string) =>
    ctx.objectSendClient<Counter>({ name: `${names.own}Counter` }, key);

  return {
    service: {
      eitherSleepOrCall: async (ctx: Context, key: string): Promise<void> => {
        if (isFirst(ctx)) await ctx.sleep(SOON_MS);
        else await counter(ctx, `${key}-wrong`).add(1);
      },
      callDifferentMethod: async (ctx: Context, key: string): Promise<void> => {
        if (isFirst(ctx)) await counter(ctx, `${key}-wrong`).get();
        else await counter(ctx, `${key}-wrong`).add(1);
      },
      sendToDifferentTargets: async (ctx: Context, key: string): Promise<void> => {
        counterSend(ctx, isFirst(ctx) ? `${key}-right` : `${key}-wrong`).add(1);
        await ctx.sleep(SOON_MS);
      },
      callWithDifferentInput: async (ctx: Context, key: string): Promise<void> => {
        await counter(ctx, `${key}-right`).add(isFirst(ctx) ? 1 : 1000);
      },
      runWithDifferentName: async (ctx: Context, key: string): Promise<void> => {
        await ctx.run(isFirst(ctx) ? 'right' : 'wrong', () =>
          notes.mark(key, isFirst(ctx) ? 'right' : 'wrong'),
        );
      },
      /** What was recorded is not asked for any more. */
      forgetWhatWasDone: async (ctx: Context, key: string): Promise<string> => {
        if (isFirst(ctx)) await ctx.run('right', () => notes.mark(key, 'right'));
        return 'wrong';
      },
    },
    object: {
      setDifferentKey: async (ctx: ObjectContext): Promise<void> => {
        ctx.set(isFirst(ctx) ? 'right' : 'wrong', 1);
        await ctx.sleep(SOON_MS);
      },
      setDifferentValue: async (ctx: ObjectContext): Promise<void> => {
        ctx.set('right', isFirst(ctx) ? 1 : 1000);
        await ctx.sleep(SOON_MS);
      },
      clearInstead: async (ctx: ObjectContext): Promise<void> => {
        if (isFirst(ctx)) ctx.set('right', 1);
        else ctx.clearAll();
        await ctx.sleep(SOON_MS);
      },
    },
  };
};
