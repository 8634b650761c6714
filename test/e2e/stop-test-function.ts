/** The function under the stop test: an attempt that takes as long as it is told. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Context, createEndpointHandler, service } from '@holdfast/sdk-lambda';

const slow = service({
  name: 'slow',
  handlers: {
    step: async (ctx: Context, ms: number): Promise<string> => ctx.run('wait', () => pause(ms, 'done')),
  },
});

export const handler = createEndpointHandler({ services: [slow] });
