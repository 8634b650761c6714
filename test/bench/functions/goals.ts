/** The handlers of the performance goals, written with our SDK, which both servers run; all settings as they come. */
import { openSync, writeSync } from 'node:fs';
import {
  type Context,
  createEndpointHandler,
  type ObjectContext,
  object,
  RestatePromise,
  service,
} from '@holdfast/sdk-lambda';

const CHILDREN = 100;

/** A byte for each mark, so that the benchmark sees how far they are without asking anybody. */
const marks = openSync(process.env['MARKS_FILE'] ?? '/dev/null', 'a');
const mark = (): void => void writeSync(marks, '.');

const goals = service({
  name: 'Goals',
  handlers: {
    empty: async () => 'ok',
    marked: async () => mark(),
    saga: async (ctx: Context) => {
      const { reserve, release } = ctx.serviceClient<typeof goals>({ name: 'Goals' } as typeof goals);
      const compensations: (() => Promise<unknown>)[] = [];
      try {
        for (const step of ['flight', 'car', 'hotel']) {
          compensations.push(() => release(step));
          await reserve(step);
        }
        return 'ok';
      } catch (error) {
        for (const compensate of compensations.reverse()) await compensate();
        throw error;
      }
    },
    reserve: async (_ctx: Context, step: string) => step,
    release: async (_ctx: Context, step: string) => step,
    children: async (ctx: Context) => {
      const { empty } = ctx.serviceClient<typeof goals>({ name: 'Goals' } as typeof goals);
      await RestatePromise.all(Array.from({ length: CHILDREN }, () => empty()));
      return 'ok';
    },
    /** Two marks: it has begun, it ends. What depends on the time is not recorded. */
    sleepUntil: async (ctx: Context, dueMs: number) => {
      if (Date.now() < dueMs) mark();
      await ctx.sleep(Math.max(1, dueMs - Date.now()));
      mark();
    },
  },
});

/** The same ten steps behind Lambda and behind HTTP/2, where it is another service (`SERVICE`). */
const steps = service({
  name: process.env['SERVICE'] ?? 'Steps',
  handlers: {
    ten: async (ctx: Context) => {
      let sum = 0;
      for (let i = 0; i < 10; i++) sum += await ctx.run('step', () => i);
      return sum;
    },
  },
});

const account = object({
  name: 'Account',
  handlers: {
    add: async (ctx: ObjectContext) => {
      ctx.set('balance', ((await ctx.get<number>('balance')) ?? 0) + 1);
      return 'ok';
    },
    /** Holds its key for as long as the benchmark lasts. */
    hold: async (ctx: ObjectContext) => {
      await ctx.sleep({ hours: 1 });
    },
  },
});

export const services = [goals, account, steps];
export const handler = createEndpointHandler({ services });
