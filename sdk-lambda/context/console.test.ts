/** Which lines of `ctx.console` are written over all attempts of an invocation, and what they look like. */
import { format } from 'node:util';
import { decodeFrame, decodeFrames, encodeFrame } from '@holdfast/protocol';
import { afterEach, expect, test, vi } from 'vitest';
import { attempt, concat, type Handler, run, serviceOf } from '../journal.testkit.ts';

/** Runs the handler to its end, with one notification more for each attempt, in the order of the commands. */
async function linesOf(handler: Handler): Promise<string[]> {
  const lines: string[] = [];
  const log = (...args: unknown[]) => lines.push(format(...args).replace('[S/h][inv_1test] ', ''));
  const entries: Uint8Array[] = [];
  const outstanding: Uint8Array[] = [];
  for (let guard = 0; guard < 20; guard++) {
    const console = { ...globalThis.console, log } as Console;
    const { commands, proposals, terminator } = await attempt(serviceOf(handler), 'h', { entries, console });
    lines.push(terminator.name);
    if (terminator.name === 'End') return lines;
    entries.push(...commands);
    for (const { name, message } of decodeFrames(concat(commands)).map(decodeFrame))
      if (name === 'SleepCommand')
        outstanding.push(
          encodeFrame('SleepCompletion', { completionId: message.resultCompletionId, void: true }),
        );
    for (const { resultCompletionId, value } of proposals)
      outstanding.push(
        encodeFrame('RunCompletion', { completionId: resultCompletionId, value: value ?? new Uint8Array() }),
      );
    entries.push(...outstanding.splice(0, 1));
  }
  throw new Error('the handler does not end');
}

let failures = 0;

test.each<[string, Handler, string[]]>([
  [
    'around waits',
    async ctx => {
      ctx.console.log('a');
      await ctx.sleep(1);
      ctx.console.log('b');
      await ctx.run('r', () => 1);
      ctx.console.log('c');
    },
    ['a', 'Suspension', 'b', 'Suspension', 'c', 'End'],
  ],
  [
    'between a step and the wait for it',
    async ctx => {
      const timer = ctx.sleep(1);
      ctx.console.log('a');
      await timer;
      const result = ctx.run('r', () => 1);
      ctx.console.log('b');
      await Promise.resolve();
      ctx.console.log('c');
      await result;
      ctx.console.log('d');
    },
    ['a', 'Suspension', 'b', 'c', 'Suspension', 'd', 'End'],
  ],
  [
    'around a run that fails, and in its closure at each execution',
    async ctx => {
      ctx.console.log('before');
      await ctx.run('r', () => {
        ctx.console.log('in the closure');
        if (failures++ === 0) throw new Error('once');
      });
      ctx.console.log('after');
    },
    ['before', 'in the closure', 'Error', 'in the closure', 'Suspension', 'after', 'End'],
  ],
  [
    'in branches',
    async ctx => {
      const branch = async (name: string) => {
        ctx.console.log(`${name}1`);
        await ctx.sleep(1);
        ctx.console.log(`${name}2`);
        await ctx.sleep(1);
        ctx.console.log(`${name}3`);
        await ctx.run(name, () => 1);
      };
      await Promise.all([branch('a'), branch('b')]);
      ctx.console.log('both');
    },
    [
      ...['a1', 'b1', 'Suspension', 'a2', 'Suspension', 'b2', 'Suspension', 'a3', 'Suspension'],
      ...['b3', 'Suspension', 'Suspension', 'Suspension', 'both', 'End'],
    ],
  ],
  [
    'after a wait, without a step after it: again, for the journal does not tell how far the code came',
    async ctx => {
      const [first, second] = [ctx.sleep(1), ctx.sleep(1)];
      await first;
      ctx.console.log('a');
      await second;
      ctx.console.log('b');
    },
    ['Suspension', 'a', 'Suspension', 'a', 'b', 'End'],
  ],
])('lines %s', async (_name, handler, expected) => {
  failures = 0;
  const lines = await linesOf(handler);
  expect(lines).toEqual(expected);
});

afterEach(() => vi.unstubAllEnvs());

const OF = '[S/h][inv_1test]';
const AS_JSON = { invocationTarget: 'S/h', invocationId: 'inv_1test' };

test.each<[string, unknown[], string, object]>([
  ['text', ['hello'], `${OF} hello`, { message: 'hello' }],
  ['a format', ['%d of %s', 1, 'x'], `${OF} 1 of x`, { message: ['%d of %s', 1, 'x'] }],
  ['an object', [{ a: 1 }], `${OF} { a: 1 }`, { message: { a: 1 } }],
  ['nothing', [], OF, { message: undefined }],
])('a line of %s', async (_name, args, expected, message) => {
  const lines: unknown[][] = [];
  const console = { ...globalThis.console, warn: (...line: unknown[]) => lines.push(line) } as Console;
  const handler: Handler = async ctx => ctx.console.warn(...args);
  await run(handler, { console });
  vi.stubEnv('AWS_LAMBDA_LOG_FORMAT', 'JSON');
  await run(handler, { console });
  expect(lines.map(line => (lines.indexOf(line) === 0 ? format(...line) : line))).toEqual([
    expected,
    [{ ...AS_JSON, ...message }],
  ]);
});

test('a key is not taken for a format', async () => {
  const lines: unknown[][] = [];
  const console = { ...globalThis.console, log: (...line: unknown[]) => lines.push(line) } as Console;
  await run(async ctx => ctx.console.log({ a: 1 }, 2), { console, start: { key: '50%d' } });
  expect(format(...(lines[0] ?? []))).toBe('[S/50%d/h][inv_1test] { a: 1 } 2');
});
