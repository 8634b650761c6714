/** Handlers written for the official SDK compile after a change of import. Checked by the type checker. */
import { expect, expectTypeOf, test } from 'vitest';
import * as restate from './index.ts';
import { CombineablePromise, type Context, RestatePromise, rpc, TerminalError } from './index.ts';

const greeter = restate.service({
  name: 'Greeter',
  handlers: {
    async greet(ctx: Context, name: string) {
      await ctx.sleep({ seconds: 1 }, 'pause');
      await ctx.sleep(10);
      // `this` is the handler map.
      const other: string = await this.shout(ctx, name);
      return `${name} ${other}`;
    },
    shout: async (_ctx: Context, name: string) => name.toUpperCase(),
    tick: async (_ctx: restate.Context) => {},
    annotated: restate.handlers.handler(
      { ingressPrivate: true },
      async (_ctx: Context, count: number) => count + 1,
    ),
    bare: restate.handlers.handler({ description: 'x' }, async _ctx => 'bare'),
    raw: restate.createServiceHandler(
      { input: restate.serde.binary, output: restate.serde.binary },
      async (_ctx: Context, bytes: Uint8Array) => bytes,
    ),
  },
});
type Greeter = typeof greeter;

interface Plain {
  add(ctx: Context, amount: number): Promise<number>;
}

async function clients(ctx: Context) {
  const client = ctx.serviceClient(greeter);
  expectTypeOf(client.greet('a')).toEqualTypeOf<restate.InvocationPromise<string>>();
  expectTypeOf(
    client.greet('a', rpc.opts({ idempotencyKey: 'k', headers: { a: 'b' } })).invocationId,
  ).toEqualTypeOf<Promise<restate.InvocationId>>();
  expectTypeOf(await client.tick()).toEqualTypeOf<void>();
  expectTypeOf(await client.annotated(1)).toEqualTypeOf<number>();
  expectTypeOf(await client.bare()).toEqualTypeOf<string>();
  // @ts-expect-error the input is a string
  client.greet(1);
  // @ts-expect-error there is no such handler
  client.missing();

  expectTypeOf(await ctx.serviceClient<Greeter>({ name: 'Greeter' }).shout('x')).toEqualTypeOf<string>();
  // @ts-expect-error the name is part of the type
  ctx.serviceClient<Greeter>({ name: 'Other' });
  expectTypeOf(await ctx.serviceClient<Plain>({ name: 'Plain' }).add(1)).toEqualTypeOf<number>();
  expectTypeOf(await ctx.objectClient<Plain>({ name: 'Plain' }, 'key').add(1)).toEqualTypeOf<number>();

  const handle = ctx.serviceSendClient(greeter).greet('a', rpc.sendOpts({ delay: { minutes: 1 } }));
  expectTypeOf(await handle.invocationId).toEqualTypeOf<restate.InvocationId>();
  ctx.serviceSendClient(greeter).tick(restate.SendOpts.from({ delay: 1 }));
  ctx.cancel(await handle.invocationId);
  expectTypeOf(await ctx.attach<number>(await handle.invocationId)).toEqualTypeOf<number>();

  expectTypeOf(
    await ctx.genericCall({ service: 's', method: 'm', parameter: new Uint8Array() }),
  ).toEqualTypeOf<Uint8Array>();
  const typed = ctx.genericCall<string, number>({
    service: 's',
    method: 'm',
    parameter: 'p',
    inputSerde: restate.serde.json,
    outputSerde: restate.serde.json,
  });
  expectTypeOf(await typed).toEqualTypeOf<number>();
  ctx.genericSend({ service: 's', method: 'm', parameter: new Uint8Array(), delay: 5 });
}

async function steps(ctx: Context) {
  expectTypeOf(await ctx.run(() => 1)).toEqualTypeOf<number>();
  expectTypeOf(await ctx.run('x', async () => 'a')).toEqualTypeOf<string>();
  expectTypeOf(
    await ctx.run('x', () => true, {
      maxRetryAttempts: 3,
      maxRetryDuration: { seconds: 1 },
    }),
  ).toEqualTypeOf<boolean>();
  const upperCase: restate.Serde<string> = {
    contentType: 'text/plain',
    serialize: value => new TextEncoder().encode(value),
    deserialize: data => new TextDecoder().decode(data),
  };
  const { id, promise } = ctx.awakeable<string>(upperCase);
  expectTypeOf(id).toEqualTypeOf<string>();
  expectTypeOf(await promise.orTimeout({ seconds: 1 })).toEqualTypeOf<string>();
  ctx.resolveAwakeable(id, 'v', upperCase);
  ctx.resolveAwakeable(id);
  ctx.rejectAwakeable(id, 'why');
  ctx.rejectAwakeable(id, new TerminalError('why', { errorCode: 400, metadata: { a: 'b' } }));
  expectTypeOf(ctx.rand.random()).toEqualTypeOf<number>();
  expectTypeOf(await ctx.date.now()).toEqualTypeOf<number>();
  expectTypeOf(await ctx.date.toJSON()).toEqualTypeOf<string>();
  ctx.console.log(ctx.request().id, ctx.request().headers.get('x'), ctx.rand.uuidv4());
}

