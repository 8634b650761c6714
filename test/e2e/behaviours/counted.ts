/** Each attempt leaves a mark, so that Lambda calls are counted where they arrive. */
import type { Notes } from './notes.ts';
import type { Context } from './sdk.ts';

export type Handler = (ctx: never, input: never) => Promise<unknown>;
/** As definitions take them: which context it gets is up to the definition, what input to the handler. */
export type AnyHandler = (ctx: Context) => Promise<unknown>;

export function counted(notes: Notes, fn: Handler): AnyHandler {
  const marking = async (ctx: Context, input: unknown): Promise<unknown> => {
    notes.mark(ctx.request().id, 'attempt');
    return fn(ctx as never, input as never);
  };
  return marking as AnyHandler;
}

export const countedAll = (
  notes: Notes,
  handlers: Readonly<Record<string, Handler>>,
  wrap: (fn: AnyHandler, name: string) => AnyHandler,
): Record<string, AnyHandler> =>
  Object.fromEntries(Object.entries(handlers).map(([name, fn]) => [name, wrap(counted(notes, fn), name)]));
