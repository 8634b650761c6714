/** Plain handlers that use objects and workflows, and signals between handlers. */
import type { Notes } from '../notes.ts';
import type { Context, InvocationId, Names, RestatePromise, Sdk } from '../sdk.ts';
import { busyWait, type Counter, type List, type Waits } from './objects.ts';
import { shown } from './steps.ts';
import type { Flow } from './workflows.ts';

export interface SignalInput {
  readonly id: string;
  readonly name: string;
  readonly value: unknown;
}

const LONG_MS = 600_000;

/** The failure as a value, so that a handler may return it. */
const settled = (promise: RestatePromise<unknown>): RestatePromise<unknown> =>
  promise.map((value, failure) => (failure === undefined ? value : shown(failure)));

export const proxies = (sdk: Sdk, notes: Notes, names: Names) => {
  const counter = (ctx: Context, key: string) =>
    ctx.objectClient<Counter>({ name: `${names.own}Counter` }, key);
  const counterSend = (ctx: Context, key: string) =>
    ctx.objectSendClient<Counter>({ name: `${names.own}Counter` }, key);

  return {
    oneWayAdds: async (ctx: Context, key: string): Promise<void> => {
      for (let i = 0; i < 3; i++) counterSend(ctx, key).add(1);
    },

    /** Appends 0, 1, 2 in this order, one way or the other; what was appended. */
    ordered: async (
      ctx: Context,
      { key, how }: { key: string; how: ('call' | 'send')[] },
    ): Promise<unknown> => {
      const definition = { name: `${names.own}List` };
      const calls: RestatePromise<unknown>[] = [];
      for (const [i, one] of how.entries()) {
        if (one === 'send') ctx.objectSendClient<List>(definition, key).append(i);
        else calls.push(ctx.objectClient<List>(definition, key).append(i));
      }
      await sdk.RestatePromise.all(calls);
      return ctx.objectClient<List>(definition, key).values();
    },

    delayedAdds: async (
      ctx: Context,
      input: { key: string; count: number; ms: number },
    ): Promise<unknown> => {
      const options = sdk.rpc.sendOpts<number>({ delay: input.ms });
      const sent = Array.from({ length: input.count }, () => counterSend(ctx, input.key).add(1, options));
      return Promise.all(sent.map(handle => handle.invocationId));
    },

    addTwiceWithKey: async (ctx: Context, key: string): Promise<unknown> => {
      const options = sdk.rpc.opts<number, { old: number; new: number }>({ idempotencyKey: key });
      const [first, second] = [counter(ctx, key).add(1, options), counter(ctx, key).add(1, options)];
      const results = await sdk.RestatePromise.all([first, second]);
      const sent = counterSend(ctx, key).add(1, sdk.rpc.sendOpts<number>({ idempotencyKey: key }));
      const ids = [await first.invocationId, await second.invocationId, await sent.invocationId];
      return { results, ids: new Set(ids).size };
    },

    genericAdd: async (ctx: Context, key: string): Promise<unknown> => {
      const target = { service: `${names.own}Counter`, key, inputSerde: sdk.serde.json as never };
      const sent = ctx.genericSend<unknown>({ ...target, method: 'add', parameter: 2 });
      await ctx.attach(await sent.invocationId);
      const outputSerde = sdk.serde.json as never;
      return ctx.genericCall<unknown, unknown>({ ...target, method: 'add', parameter: 3, outputSerde });
    },

    /** Calls an exclusive handler, which waits. */
    callHolder: async (ctx: Context, { key, on }: { key: string; on: Waits }): Promise<unknown> =>
      counter(ctx, key).hold(on),

    /** A chain of calls through these keys, and one sent to another. */
    tree: async (ctx: Context, { calls, sends }: { calls: string[]; sends: string }): Promise<unknown> => {
      counterSend(ctx, sends).callAndHold([]);
      const [first, ...rest] = calls;
      return counter(ctx, first ?? '').callAndHold(rest);
    },

    cancelThat: async (ctx: Context, id: string): Promise<void> =>
      ctx.invocation(id as InvocationId).cancel(),

    /** The result of another invocation, or why there is none. */
    attachTo: async (ctx: Context, id: string): Promise<unknown> =>
      settled(ctx.invocation(id as InvocationId).attach<unknown>()),

    runFlow: async (ctx: Context, key: string): Promise<unknown> =>
      settled(ctx.workflowClient<Flow>({ name: `${names.own}Flow` }, key).run('from a handler')),

    submitFlow: async (ctx: Context, key: string): Promise<unknown> => {
      const client = ctx.workflowSendClient<Flow>({ name: `${names.own}Flow` }, key);
      const first = await client.run('submitted').invocationId;
      const second = await client.run('again').invocationId;
      ctx.workflowSendClient<Flow>({ name: `${names.own}Flow` }, key).approve('by the same handler');
      return { sameId: first === second, result: await ctx.attach<unknown>(first) };
    },

    awaitSignal: async (ctx: Context, name: string): Promise<unknown> => settled(ctx.signal<unknown>(name)),

    /** Two by the same name are taken in the order in which they came. */
    awaitTwoSignals: async (ctx: Context, name: string): Promise<unknown> => [
      await settled(ctx.signal<unknown>(name)),
      await settled(ctx.signal<unknown>(name)),
    ],

    /** Busy with something else when its signal comes. */
    awaitSignalLate: async (ctx: Context, name: string): Promise<unknown> => {
      const gate = ctx.awakeable<unknown>();
      notes.write(ctx.request().id, 'gate', gate.id);
      await gate.promise;
      return settled(ctx.signal<unknown>(name));
    },

    resolveSignal: async (ctx: Context, { id, name, value }: SignalInput): Promise<void> =>
      ctx
        .invocation(id as InvocationId)
        .signal<unknown>(name)
        .resolve(value),
    rejectSignal: async (ctx: Context, { id, name, value }: SignalInput): Promise<void> =>
      ctx
        .invocation(id as InvocationId)
        .signal<unknown>(name)
        .reject(String(value)),

    /** One promise in two races; its mapper counts how often it is called. */
    sharedPromise: async (ctx: Context, name: string): Promise<unknown> => {
      let mapped = 0;
      const promise = ctx.signal<unknown>(name).map(value => {
        mapped++;
        return value;
      });
      const never = ctx.sleep(LONG_MS).map(() => 'never');
      const first = await sdk.RestatePromise.race([promise, never]);
      const second = await sdk.RestatePromise.race([never, promise]);
      return { first, second, again: await promise, mapped };
    },

    /** Two steps with something drawn before each. */
    drawn: async (ctx: Context, ms: number): Promise<unknown> => {
      const { id } = ctx.request();
      const before = ctx.rand.uuidv4();
      const first = await ctx.run('first', () => {
        notes.mark(id, 'first');
        return `first of ${id}`;
      });
      await ctx.sleep(ms);
      const second = await ctx.run('second', () => {
        notes.mark(id, 'second');
        return `second of ${id}`;
      });
      return { first, second, drawn: [before, ctx.rand.uuidv4()] };
    },

    /** Its first attempt lasts until the test lets it go, and leaves something for another one to do. */
    busyFirst: async (ctx: Context): Promise<unknown> => {
      await busyWait(ctx, notes);
      return ctx.run('after', () => 'done');
    },

    busyAwakeable: async (ctx: Context): Promise<unknown> => {
      const { id, promise } = ctx.awakeable<unknown>();
      notes.write(ctx.request().id, 'awakeable', id);
      await busyWait(ctx, notes);
      return promise;
    },
  };
};
