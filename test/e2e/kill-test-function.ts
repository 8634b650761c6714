/** The function under the kill test: every step appends to the test's ledger, and counters count. */
import {
  type Context,
  createEndpointHandler,
  type ObjectContext,
  object,
  service,
} from '@holdfast/sdk-lambda';

/** Tells the ledger what the steps before this one are recorded as; gets a number to be recorded as. */
async function append(ctx: Context, recorded: readonly number[]): Promise<number> {
  const url = `${process.env['LEDGER_URL']}/${ctx.request().id}`;
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(recorded) });
  return Number(await response.text());
}

const STEPS = 4;

const counted = async (ctx: ObjectContext): Promise<number> => (await ctx.get<number>('count')) ?? 0;

const counter = object({
  name: 'counter',
  handlers: {
    add: async (ctx: ObjectContext, n: number): Promise<number> => {
      const count = (await counted(ctx)) + n;
      ctx.set('count', count);
      return count;
    },
    /** Suspended between reading and writing: what another one adds meanwhile would be lost. */
    addSlowly: async (ctx: ObjectContext, n: number): Promise<number> => {
      const count = (await counted(ctx)) + n;
      await ctx.sleep(20);
      ctx.set('count', count);
      return count;
    },
  },
});

/** The counter that handlers send to. */
const SENT = 'sent';

const worker = service({
  name: 'worker',
  handlers: {
    /** Steps one after the other; the result proves that each recorded value was kept. */
    steps: async (ctx: Context, n: number): Promise<{ n: number; marks: number[] }> => {
      const marks: number[] = [];
      for (let step = 0; step < STEPS; step++) marks.push(await ctx.run(`${step}`, () => append(ctx, marks)));
      return { n, marks };
    },
    /** Steps with a timer, a send and a call between them, so that it is suspended at some of the kills. */
    mixed: async (ctx: Context, n: number): Promise<{ n: number; marks: number[] }> => {
      const first = await ctx.run('0', () => append(ctx, []));
      await ctx.sleep(50);
      ctx.objectSendClient(counter, SENT).add(n);
      const called = await ctx.serviceClient<typeof worker>({ name: 'worker' } as typeof worker).double(n);
      const last = await ctx.run('1', () => append(ctx, [first]));
      return { n: called / 2, marks: [first, last] };
    },
    double: async (_ctx: Context, n: number): Promise<number> => 2 * n,
  },
});

export const handler = createEndpointHandler({ services: [worker, counter] });
