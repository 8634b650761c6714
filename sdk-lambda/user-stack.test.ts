/** Errors point into user code: where a step departs from the journal, where a wait does, where a failure is thrown. */
import { encodeFrame } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { RestatePromise, serde, TerminalError, type WorkflowContext, workflow } from './index.ts';
import { attempt, cancel, child, childId, ran, runCommand, sleep, slept, utf8 } from './journal.testkit.ts';
import { type Context, STEPS } from './verbs.testkit.ts';

type Use = (ctx: WorkflowContext) => unknown;

/** `use` is called by `inner`, which `outer` waits for. */
const flow = (use: Use) =>
  workflow({
    name: 'W',
    handlers: {
      run: async (ctx: WorkflowContext) => {
        const inner = async () => use(ctx);
        const outer = async () => {
          await null;
          await inner();
        };
        return outer();
      },
    },
  });

async function failureOf(use: Use, entries: readonly Uint8Array[]) {
  const { terminator } = await attempt(flow(use), 'run', { entries, start: { key: 'k' }, version: 7 });
  if (terminator.name !== 'Error') throw new Error(`expected an error, got ${terminator.name}`);
  return terminator.message;
}

const peeked = encodeFrame('PeekPromiseCommand', { key: 'other', resultCompletionId: 9 });

// Nothing but `peek` of another promise is recorded: whatever else is done departs from it.
test.each(Object.entries(STEPS))('a mismatch says where it is: %s', async (_name, verb) => {
  const { message, stacktrace } = await failureOf(ctx => verb(ctx as Context)(), [peeked]);
  expect(message).toMatch(/the code now does .* at (async )?\S*\/verbs\.testkit\.ts:\d+:\d+\./);
  expect(stacktrace).toMatch(/^ +at .*verbs\.testkit.*\n(.*user-stack.*\n)* +at .*outer .*user-stack/);
});

test.each<[string, Use, readonly Uint8Array[], string]>([
  ['for a step', async ctx => await ctx.sleep(1, 'nap'), [sleep(1, 'nap'), sleep(2)], 'sleep "nap"'],
  [
    'for one of several',
    async ctx => await RestatePromise.race([ctx.sleep(1, 'a'), ctx.run('b', () => 1), ctx.signal('c')]),
    [sleep(1, 'a'), runCommand(2, 'b'), sleep(3)],
    'sleep "a" or run "b" or signal "c"',
  ],
  ['for an awakeable', async ctx => await ctx.awakeable().promise, [sleep(1)], 'an awakeable'],
  [
    'by a callback',
    ctx => new Promise(resolve => ctx.sleep(1, 'nap').then(resolve)),
    [sleep(1, 'nap'), sleep(2)],
    'sleep "nap"',
  ],
  [
    'in one of several branches',
    async ctx => await Promise.all([(async () => await ctx.sleep(1, 'nap'))()]),
    [sleep(1, 'nap'), sleep(2)],
    'sleep "nap"',
  ],
])('a mismatch says what the code waits for and where: %s', async (_name, use, entries, what) => {
  const { message, stacktrace } = await failureOf(use, entries);
  expect(message).toContain(`the code now waits for ${what} at `);
  expect(message).toMatch(/user-stack\.test\.ts:\d+:\d+/);
  expect(stacktrace).toMatch(/^( +at .*\n)* +at .*outer .*user-stack/);
});

const failed = (completionId: number) =>
  encodeFrame('CallCompletion', { completionId, failure: { code: 500, message: 'no', metadata: [] } });
const broken = encodeFrame('RunCompletion', { completionId: 1, value: utf8('{') });

test.each<[string, Use, readonly Uint8Array[]]>([
  [
    'a failed call',
    ctx => ctx.genericCall({ service: 'X', method: 'x', parameter: new Uint8Array() }),
    [child(1), childId(1, 'a'), failed(2)],
  ],
  ['a failed run', ctx => ctx.run('r', () => 1), [runCommand(1, 'r'), failed(1)]],
  ['a timeout', ctx => ctx.awakeable().promise.orTimeout(1), [sleep(1), slept(1)]],
  ['a cancellation', ctx => ctx.sleep(1), [sleep(1), cancel]],
  ['all that failed', ctx => RestatePromise.any([ctx.run('r', () => 1)]), [runCommand(1, 'r'), failed(1)]],
  ['one of all', ctx => RestatePromise.all([ctx.run('r', () => 1)]), [runCommand(1, 'r'), failed(1)]],
  [
    'one that came before it was awaited',
    ctx => ctx.run('r', () => 1),
    [runCommand(1, 'r'), failed(1), slept(9)],
  ],
  [
    'what a mapper throws',
    ctx =>
      ctx
        .run('r', () => 1)
        .map(() => {
          throw new TerminalError('mapped');
        }),
    [runCommand(1, 'r'), ran(1, 1)],
  ],
  [
    'a result that cannot be read',
    ctx => ctx.run('r', () => 1, { serde: serde.json }),
    [runCommand(1, 'r'), broken],
  ],
])('the stack of an error leads to the await: %s', async (_name, promised, entries) => {
  let stack = '';
  await attempt(
    flow(async ctx => {
      const waiting = async () => await promised(ctx);
      const promise = waiting();
      await promise.catch(error => {
        stack = error.stack;
      });
    }),
    'run',
    { entries, start: { key: 'k' } },
  );
  expect(stack).toMatch(/^\w+: .*\n( +at .*\n)* +at .*(waiting|) .*user-stack.*\n/);
});
