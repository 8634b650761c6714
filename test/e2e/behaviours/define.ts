/** The handlers as one Lambda function: the same for every SDK but for the SDK and the services' names. */
import { basic } from './handlers/basic.ts';
import { calls, type Names } from './handlers/calls.ts';
import { steps } from './handlers/steps.ts';
import { waiting } from './handlers/waiting.ts';
import { functionNotes, type Notes } from './notes.ts';
import { type Context, KILLED_PAUSE_MS, privateServiceOf, type Sdk } from './sdk.ts';

type Handler = (ctx: Context, input: never) => Promise<unknown>;
type AnyHandlers = Record<string, (ctx: Context) => Promise<unknown>>;

/** Each attempt leaves a mark, so that Lambda calls are counted where they arrive. */
function counted(notes: Notes, fn: Handler): Handler {
  return async (ctx, input) => {
    notes.mark(ctx.request().id, 'attempt');
    return fn(ctx, input);
  };
}

export function define(sdk: Sdk, names: Names): ReturnType<Sdk['createEndpointHandler']> {
  const notes = functionNotes();
  const { binary } = sdk.serde;
  const fast = { initialInterval: 10, maxAttempts: 2 };
  const options: Record<string, Parameters<Sdk['handlers']['handler']>[0]> = {
    bytes: { accept: '*/*', input: binary, output: binary } as Parameters<Sdk['handlers']['handler']>[0],
    flakySlowly: { retryPolicy: { initialInterval: KILLED_PAUSE_MS, exponentiationFactor: 1 } },
    countedBriefly: { idempotencyRetention: 1000, journalRetention: 500 },
    pausing: { retryPolicy: { ...fast, onMaxAttempts: 'pause' } },
    killing: { retryPolicy: { ...fast, onMaxAttempts: 'kill' } },
  };
  const all: Record<string, Handler> = {
    ...basic(sdk),
    ...steps(sdk, notes),
    ...calls(sdk, notes, names),
    ...waiting(sdk, notes, names),
  };
  const handlers = Object.fromEntries(
    Object.entries(all).map(([name, fn]) => {
      const wrapped = counted(notes, fn);
      const given = options[name];
      return [name, given === undefined ? wrapped : sdk.handlers.handler(given, wrapped as never)];
    }),
  );
  return sdk.createEndpointHandler({
    services: [
      sdk.service({ name: names.own, handlers: handlers as AnyHandlers }),
      sdk.service({
        name: privateServiceOf(names.own),
        handlers: { secret: async (_ctx: Context): Promise<string> => 'secret' },
        options: { ingressPrivate: true },
      }),
    ],
  });
}
