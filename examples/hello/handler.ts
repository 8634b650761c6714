import { type Context, createEndpointHandler, service } from '@holdfast/sdk-lambda';

export const greeter = service({
  name: 'greeter',
  handlers: {
    greet: async (ctx: Context, name: string): Promise<string> => {
      // A step: its result is recorded once, and kept over crashes and retries.
      const greeting = await ctx.run('choose', () => (Math.random() < 0.5 ? 'Hello' : 'Good day'));
      // The function does not run meanwhile, be it a second or a month.
      await ctx.sleep({ seconds: 1 });
      return `${greeting}, ${name}!`;
    },
  },
});

export const handler = createEndpointHandler({ services: [greeter] });
