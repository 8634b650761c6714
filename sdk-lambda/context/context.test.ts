/** The rest of the context, and live channels. */
import { expect, test } from 'vitest';
import type * as restate from '../index.ts';
import { RetryableError, TerminalError } from '../index.ts';
import {
  type Handler,
  type JournalSpec,
  liveAttempt,
  NOW_MS,
  ran,
  run,
  runCommand,
  serviceOf,
  sleep,
  slept,
  transcript,
  utf8,
} from '../journal.testkit.ts';

test('a live channel needs no suspension while its input is open', async () => {
  const handler: Handler = async ctx => {
    await ctx.sleep(1);
    await ctx.sleep(2);
    return 'done';
  };
  const chunks = [slept(1), slept(2)].map(frame => ({ drains: 2, frames: [frame] }));
  const { frames } = await liveAttempt(serviceOf(handler), 'h', {}, chunks);
  expect(transcript(frames)).toEqual(['SleepCommand', 'SleepCommand', 'OutputCommand "done"', 'End']);
});

test.each<[string, (ctx: restate.Context) => unknown]>([
  ['a step', ctx => ctx.sleep(1)],
  ['randomness', ctx => ctx.rand.random()],
])('%s inside a run is refused, for replay would miss it', async (_name, use) => {
  const { terminator } = await run(async ctx => ctx.run('r', () => use(ctx)));
  expect(transcript([terminator])).toEqual([expect.stringContaining('used inside a closure of ctx.run')]);
});

test('what user code throws always leaves the attempt with an end', async () => {
  const odd = new TerminalError('odd', { errorCode: 1.5, metadata: { n: 1 as unknown as string } });
  expect(transcript((await run(async () => Promise.reject(odd))).frames)).toEqual([
    'OutputCommand failure 500 odd',
    'End',
  ]);
  const delay = new RetryableError('odd', { retryAfter: Number.NaN });
  expect(transcript((await run(async () => Promise.reject(delay))).frames)).toEqual(['Error 500 odd']);
});

test('the console is silent until the recorded commands are exhausted', async () => {
  const lines: unknown[][] = [];
  const console = { ...globalThis.console, log: (...args: unknown[]) => lines.push(args) } as Console;
  const handler: Handler = async ctx => {
    ctx.console.log('before');
    await ctx.sleep(1);
    ctx.console.log('after');
  };
  await run(handler, { console, entries: [sleep(1), slept(1)] });
  expect(lines).toEqual([['[S/h][inv_1test]', 'after']]);
});

test('random values are fixed for ever by the seed', async () => {
  const handler: Handler = async ctx => [ctx.rand.random(), ctx.rand.uuidv4(), ctx.rand.random()];
  const values = async (journal: JournalSpec) => transcript((await run(handler, journal)).frames)[0];
  expect(await values({})).toBe(await values({}));
  expect(await values({ start: { randomSeed: 2n ** 63n + 5n } })).toMatchInlineSnapshot(
    `"OutputCommand [0.45610403018078527,"3a97d256-855b-4168-a39b-69eba3e000de",0.9971354947132095]"`,
  );
  expect(await values({ version: 5, start: { randomSeed: 0n } })).toMatchInlineSnapshot(
    `"OutputCommand [0.7364065183569942,"7cb7d8b0-cd3c-49be-9126-d2c8439496cf",0.27887968435135535]"`,
  );
});

test('the request and the signal of the end of the attempt', async () => {
  let signal: AbortSignal | undefined;
  const { frames } = await run(
    async ctx => {
      const request = ctx.request();
      signal = request.attemptCompletedSignal;
      await ctx.date.now();
      return [request.id, String(request.target), request.body.length];
    },
    { entries: [runCommand(1, ''), ran(1, NOW_MS)], input: utf8('7') },
  );
  expect(transcript(frames)[0]).toBe('OutputCommand ["inv_1test","S/h",1]');
  expect(signal?.aborted).toBe(true);
});
