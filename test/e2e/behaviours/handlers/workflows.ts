/** A workflow that waits for an approval, with handlers to give it and to look at it. */
import type { Notes } from '../notes.ts';
import type { RestatePromise, Sdk, WorkflowContext, WorkflowSharedContext } from '../sdk.ts';
import { shown } from './steps.ts';

export interface Flow {
  run(ctx: WorkflowContext, input: unknown): Promise<unknown>;
  approve(ctx: WorkflowSharedContext, value: unknown): Promise<string>;
  peek(ctx: WorkflowSharedContext): Promise<unknown>;
}

export interface FlowHandlers {
  readonly run: (ctx: WorkflowContext, input: never) => Promise<unknown>;
  readonly shared: Readonly<Record<string, (ctx: WorkflowSharedContext, input: never) => Promise<unknown>>>;
}

export const flow = (sdk: Sdk, notes: Notes): FlowHandlers => ({
  run: async (ctx: WorkflowContext, input: unknown): Promise<unknown> => {
    notes.mark(ctx.key, 'run');
    ctx.set('status', 'waiting');
    const approval = await ctx.promise<unknown>('approval');
    ctx.set('status', 'approved');
    return { input, approval };
  },
  shared: {
    approve: async (ctx: WorkflowSharedContext, value: unknown): Promise<string> => {
      await ctx.promise<unknown>('approval').resolve(value);
      return 'given';
    },
    refuse: async (ctx: WorkflowSharedContext, reason: string): Promise<string> => {
      await ctx.promise<unknown>('approval').reject(reason);
      return 'refused';
    },
    /** Both ways, what became of each. */
    approveTwice: async (ctx: WorkflowSharedContext): Promise<unknown> => {
      const promise = ctx.promise<unknown>('approval');
      await promise.resolve('first');
      const again = await promise.resolve('second').then(
        () => 'accepted',
        error => shown(error),
      );
      const refused = await promise.reject('third').then(
        () => 'accepted',
        error => shown(error),
      );
      return { again, refused, is: await promise };
    },
    peek: async (ctx: WorkflowSharedContext): Promise<unknown> => {
      try {
        return { is: (await ctx.promise<unknown>('approval').peek()) ?? 'nothing' };
      } catch (error) {
        return shown(error);
      }
    },
    wait: async (ctx: WorkflowSharedContext): Promise<unknown> => {
      try {
        return await ctx.promise<unknown>('approval');
      } catch (error) {
        return shown(error);
      }
    },
    waitWithTimeout: async (ctx: WorkflowSharedContext, ms: number): Promise<unknown> =>
      sdk.RestatePromise.race([
        ctx.promise<unknown>('approval').get(),
        ctx.sleep(ms).map(() => 'too late') as RestatePromise<unknown>,
      ]),
    status: async (ctx: WorkflowSharedContext): Promise<unknown> => [ctx.key, await ctx.get('status')],
  },
});
