/** Calls and sends between handlers. */
import type { Notes } from '../notes.ts';
import { type Context, type Names, privateServiceOf, type Sdk, type Serde } from '../sdk.ts';
import { shown, type TerminalInput } from './steps.ts';

/** What handlers call of each other. */
export interface Callees {
  echo(ctx: Context, value: unknown): Promise<unknown>;
  nothing(ctx: Context): Promise<void>;
  about(ctx: Context): Promise<unknown>;
  sleeper(ctx: Context, ms: number): Promise<number>;
  startedAt(ctx: Context): Promise<number>;
  chain(ctx: Context, depth: number): Promise<string>;
  terminal(ctx: Context, input: TerminalInput): Promise<never>;
  counted(ctx: Context, key: string): Promise<number>;
  resolveIt(ctx: Context, input: { id: string; value: unknown }): Promise<void>;
  rejectIt(ctx: Context, input: { id: string; reason: string }): Promise<void>;
}

interface Hidden {
  secret(ctx: Context): Promise<string>;
}

export const calls = (sdk: Sdk, notes: Notes, names: Names) => {
  const client = (ctx: Context) => ctx.serviceClient<Callees>({ name: names.own });
  // Its own type does not hold under exactOptionalPropertyTypes.
  const json = sdk.serde.json as Serde<unknown>;
  const sendClient = (ctx: Context) => ctx.serviceSendClient<Callees>({ name: names.own });

  return {
    call: async (ctx: Context, value: unknown): Promise<unknown> => client(ctx).echo(value),
    callNothing: async (ctx: Context): Promise<string> => String(await client(ctx).nothing()),
    callSlow: async (ctx: Context, ms: number): Promise<number> => client(ctx).sleeper(ms),
    callOtherSdk: async (ctx: Context, value: unknown): Promise<unknown> =>
      ctx.serviceClient<Callees>({ name: names.other }).echo(value),
    callPrivate: async (ctx: Context): Promise<string> =>
      ctx.serviceClient<Hidden>({ name: privateServiceOf(names.own) }).secret(),
    callWithHeaders: async (ctx: Context): Promise<unknown> =>
      client(ctx).about(sdk.rpc.opts({ headers: { 'x-custom': 'from a handler' } })),
    callUnknown: async (ctx: Context, service: string): Promise<unknown> =>
      ctx.genericCall({
        service,
        method: 'hello',
        parameter: undefined,
        inputSerde: sdk.serde.empty,
        outputSerde: json,
      }),

    chain: async (ctx: Context, depth: number): Promise<string> =>
      depth === 0 ? 'bottom' : `${depth}>${await client(ctx).chain(depth - 1)}`,

    fanOut: async (ctx: Context, input: { count: number; ms: number }): Promise<unknown> => {
      const { count, ms } = input;
      const each = Array.from({ length: count }, (_, i) =>
        ms > 0
          ? client(ctx)
              .sleeper(ms)
              .map(() => i)
          : client(ctx).echo(i),
      );
      return sdk.RestatePromise.all(each);
    },

    callTerminal: async (ctx: Context, input: TerminalInput & { rethrow?: boolean }): Promise<unknown> => {
      try {
        return await client(ctx).terminal(input);
      } catch (error) {
        if (input.rethrow) throw error;
        return shown(error);
      }
    },

    /** The callee's id. */
    send: async (ctx: Context, value: unknown): Promise<string> => sendClient(ctx).echo(value).invocationId,

    sendLater: async (ctx: Context, ms: number): Promise<unknown> => {
      const sentAt = await ctx.run('sentAt', () => Date.now());
      const handle = sendClient(ctx).startedAt(sdk.rpc.sendOpts({ delay: ms }));
      return { sentAt, id: await handle.invocationId };
    },
    startedAt: async (_ctx: Context): Promise<number> => Date.now(),

    sendAndAttach: async (ctx: Context, ms: number): Promise<unknown> => {
      const id = await sendClient(ctx).sleeper(ms).invocationId;
      await ctx.attach(id);
      return id;
    },

    counted: async (_ctx: Context, key: string): Promise<number> => notes.mark(key, 'counted'),

    countedBriefly: async (_ctx: Context, key: string): Promise<number> => notes.mark(key, 'counted'),

    callTwiceWithKey: async (ctx: Context, key: string): Promise<unknown> => {
      const options = sdk.rpc.opts<string, number>({ idempotencyKey: key });
      const first = client(ctx).counted(key, options);
      const second = client(ctx).counted(key, options);
      const results = await sdk.RestatePromise.all([first, second]);
      return { results, sameId: (await first.invocationId) === (await second.invocationId) };
    },

    sendTwiceWithKey: async (ctx: Context, key: string): Promise<unknown> => {
      const options = sdk.rpc.sendOpts<string>({ idempotencyKey: key });
      const first = await sendClient(ctx).counted(key, options).invocationId;
      const second = await sendClient(ctx).counted(key, options).invocationId;
      return { result: await ctx.attach(first), sameId: first === second };
    },

    genericCall: async (ctx: Context, value: unknown): Promise<unknown> =>
      ctx.genericCall<unknown, unknown>({
        service: names.own,
        method: 'echo',
        parameter: value,
        inputSerde: json,
        outputSerde: json,
        headers: { 'x-custom': 'generic' },
      }),

    /** Bytes are the default of generic calls. */
    genericBytes: async (ctx: Context): Promise<number[]> => {
      const parameter = Uint8Array.of(0, 255, 128);
      return [...(await ctx.genericCall({ service: names.own, method: 'bytes', parameter }))];
    },

    genericSend: async (ctx: Context, value: unknown): Promise<unknown> => {
      const handle = ctx.genericSend<unknown>({
        service: names.own,
        method: 'echo',
        parameter: value,
        inputSerde: json,
      });
      return ctx.attach(await handle.invocationId);
    },
  };
};
