/** The function under the stop test: an attempt that takes as long as it is told, and a counter. */
import { setTimeout as pause } from 'node:timers/promises';
import {
  type Context,
  createEndpointHandler,
  type ObjectContext,
  object,
  service,
} from '@holdfast/sdk-lambda';

const slow = service({
  name: 'slow',
  handlers: {
    step: async (ctx: Context, ms: number): Promise<string> => ctx.run('wait', () => pause(ms, 'done')),
  },
});

const counter = object({
  name: 'counter',
  handlers: {
    add: async (ctx: ObjectContext, n: number): Promise<number> => {
      const count = ((await ctx.get<number>('count')) ?? 0) + n;
      ctx.set('count', count);
      return count;
    },
  },
});

export const handler = createEndpointHandler({ services: [slow, counter] });
