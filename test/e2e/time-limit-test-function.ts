/** The function under the time-limit test: steps that take more time than one Lambda invocation has. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Context, createEndpointHandler, service } from '@holdfast/sdk-lambda';

const requestId = (ctx: Context): string =>
  (ctx.request().extraArgs[0] as { readonly awsRequestId: string }).awsRequestId;

const timed = service({
  name: 'timed',
  handlers: {
    /** Which Lambda invocation took each step. */
    batched: async (ctx: Context, { steps, ms }: { steps: number; ms: number }): Promise<string[]> => {
      const by: string[] = [];
      for (let i = 0; i < steps; i++) {
        const step = async () => {
          await pause(ms);
          return requestId(ctx);
        };
        by.push(await ctx.run(`step ${i}`, step, { batched: true }));
      }
      return by;
    },
    declared: async (ctx: Context, { ms, expectedDuration }: { ms: number; expectedDuration: number }) => {
      const by = () => requestId(ctx);
      return [
        await ctx.run('first', async () => pause(ms, by()), { batched: true }),
        await ctx.run('long', by, { batched: true, expectedDuration }),
      ];
    },
    endless: async (ctx: Context) => ctx.run('endless', () => pause(60_000)),
  },
  options: { retryPolicy: { maxAttempts: 2, initialInterval: 10, onMaxAttempts: 'pause' } },
});

export const handler = createEndpointHandler({ services: [timed] });
