/** Virtual objects: a counter, which comes with eager and with lazy state, and a list. */
import type { Notes } from '../notes.ts';
import type { Context, Names, ObjectContext, ObjectSharedContext, Sdk } from '../sdk.ts';
import type { Callees } from './calls.ts';

export interface Change {
  readonly old: number;
  readonly new: number;
}

/** What an exclusive handler waits for while it holds its key. */
export type Waits = 'sleep' | 'call' | 'awakeable';

/** What other handlers call of the counter. */
export interface Counter {
  add(ctx: ObjectContext, n: number): Promise<Change>;
  get(ctx: ObjectSharedContext): Promise<number>;
  hold(ctx: ObjectContext, on: Waits): Promise<unknown>;
  callAndHold(ctx: ObjectContext, below: readonly string[]): Promise<unknown>;
}

/** What other handlers call of the list. */
export interface List {
  append(ctx: ObjectContext, value: number): Promise<void>;
  values(ctx: ObjectContext): Promise<number[]>;
}

export interface ObjectHandlers {
  readonly exclusive: Readonly<Record<string, (ctx: ObjectContext, input: never) => Promise<unknown>>>;
  readonly shared: Readonly<Record<string, (ctx: ObjectSharedContext, input: never) => Promise<unknown>>>;
}

const LONG_MS = 600_000;

/** Waits in real time, without suspending, until the test lets it go. */
export async function busyWait(ctx: Context, notes: Notes): Promise<void> {
  const { id } = ctx.request();
  notes.mark(id, 'busy');
  while (notes.read(id, 'release') === undefined) await new Promise(done => setTimeout(done, 10));
}

export function waitFor(ctx: Context, on: Waits, notes: Notes, names: Names): Promise<unknown> {
  if (on === 'sleep') return ctx.sleep(LONG_MS);
  if (on === 'call') return ctx.serviceClient<Callees>({ name: names.own }).sleeper(LONG_MS);
  const { id, promise } = ctx.awakeable<unknown>();
  notes.write(ctx.request().id, 'awakeable', id);
  return promise;
}

export const counter = (sdk: Sdk, notes: Notes, names: Names, own: string): ObjectHandlers => {
  const count = async (ctx: ObjectSharedContext): Promise<number> => (await ctx.get<number>('count')) ?? 0;
  const add = async (ctx: ObjectContext, n: number): Promise<Change> => {
    const old = await count(ctx);
    ctx.set('count', old + n);
    return { old, new: old + n };
  };
  return {
    exclusive: {
      add,

      /** Reads before and after it was suspended. */
      addSlowly: async (ctx: ObjectContext, { n, ms }: { n: number; ms: number }): Promise<Change> => {
        const old = await count(ctx);
        await ctx.sleep(ms);
        ctx.set('count', (await count(ctx)) + n);
        return { old, new: await count(ctx) };
      },

      addAndFail: async (ctx: ObjectContext, n: number): Promise<never> => {
        await add(ctx, n);
        throw new sdk.TerminalError('added, and failed', { errorCode: 422 });
      },

      addFlaky: async (ctx: ObjectContext, n: number): Promise<Change> => {
        const change = await add(ctx, n);
        if (notes.mark(ctx.request().id, 'try') < 3) throw new Error('not yet');
        return change;
      },

      /** What it reads is what it has written. */
      fill: async (ctx: ObjectContext, values: Record<string, unknown>): Promise<unknown> => {
        for (const [name, value] of Object.entries(values)) ctx.set(name, value);
        return { keys: (await ctx.stateKeys()).toSorted(), count: await ctx.get('count') };
      },

      clear: async (ctx: ObjectContext, name: string): Promise<unknown> => {
        ctx.clear(name);
        return { value: await ctx.get(name), keys: (await ctx.stateKeys()).toSorted() };
      },

      clearAll: async (ctx: ObjectContext): Promise<unknown> => {
        const keys = (await ctx.stateKeys()).toSorted();
        ctx.clearAll();
        return { keys, left: await ctx.stateKeys(), count: await ctx.get('count') };
      },

      store: async (ctx: ObjectContext, value: Uint8Array): Promise<Uint8Array> => {
        ctx.set('bytes', value, sdk.serde.binary);
        return Uint8Array.of();
      },

      hold: async (ctx: ObjectContext, on: Waits): Promise<unknown> => waitFor(ctx, on, notes, names),

      /** Holds its key while it calls the first of these keys, which does the same with the rest. */
      callAndHold: async (ctx: ObjectContext, below: readonly string[]): Promise<unknown> => {
        const [next, ...rest] = below;
        if (next === undefined) return ctx.sleep(LONG_MS);
        return ctx.objectClient<Counter>({ name: own }, next).callAndHold(rest);
      },

      busy: async (ctx: ObjectContext): Promise<Change> => {
        const change = await add(ctx, 1);
        await busyWait(ctx, notes);
        return change;
      },
    },
    shared: {
      get: count,
      keys: async (ctx: ObjectSharedContext): Promise<unknown> => (await ctx.stateKeys()).toSorted(),
      read: async (ctx: ObjectSharedContext, name: string): Promise<unknown> => ctx.get(name),
      load: async (ctx: ObjectSharedContext): Promise<Uint8Array> =>
        (await ctx.get<Uint8Array>('bytes', sdk.serde.binary)) ?? Uint8Array.of(),
      key: async (ctx: ObjectSharedContext): Promise<unknown> => [ctx.key, ctx.request().target.toString()],
    },
  };
};

export const list = (): ObjectHandlers => {
  const values = async (ctx: ObjectContext): Promise<number[]> => (await ctx.get<number[]>('values')) ?? [];
  return {
    exclusive: {
      append: async (ctx: ObjectContext, value: number): Promise<void> =>
        ctx.set('values', [...(await values(ctx)), value]),
      values,
    },
    shared: {},
  };
};
