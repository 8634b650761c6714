/** Types that nobody has to write: of handlers with schemas, of contexts, state, promises and signals. For the type checker. */
import { toStandardJsonSchema } from '@valibot/to-json-schema';
import { type } from 'arktype';
import * as v from 'valibot';
import { expect, expectTypeOf, test } from 'vitest';
import * as z from 'zod';
import {
  type Context,
  createObjectHandler,
  createObjectSharedHandler,
  createServiceHandler,
  createWorkflowHandler,
  createWorkflowSharedHandler,
  handlers,
  type Name,
  type ObjectContext,
  object,
  RestatePromise,
  type ServiceHandlerOpts,
  serde,
  service,
  type TerminalError,
  type WorkflowContext,
  type WorkflowSharedContext,
  workflow,
} from './index.ts';

/** Sent with a text and a note that may be missing; read with a number and a note. */
const Order = z.object({ id: z.string(), count: z.coerce.number<string>(), note: z.string().default('') });
type Order = { id: string; count: number; note: string };
type SentOrder = { id: string; count: string; note?: string | undefined };
const Status = z.object({ status: z.enum(['ok', 'bad']), tags: z.array(z.string()).default([]) });
type Status = { status: 'ok' | 'bad'; tags: string[] };

const schemas = service({
  name: 'Schemas',
  handlers: {
    both: createServiceHandler({ input: Order, output: Status }, async (ctx, order) => {
      expectTypeOf(ctx).toEqualTypeOf<Context>();
      expectTypeOf(order).toEqualTypeOf<Order>();
      // Literals and lists written in place fit without `as const`.
      return order.count > 1 ? { status: 'ok' } : { status: 'bad', tags: ['a'] };
    }),
    input: createServiceHandler({ input: z.object({ x: z.number() }) }, async (_ctx, input) => input.x),
    output: createServiceHandler({ output: z.date() }, async () => new Date()),
    nothing: createServiceHandler({ input: z.void(), output: z.void() }, async () => {}),
    optional: createServiceHandler({ input: z.string().optional() }, async (_ctx, name) => name ?? 'x'),
    valibot: createServiceHandler(
      { input: v.object({ q: v.optional(v.string(), 'z') }) },
      async (_ctx, input) => {
        expectTypeOf(input).toEqualTypeOf<{ q: string }>();
      },
    ),
    described: createServiceHandler(
      { input: toStandardJsonSchema(v.string()), output: serde.binary },
      async (_ctx, text) => {
        expectTypeOf(text).toEqualTypeOf<string>();
        return new Uint8Array();
      },
    ),
    arktype: createServiceHandler({ input: type({ k: 'string', 'n?': 'number' }) }, async (_ctx, input) => {
      expectTypeOf(input).toEqualTypeOf<{ k: string; n?: number }>();
    }),
    serde: createServiceHandler({ input: serde.schema(Order) }, async (_ctx, order) => {
      expectTypeOf(order).toEqualTypeOf<Order>();
    }),
    annotated: createServiceHandler(
      { input: z.array(z.string()) },
      async (_ctx: Context, list) => list.length,
    ),
    explicit: createServiceHandler<number, string>({}, async (_ctx, text) => text.length),
  },
});

async function callers(ctx: Context) {
  const client = ctx.serviceClient(schemas);
  expectTypeOf<Parameters<typeof client.both>[0]>().toEqualTypeOf<SentOrder>();
  expectTypeOf(await client.both({ id: 'a', count: '1' })).toEqualTypeOf<Status>();
  expectTypeOf(await client.input({ x: 1 })).toEqualTypeOf<number>();
  expectTypeOf(await client.output()).toEqualTypeOf<Date>();
  expectTypeOf(await client.optional()).toEqualTypeOf<string>();
  expectTypeOf(await client.explicit('a')).toEqualTypeOf<number>();
  await client.nothing();
  await client.optional('a');
  await client.valibot({});
  await client.arktype({ k: 'a' });
  ctx.serviceSendClient(schemas).both({ id: 'a', count: '1' });
  // @ts-expect-error a number is not sent as a text
  client.input({ x: '1' });
  // @ts-expect-error the input is needed
  client.both();
}

function wrongResults() {
  // @ts-expect-error not one of the literals
  createServiceHandler({ output: Status }, async () => ({ status: 'nope' }));
  // @ts-expect-error not a text
  createObjectHandler({ output: z.string() }, async () => 5);
  // @ts-expect-error something is missing
  createWorkflowSharedHandler({ output: Status }, async () => ({}));
  // @ts-expect-error not bytes
  createObjectSharedHandler({ input: Order, output: serde.binary }, async () => 5);
  // @ts-expect-error there is no such option
  createServiceHandler({ input: Order, otuput: Status }, async () => 5);
  const built: ServiceHandlerOpts<string, Status> = {};
  built.output = z.object({ status: z.enum(['ok', 'bad']), tags: z.array(z.string()) });
  return built;
}

