/** What is about a transport or a version of the protocol: timeouts of streams, ways to stop, scopes. */
import { countedAll } from '../counted.ts';
import { functionNotes, type Notes } from '../notes.ts';
import type { Context, Names, Sdk } from '../sdk.ts';
import { busyWait } from './objects.ts';

/** Of a service whose timeouts are short. */
export const brief = (notes: Notes) => ({
  nap: async (ctx: Context, ms: number): Promise<string> => {
    const slept = await ctx.run('before', () => 'slept');
    await ctx.sleep(ms);
    return slept;
  },
  /** Says nothing, and does not suspend either, at its first attempt. */
  stuck: async (ctx: Context): Promise<string> => {
    const attempt = notes.count(ctx.request().id, 'attempt');
    if (attempt === 1) await busyWait(ctx, notes);
    return `attempt ${attempt}`;
  },
});

/** Handlers that end an attempt in a way of their own. */
export const stopping = (sdk: Sdk, notes: Notes) => ({
  /** Takes another way at its second attempt. */
  erratic: async (ctx: Context): Promise<string> => {
    if (notes.count(ctx.request().id, 'attempt') === 2) return ctx.run('other way', () => 'wrong');
    await ctx.sleep(10);
    return 'right';
  },
  pausesItself: async (ctx: Context): Promise<string> =>
    ctx.run('first', () => {
      if (notes.mark(ctx.request().id, 'try') === 1) throw new sdk.PauseError('look at this');
      return 'resumed';
    }),
});

export interface Seen {
  readonly scope?: string;
  readonly limitKey?: string;
  readonly idempotencyKey?: string;
}

interface ScopedService {
  seen(ctx: Context): Promise<Seen>;
}

export const scoped = (sdk: Sdk, names: Names) => {
  const definition = { name: `${names.own}Scoped` };
  return {
    seen: async (ctx: Context): Promise<Seen> => {
      const { scope, limitKey, idempotencyKey } = ctx.request();
      return {
        ...(scope === undefined ? {} : { scope }),
        ...(limitKey === undefined ? {} : { limitKey }),
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      };
    },
    callInScope: async (ctx: Context, { scope, limitKey, key }: Record<string, string>): Promise<unknown> => {
      const options = {
        ...(limitKey === undefined ? {} : { limitKey }),
        ...(key === undefined ? {} : { idempotencyKey: key }),
      };
      const client = ctx.scope(scope ?? '').serviceClient<ScopedService>(definition);
      return client.seen(sdk.rpc.opts<void, Seen>(options));
    },
    sendInScope: async (ctx: Context, { scope, key }: Record<string, string>): Promise<unknown> => {
      const client = ctx.scope(scope ?? '').serviceSendClient<ScopedService>(definition);
      const sent = client.seen(sdk.rpc.sendOpts<void>(key === undefined ? {} : { idempotencyKey: key }));
      return ctx.attach<Seen>(await sent.invocationId);
    },
  };
};

/** Of a server that is killed and started again. */
export const mortal = (_sdk: Sdk) => {
  const notes = functionNotes();
  return countedAll(
    notes,
    {
      waits: async (ctx: Context): Promise<unknown> => {
        const step = await ctx.run('step', () => notes.mark(ctx.request().id, 'step'));
        const { id, promise } = ctx.awakeable();
        notes.write(ctx.request().id, 'awakeable', id);
        return { step, value: await promise };
      },
    },
    fn => fn,
  );
};