async function combinators(ctx: Context) {
  const number = ctx.run('n', () => 1);
  const text = ctx.run('t', () => 'a');
  expectTypeOf(await RestatePromise.all([number, text])).toEqualTypeOf<[number, string]>();
  expectTypeOf(await RestatePromise.race([number, text])).toEqualTypeOf<number | string>();
  expectTypeOf(await CombineablePromise.any([number, text])).toEqualTypeOf<number | string>();
  expectTypeOf(await RestatePromise.allSettled([number])).toEqualTypeOf<[PromiseSettledResult<number>]>();
  expectTypeOf(await RestatePromise.resolve(5)).toEqualTypeOf<number>();
  expectTypeOf(await number.map((value, failure) => (failure ? failure.code : `${value}`))).toEqualTypeOf<
    number | string
  >();
  const many: restate.CombineablePromise<number>[] = [number];
  expectTypeOf(await RestatePromise.all(many)).toEqualTypeOf<number[]>();
  // @ts-expect-error a plain promise is not durable
  RestatePromise.all([Promise.resolve(1)]);
}

interface CartState {
  items: string[];
  total: number;
}

const cart = restate.object({
  name: 'Cart',
  handlers: {
    async add(ctx: restate.ObjectContext<CartState>, item: string) {
      const items = await ctx.get('items');
      expectTypeOf(items).toEqualTypeOf<string[] | null>();
      ctx.set('items', [...(items ?? []), item]);
      // @ts-expect-error a number
      ctx.set('total', 'much');
      // @ts-expect-error no such state
      ctx.clear('price');
      ctx.clear('total');
      expectTypeOf(await ctx.stateKeys()).toEqualTypeOf<string[]>();
      expectTypeOf(ctx.key).toEqualTypeOf<string>();
      return this.count(ctx);
    },
    count: restate.handlers.object.shared(
      async (ctx: restate.ObjectSharedContext<CartState>) => (await ctx.get('items'))?.length ?? 0,
    ),
    untyped: async (ctx: restate.ObjectContext) => {
      const value = await ctx.get<number>('any', restate.serde.json);
      expectTypeOf(value).toEqualTypeOf<number | null>();
      ctx.set('any', (value ?? 0) + 1);
      ctx.set<string>('other', 'text');
      ctx.clearAll();
    },
    exclusive: restate.handlers.object.exclusive(
      { enableLazyState: true, input: restate.serde.binary },
      async (_ctx: restate.ObjectContext, bytes: Uint8Array) => bytes.length,
    ),
    bare: restate.createObjectHandler(async ctx => ctx.key),
    bareShared: restate.createObjectSharedHandler(async ctx => {
      // @ts-expect-error shared handlers do not write
      ctx.set('a', 1);
      return ctx.get<string>('a');
    }),
  },
  options: { enableLazyState: false, explicitCancellation: true },
});

const signup = restate.workflow({
  name: 'Signup',
  handlers: {
    run: async (ctx: restate.WorkflowContext<CartState>, email: string) => {
      ctx.set('total', 1);
      const promise = ctx.promise<string>('clicked');
      expectTypeOf(promise).toEqualTypeOf<restate.DurablePromise<string>>();
      expectTypeOf(await promise).toEqualTypeOf<string>();
      expectTypeOf(await RestatePromise.race([promise.get(), ctx.sleep(5)])).toExtend<unknown>();
      return email.length;
    },
    click: async (ctx: restate.WorkflowSharedContext, secret: string) => {
      expectTypeOf(await ctx.promise<string>('clicked').peek()).toEqualTypeOf<string | undefined>();
      await ctx.promise<string>('clicked', restate.serde.json).resolve(secret);
      await ctx.promise('clicked').reject('too late');
    },
    status: restate.createWorkflowSharedHandler({ ingressPrivate: true }, async ctx => ctx.get('total')),
  },
  options: { workflowRetention: { days: 3 } },
});
type Signup = typeof signup;

