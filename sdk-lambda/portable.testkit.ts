/**
 * Handlers as they are written for the Restate SDK, with every feature that `@holdfast/sdk-lambda` has too. The type checker
 * reads this against the official SDK with the rest of the repository, and against ours in `surface.test.ts`, which also
 * compares what the two make of it.
 */
import * as restate from '@restatedev/restate-sdk/lambda';
import {
  CombineablePromise,
  type Context,
  RestatePromise,
  rpc,
  TerminalError,
} from '@restatedev/restate-sdk/lambda';
import * as z from 'zod';

const Purchase = z.object({ sku: z.string(), quantity: z.number() });
const upperCase: restate.Serde<string> = {
  contentType: 'text/plain',
  jsonSchema: { type: 'string' },
  serialize: value => new TextEncoder().encode(value.toUpperCase()),
  deserialize: data => new TextDecoder().decode(data),
};
const previewed: restate.Serde<string> = {
  ...upperCase,
  preview: { toJsonString: value => JSON.stringify(value), fromJsonString: text => JSON.parse(text) },
};

// The casts: under exactOptionalPropertyTypes the official JsonSerde is no Serde.
const json = <T>() => restate.serde.json as restate.Serde<T>;
const described = new restate.serde.JsonSerde<{ a: number }>({ type: 'object' }) as restate.Serde<{
  a: number;
}>;

class Refused extends Error {}
const retryPolicy: restate.RetryPolicy = {
  maxAttempts: 10,
  onMaxAttempts: 'kill',
  initialInterval: 100,
  maxInterval: { minutes: 1 },
  exponentiationFactor: 2,
};
const traced: restate.HooksProvider = ({ request }): restate.Hooks => {
  const interceptor: restate.Interceptor = {
    handler: async next => {
      try {
        await next();
      } catch (error) {
        if (!restate.internal.isSuspendedError(error)) console.log(request.id, error);
        throw error;
      }
    },
    run: async (name, next) => {
      await next();
      console.log(name);
    },
  };
  return { interceptor };
};
const codec: restate.JournalValueCodec = {
  encode: value => value,
  decode: async value => value,
};
const serviceOptions: restate.ServiceOptions = {
  hooks: [traced],
  idempotencyRetention: { hours: 1 },
  journalRetention: { days: 1 },
  inactivityTimeout: { minutes: 1 },
  abortTimeout: { seconds: 30 },
  ingressPrivate: false,
  retryPolicy,
  asTerminalError: error => (error instanceof Refused ? new TerminalError('refused') : undefined),
  serde: json(),
  explicitCancellation: false,
  onJournalMismatchErrors: 'pause',
};

const shop = restate.service({
  name: 'Shop',
  description: 'sells',
  metadata: { team: 'a' },
  handlers: {
    async order(ctx: Context, sku: string) {
      const price: number = await this.price(ctx, sku);
      const charged = await ctx.run('charge', async () => `charged ${price}`, {
        serde: json(),
        maxRetryAttempts: 5,
        maxRetryDuration: { minutes: 1 },
        initialRetryInterval: 10,
        maxRetryInterval: { seconds: 5 },
        retryIntervalFactor: 3,
      });
      await ctx.sleep({ milliseconds: 5 }, 'pause');
      await ctx.sleep(5);
      return charged.length;
    },
    price: async (_ctx: Context, sku: string) => sku.length,
    nothing: async (_ctx: Context) => {},
    optional: async (_ctx: Context, name?: string) => name ?? 'nobody',
    bytes: restate.handlers.handler(
      {
        accept: 'application/*',
        input: restate.serde.binary,
        output: restate.serde.binary,
        setOutputContentTypeIfEmpty: true,
        description: 'echoes',
        metadata: { kind: 'echo' },
        retryPolicy: { maxAttempts: 3 },
      },
      async (_ctx: Context, body: Uint8Array) => body,
    ),
    schema: restate.createServiceHandler(
      { input: restate.serde.schema(Purchase), output: restate.serde.schema(z.string(), {}, {}) },
      async (_ctx, { sku, quantity }) => sku.repeat(quantity),
    ),
    described: restate.createServiceHandler(
      { input: described, output: restate.serde.empty },
      async (_ctx, { a }) => {
        if (a === 0) throw new TerminalError('zero', { errorCode: 400, metadata: { a: 'zero' } });
        if (a === 1) throw new restate.RetryableError('one', { retryAfter: { seconds: 1 } });
        if (a === 2) throw restate.RetryableError.from(new Refused('two'), { retryAfter: 5 });
        if (a === 3) throw restate.PauseError.from(new Refused('three'));
      },
    ),
    upper: restate.createServiceHandler({ input: upperCase, output: upperCase }, async (_ctx, text) => text),
  },
  options: serviceOptions,
});
type Shop = typeof shop;

