/** A service of which several revisions are deployed: they differ in what they answer, and in what they can. */
import { countedAll } from '../counted.ts';
import { functionNotes } from '../notes.ts';
import type { Context, Sdk, Services } from '../sdk.ts';

export const versionedServices = (sdk: Sdk, name: string, revision: number): Services => {
  const notes = functionNotes();
  const retryPolicy = {
    initialInterval: 10,
    maxInterval: 10,
    maxAttempts: 2,
    onMaxAttempts: 'pause',
  } as const;
  const all = {
    which: async (_ctx: Context): Promise<number> => revision,
    /** Works from the second revision on. */
    mended: async (ctx: Context): Promise<unknown> => {
      const began = await ctx.run('began', () => revision);
      if (revision === 1) throw new Error('the first revision cannot');
      return { began, ended: revision };
    },
    /** Until its awakeable is resolved. */
    waits: async (ctx: Context): Promise<unknown> => {
      const began = await ctx.run('began', () => revision);
      const { id, promise } = ctx.awakeable();
      notes.write(ctx.request().id, 'awakeable', id);
      await promise;
      return { began, ended: revision };
    },
  };
  const handlers = countedAll(notes, revision === 3 ? { which: all.which } : all, fn => fn);
  return [sdk.service({ name, handlers, options: { retryPolicy } })];
};
