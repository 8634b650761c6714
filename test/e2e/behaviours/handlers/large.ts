/** Journals that are too large for one payload of Lambda. */
import { createHash, randomBytes } from 'node:crypto';
import type { Notes } from '../notes.ts';
import type { Context } from '../sdk.ts';

export interface Noise {
  readonly steps: number;
  /** Of each step's result, which cannot be compressed much. */
  readonly bytes: number;
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8);

export const large = (notes: Notes) => ({
  /** The digests of what was drawn, as they were then and as they are now, after it has waited. */
  noise: async (ctx: Context, { steps, bytes }: Noise): Promise<unknown> => {
    const results: string[] = [];
    for (let i = 0; i < steps; i++) {
      const result = await ctx.run(`noise ${i}`, () => {
        const text = randomBytes(Math.ceil((bytes * 3) / 4)).toString('base64');
        notes.write(ctx.request().id, `digest${i}`, digest(text));
        return text;
      });
      results.push(result);
    }
    const { id, promise } = ctx.awakeable();
    notes.write(ctx.request().id, 'awakeable', id);
    await promise;
    return results.map((text, i) => [notes.read(ctx.request().id, `digest${i}`), digest(text)]);
  },
});