/** Declared once, they type what goes by them wherever they are used. */
const clicked: Name<string> = 'clicked';
const approved: Name<boolean> = 'approved';
const count: Name<number> = 'count';

interface CartState {
  items: string[];
  total: number;
}
const cart = object({
  name: 'Cart',
  handlers: {
    add: handlers.object.exclusive({ input: Order }, async (ctx: ObjectContext<CartState>, order) => {
      expectTypeOf(order).toEqualTypeOf<Order>();
      expectTypeOf(await ctx.get('total')).toEqualTypeOf<number | null>();
      // @ts-expect-error no such state
      ctx.clear('price');
      ctx.set('items', [order.id]);
      return ctx.key;
    }),
    read: handlers.object.shared(
      { input: Order, output: z.string() },
      async (ctx, order) => ctx.key + order.id,
    ),
    named: createObjectHandler(async ctx => {
      expectTypeOf(ctx).toEqualTypeOf<ObjectContext>();
      expectTypeOf(await ctx.get(count)).toEqualTypeOf<number | null>();
      expectTypeOf(await ctx.get('other')).toEqualTypeOf<unknown>();
      ctx.set(count, 1);
      // @ts-expect-error a number goes by this name
      ctx.set(count, 'a');
      ctx.clear(count);
    }),
  },
});

/** Of services and workflows the context need not be said; of objects, where it could be either, it must be. */
const quiet = service({
  name: 'Quiet',
  handlers: {
    one: async (ctx, n: number) => {
      expectTypeOf(ctx).toEqualTypeOf<Context>();
      return ctx.run('x', () => n);
    },
  },
});
const signup = workflow({
  name: 'Signup',
  handlers: {
    run: async (ctx, email: string) => {
      const promise = await ctx.promise(clicked);
      expectTypeOf(promise).toEqualTypeOf<string>();
      expectTypeOf(await ctx.signal(approved)).toEqualTypeOf<boolean>();
      expectTypeOf(await ctx.get<number>('n')).toEqualTypeOf<number | null>();
      // @ts-expect-error a handler without a context of its own has untyped state, which is not any
      (await ctx.get('n'))?.length;
      return email.length;
    },
    click: async (ctx, secret: string) => {
      await ctx.promise(clicked).resolve(secret);
      // @ts-expect-error a text goes by this name
      await ctx.promise(clicked).resolve(1);
      // @ts-expect-error shared handlers do not write
      ctx.set('a', 1);
    },
    marked: createWorkflowSharedHandler({ output: Status }, async ctx => {
      expectTypeOf(ctx).toEqualTypeOf<WorkflowSharedContext>();
      return { status: 'ok' };
    }),
  },
});
const marked = workflow({
  name: 'Marked',
  handlers: {
    run: createWorkflowHandler({ input: Order }, async (ctx, order) => {
      expectTypeOf(ctx).toEqualTypeOf<WorkflowContext>();
      return order;
    }),
  },
});

async function steps(ctx: Context) {
  expectTypeOf(await ctx.objectClient(cart, 'k').add({ id: 'a', count: '1' })).toEqualTypeOf<string>();
  expectTypeOf(await ctx.objectClient(cart, 'k').read({ id: 'a', count: '1' })).toEqualTypeOf<string>();
  expectTypeOf(await ctx.serviceClient(quiet).one(1)).toEqualTypeOf<number>();
  expectTypeOf(await ctx.workflowClient(signup, 'k').run('a@b')).toEqualTypeOf<number>();
  expectTypeOf(await ctx.workflowClient(signup, 'k').marked()).toEqualTypeOf<Status>();
  expectTypeOf(await ctx.workflowClient(marked, 'k').run({ id: 'a', count: '1' })).toEqualTypeOf<Order>();
  ctx.invocation(ctx.request().id).signal(approved).resolve(true);
  // @ts-expect-error a boolean goes by this name
  ctx.invocation(ctx.request().id).signal(approved).resolve('yes');
  expectTypeOf(await ctx.signal<number>('any name')).toEqualTypeOf<number>();
  expectTypeOf(await ctx.run('x', () => 1)).toEqualTypeOf<number>();
  expectTypeOf(
    await ctx.run('x', async () => [1], { serde: serde.schema(z.array(z.number())) }),
  ).toEqualTypeOf<number[]>();
  const both = RestatePromise.all([ctx.run(() => 1), ctx.signal(approved).map(() => 'a')]);
  expectTypeOf(await both).toEqualTypeOf<[number, string]>();
  both.map((_value, failure) => expectTypeOf(failure).toEqualTypeOf<TerminalError | undefined>());
}

test('types are inferred', () => {
  expect([callers, wrongResults, steps].every(fn => typeof fn === 'function')).toBe(true);
});
