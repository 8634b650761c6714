import { expect } from 'vitest';
import { until } from '../../harness/index.ts';
import { BATCHING, METADATA, REPLAYED } from '../dimensions.ts';
import { attempts, interruptedStory, only, oursOnly, type Row, simple, story } from '../play.ts';

/** Steps that were recorded before the crash, so they were taken once whatever came after. */
const ranOnce =
  (...names: string[]) =>
  async (_t: unknown, run: { count(name: string): number }) =>
    expect(names.map(name => run.count(name))).toEqual(names.map(() => 1));

/** One more than have failed, or were paused, whatever the transport. */
const failed = (times: number) => attempts(times + 1, { streamed: times + 1 });

export const STEPS: readonly Row[] = [
  simple({
    name: 'run',
    handler: 'runOnce',
    input: { n: 1 },
    expected: { result: { n: 1 }, attempts: 2, journal: 'Input Run +Run Output' },
    after: ranOnce('run'),
  }),
  simple({
    name: 'run without a value',
    handler: 'runNothing',
    expected: { result: 'undefined', attempts: 2, journal: 'Input Run +Run Output' },
  }),
  simple({
    name: 'two runs in sequence',
    handler: 'runTwo',
    input: 0,
    expected: { result: [1, 11], attempts: 3, journal: 'Input Run +Run Run +Run Output' },
    after: ranOnce('first', 'second'),
  }),
  simple({
    name: 'run, sleep, run',
    handler: 'runTwo',
    input: t => t.pauseMs,
    waits: 'suspended',
    expected: { attempts: 4, journal: 'Input Run +Run Sleep +Sleep Run +Run Output', result: [1, 11] },
    after: ranOnce('first', 'second'),
  }),
  simple({
    name: 'three runs in parallel',
    handler: 'runParallel',
    expected: {
      result: ['a1', 'b1', 'c1'],
      attempts: 2,
      journal: 'Input Run Run Run +Run +Run +Run Output',
    },
    after: ranOnce('a', 'b', 'c'),
  }),
  only(
    BATCHING,
    simple({
      name: 'ten batched runs in one attempt',
      handler: 'tenBatched',
      expected: { result: 45, attempts: 1, journal: `Input${' Run +Run'.repeat(10)} Output` },
    }),
  ),
  only(
    BATCHING,
    simple({
      name: 'a run after batched ones, which are stored before it begins',
      handler: 'batchedBeforeRun',
      input: 0,
      expected: { result: [1, 2, 3], attempts: 3, journal: 'Input Run +Run Run +Run Run +Run Output' },
      after: ranOnce('first', 'second', 'third'),
    }),
  ),
  only(
    BATCHING,
    simple({
      name: 'batched runs, sleep, run',
      handler: 'batchedBeforeRun',
      input: t => t.pauseMs,
      waits: 'suspended',
      expected: {
        result: [1, 2, 3],
        attempts: 3,
        journal: 'Input Run +Run Run +Run Sleep +Sleep Run +Run Output',
      },
      after: ranOnce('first', 'second', 'third'),
    }),
  ),
  simple({
    name: 'a run that fails is retried',
    handler: 'runFlaky',
    input: t => ({ failures: t.killed ? 1 : 2, ms: t.killed ? t.pauseMs : 20 }),
    waits: 'backing-off',
    expected: t => ({
      result: t.killed ? 2 : 3,
      attempts: attempts(4, { streamed: 3 }),
      journal: 'Input Run +Run Output',
    }),
  }),
  simple({
    name: 'a run that fails is retried by the policy of the server',
    handler: 'runRetriedByServer',
    expected: { result: 'second', attempts: attempts(3, { streamed: 2 }), journal: 'Input Run +Run Output' },
  }),
  simple({
    name: 'a run succeeds beside one that fails',
    handler: 'runBesideFlaky',
    expected: {
      result: [1, 2],
      attempts: attempts(3, { streamed: 2 }),
      journal: 'Input Run Run +Run +Run Output',
    },
    after: ranOnce('good'),
  }),
  simple({
    name: 'a run with a megabyte',
    handler: 'runLarge',
    input: 1024 * 1024,
    expected: { result: 1024 * 1024, attempts: 2 },
  }),
  simple({
    name: 'a run with more than Lambda carries uncompressed',
    handler: 'runLarge',
    input: 5 * 1024 * 1024,
    expected: { result: 5 * 1024 * 1024, attempts: 2 },
  }),
  simple({
    name: 'a run whose attempts are used up fails for good',
    handler: 'runExhausted',
    expected: {
      result: { name: 'TerminalError', message: 'never works', code: 500 },
      attempts: attempts(3, { streamed: 2 }),
      journal: 'Input Run +Run Output',
    },
    after: async (_t, run) => expect(run.count('run')).toBe(2),
  }),
  only(
    METADATA,
    simple({
      name: 'a terminal error of a run is its result',
      handler: 'runTerminal',
      input: { message: 'no stock', code: 422, metadata: { item: 'book' } },
      expected: {
        result: { name: 'TerminalError', message: 'no stock', code: 422, metadata: { item: 'book' } },
        attempts: 2,
        journal: 'Input Run +Run Output',
      },
      after: ranOnce('run'),
    }),
  ),
  only(
    METADATA,
    simple({
      name: 'a terminal error of a run reaches the caller',
      handler: 'runTerminal',
      input: { message: 'no stock', code: 422, metadata: { item: 'book' }, rethrow: true },
      expected: { failure: { code: 422, message: 'no stock', metadata: { item: 'book' } }, attempts: 2 },
    }),
  ),

  only(
    METADATA,
    simple({
      name: 'a terminal error has code, message and metadata',
      handler: 'terminal',
      input: { message: 'teapot ☕', code: 418, metadata: { size: 'small', for: 'two' } },
      expected: {
        failure: { code: 418, message: 'teapot ☕', metadata: { size: 'small', for: 'two' } },
        attempts: 1,
        journal: 'Input Output',
      },
    }),
  ),
  simple({
    name: 'a terminal error without a code is a 500',
    handler: 'terminal',
    input: { message: 'plain' },
    expected: { failure: { code: 500, message: 'plain' }, attempts: 1 },
  }),
  simple({
    name: 'an error is retried, and attempt 4 succeeds',
    handler: 'flaky',
    input: 3,
    expected: { result: 'try 4 succeeded', attempts: failed(3), journal: 'Input Output' },
    after: async (_t, run) => {
      expect((await run.view()).last_failure).toMatchObject({ message: 'try 3', status: 500 });
    },
  }),
  oursOnly(
    story('an operator sees which attempt has failed', async t => {
      const run = await t.call('flaky', 2, { result: 'try 3 succeeded' });
      expect((await run.view()).last_failure).toMatchObject({ message: 'try 2', attempt: 2 });
    }),
  ),
  interruptedStory('a retry is not forgotten', async t => {
    const run = await t.send(t.killed ? 'flakySlowly' : 'flaky', 1);
    if (t.killed) await run.until('backing-off');
    await t.interrupt();
    await t.expect(run, { result: 'try 2 succeeded', attempts: failed(1), journal: 'Input Output' });
    expect(run.count('try')).toBe(2);
  }),
  simple({
    name: 'a handler asks for the time of its retry',
    handler: 'retryAfter',
    input: t => t.pauseMs,
    waits: 'backing-off',
    expected: { result: 'done', attempts: failed(1) },
  }),
  simple({
    name: 'pauses after its last attempt, and resumes',
    handler: 'pausing',
    input: 2,
    waits: 'paused',
    drive: async (t, run) => {
      expect(run.count('try')).toBe(2);
      expect(await t.operate(run, 'resume')).toBe(200);
    },
    expected: { result: 'try 3 succeeded', attempts: failed(2) },
  }),
  simple({
    name: 'fails after its last attempt, where the policy says so',
    handler: 'killing',
    input: 9,
    expected: { failure: { code: 500, message: 'try 2' }, attempts: failed(1) },
  }),
  only(
    REPLAYED,
    simple({
      name: 'a handler that departs from its journal is retried',
      handler: 'erratic',
      expected: { result: 'right', attempts: 3, journal: 'Input Sleep +Sleep Output' },
      after: async (_t, run) => {
        expect((await run.view()).last_failure).toMatchObject({
          status: 570,
          error_code: 'RT0016',
        });
      },
    }),
  ),

  interruptedStory('sleep is never early', async t => {
    const startedAt = Date.now();
    const run = await t.send('sleeper', t.pauseMs);
    if (t.killed) await run.waits();
    await t.interrupt();
    const wokeAt = (await t.attach(run)).body as number;
    const dueAt = await run.dueAt();
    expect(dueAt).toBeGreaterThanOrEqual(startedAt + t.pauseMs);
    expect(wokeAt).toBeGreaterThanOrEqual(dueAt);
    await t.expect(run, { result: wokeAt, attempts: 2, journal: 'Input Sleep +Sleep Output' });
  }),
  simple({
    name: 'a sleep of no time',
    handler: 'sleeper',
    input: 0,
    expected: { result: expect.any(Number), attempts: 2, journal: 'Input Sleep +Sleep Output' },
  }),
  interruptedStory('4 invocations of 50 sleeps each', async t => {
    const input = { count: 50, ms: t.pauseMs };
    const runs = await Promise.all([0, 1, 2, 3].map(() => t.send('manySleeps', input)));
    if (t.killed) await Promise.all(runs.map(run => run.waits()));
    await t.interrupt();
    const result = Array.from({ length: 50 }, (_, i) => i);
    await Promise.all(runs.map(run => t.expect(run, { result })));
  }),
  interruptedStory('an attempt that was under way is repeated', async t => {
    const run = await t.send('busy');
    await until('it is busy', () => run.count('busy') > 0);
    await t.interrupt();
    if (t.killed) await until('it is busy again', () => run.count('busy') > 1);
    t.notes.write(run.id, 'release', 'go');
    await t.expect(run, {
      attempts: 1,
      journal: 'Input Output',
      result: ({ held }: { held: number }) => expect(held).toBeGreaterThanOrEqual(t.killed ? 2 : 1),
    });
  }),

  story('many at once', async t => {
    const calls = Array.from({ length: 50 }, (_, i) =>
      t.call('runOnce', i, { result: i, attempts: 2, journal: 'Input Run +Run Output' }),
    );
    await Promise.all(calls);
  }),
];
