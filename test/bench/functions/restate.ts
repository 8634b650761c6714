/** The measured handlers. Written with the official SDK, so that both servers run the very same function. */
import * as restate from '@restatedev/restate-sdk/lambda';

const bench = restate.service({
  name: 'Bench',
  handlers: {
    empty: async () => 'ok',
    tenSteps: async (ctx: restate.Context) => {
      let sum = 0;
      for (let step = 0; step < 10; step++) sum += await ctx.run('step', () => step);
      return sum;
    },
  },
});

export const handler = restate.createEndpointHandler({ services: [bench] });