interface Remote {
  add(ctx: Context, amount: number): Promise<number>;
}

async function clients(ctx: Context): Promise<number> {
  const shopClient = ctx.serviceClient(shop);
  const call: restate.InvocationPromise<number> = shopClient.order(
    'a',
    rpc.opts({
      input: json(),
      output: json(),
      idempotencyKey: 'k',
      headers: { a: 'b' },
      name: 'an order',
    }),
  );
  const id: restate.InvocationId = await call.invocationId;
  await shopClient.nothing();
  await shopClient.optional();
  const sent: restate.InvocationHandle = ctx
    .serviceSendClient<Shop>({ name: 'Shop' })
    .price('a', rpc.sendOpts({ delay: { seconds: 1 }, idempotencyKey: 'k', headers: {}, name: 'later' }));
  ctx.serviceSendClient(shop).nothing(restate.SendOpts.from({ delay: 5 }));
  await ctx.serviceClient(shop).price('b', restate.Opts.from<string, number>({ name: 'b' }));
  ctx.cancel(await sent.invocationId);
  const attached: number = await ctx.attach<number>(id);
  const remote: number = await ctx.objectClient<Remote>({ name: 'Remote' }, 'key').add(1);
  ctx.objectSendClient<Remote>({ name: 'Remote' }, 'key').add(1);
  const scoped: restate.ScopedContext = ctx.scope('tenant');
  await scoped.serviceClient(shop).price('a', rpc.opts({ limitKey: 'l' }));
  scoped.workflowSendClient(signup, 'k').run('a@b', rpc.sendOpts({ limitKey: 'l' }));
  const raw: Uint8Array = await ctx.genericCall({ service: 'S', method: 'm', parameter: new Uint8Array() });
  const typed: number = await ctx.genericCall<string, number>({
    service: 'S',
    method: 'm',
    key: 'k',
    parameter: 'p',
    headers: {},
    inputSerde: json(),
    outputSerde: json(),
    idempotencyKey: 'i',
    scope: 's',
    limitKey: 'l',
    name: 'n',
  });
  ctx.genericSend<string>({
    service: 'S',
    method: 'm',
    parameter: 'p',
    inputSerde: json(),
    delay: { minutes: 1 },
  });
  return attached + remote + raw.length + typed + restate.InvocationIdParser.fromString('inv_1').length;
}

async function waiting(ctx: Context): Promise<unknown> {
  const { id, promise } = ctx.awakeable<string>(previewed);
  ctx.resolveAwakeable(id, 'v', upperCase);
  ctx.resolveAwakeable(id);
  ctx.rejectAwakeable(id, 'why');
  ctx.rejectAwakeable(id, new TerminalError('why'));
  const number: restate.RestatePromise<number> = ctx.run(() => 1);
  const text = ctx.run('t', () => 'a');
  const both: [number, string] = await RestatePromise.all([number, text]);
  const first: number | string = await RestatePromise.race([number, text]);
  const any: number | string = await CombineablePromise.any([number, text]);
  const [settled] = await RestatePromise.allSettled([number]);
  const value: number = settled.status === 'fulfilled' ? settled.value : await RestatePromise.resolve(5);
  const mapped: string = await promise.map((some, failure) => (failure ? `${failure.code}` : (some ?? '')));
  const list: restate.CombineablePromise<number>[] = [number, RestatePromise.reject(new TerminalError('no'))];
  try {
    await RestatePromise.all(list).orTimeout({ seconds: 1 });
  } catch (error) {
    if (error instanceof restate.TimeoutError || error instanceof restate.CancelledError) return error.code;
    if (error instanceof restate.RestateError && restate.isRestatePromise(number)) return error.message;
  }
  const signal: boolean = await ctx.signal<boolean>('approved', json()).orTimeout(5);
  const other: restate.InvocationReference = ctx.invocation(ctx.request().id);
  const approved: restate.SignalReference<boolean> = other.signal<boolean>('approved');
  approved.resolve(true);
  approved.reject('no');
  other.cancel();
  return [both, first, any, value, mapped, signal, await other.attach<string>(json())];
}

async function environment(ctx: Context): Promise<unknown> {
  const request: restate.Request = ctx.request();
  const { id, target, headers, attemptHeaders, body, extraArgs, idempotencyKey, scope, limitKey } = request;
  const at: restate.Target = target;
  request.attemptCompletedSignal.addEventListener('abort', () => {});
  const random: restate.Rand = ctx.rand;
  const date: restate.ContextDate = ctx.date;
  const now: number = await date.now();
  const text: string = await date.toJSON();
  ctx.console.log(id, `${at}`, at.service, at.handler, at.key, headers.get('x'), attemptHeaders.size);
  return [
    body.length,
    extraArgs[0],
    idempotencyKey,
    scope,
    limitKey,
    random.random(),
    random.uuidv4(),
    now,
    text,
  ];
}

