/** The context where it must not be used: every verb in every situation. */
import { expect, test } from 'vitest';
import { type WorkflowContext, workflow } from './index.ts';
import { type AttemptResult, attempt, json, run, transcript, utf8 } from './journal.testkit.ts';
import { type Context, HARMLESS, OTHERS, STEPS } from './verbs.testkit.ts';

const flow = (handler: (ctx: Context) => unknown) =>
  workflow({ name: 'W', handlers: { run: async (ctx: WorkflowContext) => handler(ctx as Context) } });
const console = { debug: () => {}, warn: () => {} } as unknown as Console;
const attemptOf = (handler: (ctx: Context) => unknown): Promise<AttemptResult> =>
  attempt(flow(handler), 'run', {
    start: { key: 'k', stateMap: [{ key: utf8('known'), value: json(1) }] },
    version: 7,
    console,
  });

const outcomeOf = async (use: () => unknown): Promise<unknown> => {
  try {
    // What never settles: the attempt is over, and user code stops there.
    return await Promise.race([use(), new Promise(resolve => setTimeout(resolve, 5, 'stops'))]);
  } catch (error) {
    return error;
  }
};

/** What comes of a use of the context that was prepared where it is allowed. */
type Situation = (prepare: (ctx: Context) => () => unknown) => Promise<unknown>;

const SITUATIONS: Readonly<Record<string, { readonly code: string; readonly use: Situation }>> = {
  'inside a closure': {
    code: 'HF_SDK_NESTED_STEP',
    use: async prepare => {
      let outcome: unknown;
      await attemptOf(ctx => {
        const use = prepare(ctx);
        return ctx.run('r', async () => {
          await null;
          outcome = await outcomeOf(use);
        });
      });
      return outcome;
    },
  },
  'after the handler has returned': {
    code: 'HF_SDK_CONTEXT_ENDED',
    use: async prepare => {
      let use = (): unknown => 'not called';
      await attemptOf(ctx => {
        use = prepare(ctx);
      });
      return outcomeOf(use);
    },
  },
  'after the handler has thrown': {
    code: 'HF_SDK_CONTEXT_ENDED',
    use: async prepare => {
      let use = (): unknown => 'not called';
      await attemptOf(ctx => {
        use = prepare(ctx);
        throw new Error('boom');
      });
      return outcomeOf(use);
    },
  },
  'in the handler of another invocation': {
    code: 'HF_SDK_FOREIGN_CONTEXT',
    use: async prepare => {
      let outcome: unknown;
      await attemptOf(async ctx => {
        const use = prepare(ctx);
        await attemptOf(async () => {
          await null;
          outcome = await outcomeOf(use);
        });
      });
      return outcome;
    },
  },
};

for (const [situation, { code, use }] of Object.entries(SITUATIONS)) {
  test.each(Object.entries({ ...STEPS, ...OTHERS }))(`${situation}, %s is refused`, async (name, prepare) => {
    const outcome = await use(prepare);
    expect(outcome).toMatchObject({ name: 'SdkUsageError', code });
    // Such a promise asks the server when it is awaited, where V8 does not know who waits.
    const place =
      name === 'an await of a promise of the workflow' ? /WorkflowPromise/ : /\n +at .*verbs\.testkit/;
    expect((outcome as Error).stack).toMatch(place);
  });
  test.each(Object.entries(HARMLESS))(`${situation}, %s is allowed`, async (_name, prepare) => {
    expect(await use(prepare)).not.toBeInstanceOf(Error);
  });
}

test.each(Object.entries(STEPS))(
  'code goes no further when the attempt suspends: %s',
  async (_name, prepare) => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const { terminator } = await attemptOf(async ctx => {
      const use = prepare(ctx);
      const elsewhere = async () => {
        await new Promise(later => setTimeout(later, 1));
        const used = use() as PromiseLike<unknown> | undefined;
        resolve(typeof used?.then === 'function' ? outcomeOf(() => used) : 'stops');
      };
      await Promise.all([elsewhere(), ctx.awakeable().promise]);
    });
    expect(terminator.name).toBe('Suspension');
    expect(await promise).toBe('stops');
  },
);

test('a run that nobody waited for is told: its closure did not run', async () => {
  const told: string[] = [];
  const { frames } = await run(
    async ctx => {
      await ctx.run('awaited', () => 1).orTimeout(1);
      return 1;
    },
    { console: { warn: (line: string) => told.push(line) } as unknown as Console },
  );
  expect(transcript(frames).at(-1)).toMatch('Suspension');
  expect(told).toEqual([]);
  await run(
    async ctx => {
      void ctx.run('lost', () => 1);
      return 1;
    },
    { console: { warn: (line: string) => told.push(line) } as unknown as Console },
  );
  expect(told).toEqual([
    'run "lost" was not awaited: its closure did not run. See docs/errors/HF_SDK_NOT_AWAITED.md.',
  ]);
});
