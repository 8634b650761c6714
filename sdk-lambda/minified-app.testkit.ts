/** Test helper: a function as users write it, that `minified.test.ts` bundles. Its frames are looked for by their names. */
import { createEndpointHandler, TerminalError, type WorkflowContext, workflow } from './index.ts';
import { type Context, OTHERS, STEPS } from './verbs.testkit.ts';

const chargeCard = async (ctx: Context) => await ctx.run('charge', () => 1);

const SCENARIOS: Readonly<Record<string, (ctx: Context) => Promise<unknown>>> = {
  /** Everything there is, then a wait. */
  async verbs(ctx) {
    for (const verb of Object.values({ ...STEPS, ...OTHERS })) void verb(ctx)();
    await ctx.sleep(1, 'last');
    return Object.keys(STEPS);
  },
  /** What is caught of a failure. */
  async catches(ctx) {
    try {
      return await chargeCard(ctx);
    } catch (error) {
      const { name, message, code, stack } = error as TerminalError;
      return { isTerminal: error instanceof TerminalError, text: `${error}`, name, message, code, stack };
    }
  },
  charges: chargeCard,
  async nests(ctx) {
    return ctx.run('outer', () => chargeCard(ctx));
  },
};

export const handler = createEndpointHandler({
  services: [
    workflow({
      name: 'Shop',
      handlers: {
        run: async (ctx: WorkflowContext, scenario: string) => SCENARIOS[scenario]?.(ctx as Context),
      },
    }),
  ],
});