async function keyed(ctx: restate.ObjectContext<CartState>) {
  expectTypeOf(await ctx.objectClient(cart, 'k').add('apple')).toEqualTypeOf<number>();
  expectTypeOf(await ctx.objectClient(cart, 'k').count()).toEqualTypeOf<number>();
  expectTypeOf(await ctx.objectClient<typeof cart>({ name: 'Cart' }, 'k').bare()).toEqualTypeOf<string>();
  // @ts-expect-error the input is a string
  ctx.objectClient(cart, 'k').add(1);
  ctx.objectSendClient(cart, 'k').exclusive(new Uint8Array(), rpc.sendOpts({ delay: 5 }));
  expectTypeOf(await ctx.workflowClient<Signup>({ name: 'Signup' }, 'k').run('a@b')).toEqualTypeOf<number>();
  const submitted = ctx.workflowSendClient(signup, 'k').run('a@b');
  const id = await submitted.invocationId;

  expectTypeOf(await ctx.signal<boolean>('approved')).toEqualTypeOf<boolean>();
  const other: restate.InvocationReference = ctx.invocation(id);
  const approved: restate.SignalReference<boolean> = other.signal<boolean>('approved');
  approved.resolve(true);
  approved.reject(new TerminalError('no'));
  other.signal('approved', restate.serde.json).reject('no');
  other.cancel();
  expectTypeOf(await other.attach<number>()).toEqualTypeOf<number>();
  expectTypeOf(ctx.request().scope).toEqualTypeOf<string | undefined>();

  const watching = ctx as unknown as restate.internal.ContextInternal;
  const result = await RestatePromise.race([
    ctx.run(() => 'done'),
    watching.cancellation().map(() => {
      throw new TerminalError('Cancelled');
    }),
  ]);
  expectTypeOf(result).toEqualTypeOf<string>();
  expectTypeOf(await watching.cancelPreviousCalls()).toEqualTypeOf<restate.InvocationId[]>();
  // State can be combined and mapped here, which the official types do not allow.
  expectTypeOf(
    await RestatePromise.all([ctx.get('total').map(total => total ?? 0), ctx.stateKeys()]),
  ).toEqualTypeOf<[number, string[]]>();
}

function wrongWorkflows() {
  // @ts-expect-error a workflow has a handler named run
  restate.workflow({ name: 'W', handlers: { other: async (_ctx: restate.WorkflowSharedContext) => {} } });
  restate.workflow({
    name: 'W',
    handlers: {
      run: async (_ctx: restate.WorkflowContext) => {},
      // @ts-expect-error only run writes
      other: async (_ctx: restate.WorkflowContext) => {},
    },
  });
  restate.workflow({
    name: 'W',
    handlers: {
      run: async (_ctx: restate.WorkflowContext) => {},
      // @ts-expect-error clients have one themselves
      workflowSubmit: async (_ctx: restate.WorkflowSharedContext) => {},
    },
  });
}

function endpoints(logger: restate.LoggerTransport) {
  const defaultServiceOptions: restate.DefaultServiceOptions = {
    workflowRetention: 1,
    enableLazyState: true,
  };
  restate.createEndpointHandler({ services: [greeter, cart, signup], defaultServiceOptions, logger });
  return restate
    .endpoint()
    .bind(cart)
    .bind(signup)
    .defaultServiceOptions(defaultServiceOptions)
    .setLogger((meta, message, ...rest) => {
      console.log(`${meta.level}: ${meta.context?.invocationId}`, message, ...rest);
    })
    .handler();
}

/** Options built up step by step, and errors looked into as in the official documentation. */
function options(attempts: number | undefined) {
  const run: restate.RunOptions<string> = {};
  if (attempts !== undefined) run.maxRetryAttempts = attempts;
  const delay: restate.Duration = {};
  delay.seconds = 5;
  const send: restate.ClientSendOptions<string> = { delay };
  send.idempotencyKey = 'k';
  const ofHandler: restate.ServiceHandlerOpts<string, void> = {};
  ofHandler.retryPolicy = { maxAttempts: 3 };
  const ofService: restate.ServiceOptions = {
    asTerminalError: err => {
      return err.status === 404 ? new TerminalError(err.message, { errorCode: 400 }) : undefined;
    },
  };
  ofService.inactivityTimeout = delay;
  return { run, send, ofHandler, ofService };
}

test('official-style code compiles, and both ways of building an endpoint work', () => {
  expect(
    [clients, steps, combinators, keyed, wrongWorkflows, endpoints, options].every(
      fn => typeof fn === 'function',
    ),
  ).toBe(true);
  expect(restate.createEndpointHandler({ services: [greeter] })).toBeTypeOf('function');
  expect(restate.lambda.createEndpointHandler({ services: [greeter] })).toBeTypeOf('function');
  expect(restate.endpoint().bind(greeter).handler()).toBeTypeOf('function');
  // @ts-expect-error a handler takes a context first
  restate.service({ name: 'Bad', handlers: { wrong: async (count: number) => count } });
});
