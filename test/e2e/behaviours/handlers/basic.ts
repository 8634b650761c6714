/** Input, output, and what a handler is told about its invocation. */
import type { Context, Sdk } from '../sdk.ts';

export const basic = (_sdk: Sdk) => ({
  echo: async (_ctx: Context, value: unknown): Promise<unknown> => value,

  nothing: async (_ctx: Context): Promise<void> => {},

  bytes: async (_ctx: Context, value: Uint8Array): Promise<Uint8Array> => value,

  about: async (ctx: Context): Promise<unknown> => {
    const { id, target, headers, body } = ctx.request();
    return {
      id,
      target: target.toString(),
      custom: headers.get('x-custom'),
      ingressPath: headers.get('x-restate-ingress-path'),
      bodyBytes: body.byteLength,
    };
  },

  /** Values of the first attempt, as recorded, beside those of the last one. */
  random: async (ctx: Context, ms: number): Promise<unknown> => {
    const now = [ctx.rand.random(), ctx.rand.uuidv4(), ctx.rand.random()];
    const recorded = await ctx.run('record', () => now);
    await ctx.sleep(ms);
    return { recorded, now };
  },

  date: async (ctx: Context, ms: number): Promise<unknown> => {
    const before = await ctx.date.now();
    await ctx.sleep(ms);
    return { before, json: await ctx.date.toJSON() };
  },
});