interface CartState {
  items: string[];
  total: number;
}

const cart = restate.object({
  name: 'Cart',
  handlers: {
    async add(ctx: restate.ObjectContext<CartState>, item: string) {
      const items: string[] | null = await ctx.get('items');
      ctx.set('items', [...(items ?? []), item]);
      ctx.clear('total');
      return this.count(ctx);
    },
    count: restate.handlers.object.shared(
      async (ctx: restate.ObjectSharedContext<CartState>) => (await ctx.get('items'))?.length ?? 0,
    ),
    untyped: async (ctx: restate.ObjectContext, name: string) => {
      const value: number | null = await ctx.get<number>(name, json());
      ctx.set<number>(name, (value ?? 0) + 1, json());
      ctx.clearAll();
      const keys: string[] = await ctx.stateKeys();
      return `${ctx.key}${keys}`;
    },
    exclusive: restate.handlers.object.exclusive(
      { enableLazyState: true, input: restate.serde.binary },
      async (_ctx: restate.ObjectContext, bytes: Uint8Array) => bytes.length,
    ),
    bare: restate.createObjectHandler(async ctx => ctx.key),
    bareShared: restate.createObjectSharedHandler({ ingressPrivate: true }, async ctx =>
      ctx.get<string>('a'),
    ),
  },
  options: { ...serviceOptions, enableLazyState: false },
});

const signup = restate.workflow({
  name: 'Signup',
  handlers: {
    run: async (ctx: restate.WorkflowContext<CartState>, email: string) => {
      ctx.set('total', 1);
      const clicked: restate.DurablePromise<string> = ctx.promise<string>('clicked');
      const either = await RestatePromise.race([clicked.get(), ctx.sleep(5)]);
      return `${email} ${await clicked} ${either}`;
    },
    click: async (ctx: restate.WorkflowSharedContext, secret: string) => {
      const known: string | undefined = await ctx.promise<string>('clicked').peek();
      if (known !== undefined) await ctx.promise('clicked').reject('too late');
      await ctx.promise<string>('clicked', json()).resolve(secret);
    },
    status: restate.createWorkflowSharedHandler({ ingressPrivate: true }, async ctx =>
      ctx.get<number>('total'),
    ),
    marked: restate.handlers.workflow.shared(async (ctx: restate.WorkflowSharedContext) => ctx.stateKeys()),
  },
  options: { workflowRetention: { days: 3 }, enableLazyState: true },
});
const other = restate.workflow({
  name: 'Other',
  handlers: {
    run: restate.handlers.workflow.workflow({ description: 'runs' }, async (ctx: restate.WorkflowContext) => {
      const total: number | null = await ctx.workflowClient(signup, 'k').status();
      const count: number = await ctx.objectClient(cart, 'k').add('apple');
      ctx.objectSendClient(cart, 'k').exclusive(new Uint8Array(), rpc.sendOpts({ delay: 5 }));
      return (total ?? 0) + count;
    }),
  },
});
const more = restate.workflow({
  name: 'More',
  handlers: { run: restate.createWorkflowHandler(async (ctx: restate.WorkflowContext) => ctx.key) },
});

const watcher = restate.service({
  name: 'Watcher',
  handlers: {
    clients,
    waiting,
    environment,
    watch: async (ctx: Context) => {
      const watching = ctx as restate.internal.ContextInternal;
      if (watching.isProcessing()) ctx.console.info('new');
      await RestatePromise.race([ctx.run(() => 'done'), watching.cancellation().map(() => 'cancelled')]);
      const ids: restate.InvocationId[] = await watching.cancelPreviousCalls();
      return ids.length;
    },
  },
  options: { explicitCancellation: true, asTerminalError: () => undefined },
});

const logger: restate.LoggerTransport = (metadata, message, ...rest) => {
  if (!metadata.replaying)
    console.log(metadata.level, metadata.source, metadata.context?.invocationId, message, rest);
};
const defaultServiceOptions: restate.DefaultServiceOptions = {
  workflowRetention: { days: 2 },
  enableLazyState: true,
};

export const handler = restate.createEndpointHandler({
  services: [shop, cart, signup, other, more, watcher],
  defaultServiceOptions,
  logger,
  journalValueCodecProvider: async () => codec,
});
export const built = restate
  .endpoint()
  .bind(shop)
  .bind(cart)
  .bind(signup)
  .bind(other)
  .bind(more)
  .bind(watcher)
  .defaultServiceOptions(defaultServiceOptions)
  .setLogger(logger)
  .journalValueCodecProvider(async () => codec)
  .handler();
