/** The function under the test of the client: a handler of each kind. */
import {
  type Context,
  createEndpointHandler,
  handlers,
  type ObjectContext,
  type ObjectSharedContext,
  object,
  serde,
  service,
  TerminalError,
  type WorkflowContext,
  type WorkflowSharedContext,
  workflow,
} from '@holdfast/sdk-lambda';

export const shop = service({
  name: 'shop',
  handlers: {
    price: async (_ctx: Context, cents: number) => ({ cents, shown: `${cents / 100} €` }),
    nothing: async (_ctx: Context) => {},
    tenant: async (ctx: Context) => ctx.request().headers.get('x-tenant') ?? '',
    refuse: async (_ctx: Context, reason: string): Promise<never> => {
      throw new TerminalError(reason, { errorCode: 503, metadata: { why: 'sold out' } });
    },
    bytes: handlers.handler(
      { input: serde.binary, output: serde.binary },
      async (_ctx: Context, bytes: Uint8Array) => bytes.toReversed(),
    ),
    slow: async (ctx: Context, ms: number) => {
      await ctx.sleep(ms);
      return 'at last';
    },
    /** Tells `tell` the id of its awakeable. */
    ask: async (ctx: Context, key: string) => {
      const { id, promise } = ctx.awakeable<{ ok: boolean }>();
      ctx.objectSendClient<typeof counter>({ name: 'counter' }, key).remember(id);
      return promise;
    },
  },
});

export const counter = object({
  name: 'counter',
  handlers: {
    add: async (ctx: ObjectContext, n: number) => {
      const count = ((await ctx.get<number>('count')) ?? 0) + n;
      ctx.set('count', count);
      return count;
    },
    remember: async (ctx: ObjectContext, id: string) => ctx.set('id', id),
    remembered: handlers.object.shared(async (ctx: ObjectSharedContext) => ctx.get<string>('id')),
  },
});

export const signup = workflow({
  name: 'signup',
  handlers: {
    run: async (ctx: WorkflowContext, email: string) => {
      const secret = await ctx.promise<string>('clicked');
      return `${email}: ${secret}`;
    },
    click: async (ctx: WorkflowSharedContext, secret: string) =>
      ctx.promise<string>('clicked').resolve(secret),
  },
});

export const handler = createEndpointHandler({ services: [shop, counter, signup] });
