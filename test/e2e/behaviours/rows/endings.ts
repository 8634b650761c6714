/** Cancellation and kill. */
import { expect } from 'vitest';
import { until } from '../../harness/index.ts';
import type { Cancellable } from '../handlers/waiting.ts';
import { attempts, interruptedStory, type Play, type Row, type Run, simple, story } from '../play.ts';

const CANCELLED = { code: 409, message: 'Cancelled' };
const KILLED = { code: 409, message: 'killed' };

const cancel = async (t: Play, run: Run) => expect(await t.operate(run, 'cancel')).toBe(202);

const uncaught = (on: Cancellable['on'], journal?: string, attempts = 2): Row =>
  simple({
    name: `cancelled while it waits for ${on}`,
    handler: 'cancellable',
    input: { on, compensate: false },
    waits: 'suspended',
    drive: cancel,
    expected: { failure: CANCELLED, attempts, ...(journal === undefined ? {} : { journal }) },
    after: async (t, run) => expect(await t.operate(run, 'cancel')).toBe(409),
  });

const compensated = (on: Cancellable['on'], journal?: string): Row =>
  simple({
    name: `compensates when it is cancelled while it waits for ${on}`,
    handler: 'cancellable',
    input: { on, compensate: true },
    waits: 'suspended',
    drive: cancel,
    expected: {
      result: { ...CANCELLED, isCancelled: true, undone: 1 },
      ...(journal === undefined ? {} : { journal, attempts: 4 }),
    },
  });

const firstChild = async (run: Run): Promise<Run> => {
  const [child] = await run.children();
  if (child === undefined) throw new Error(`${run.id} has no child`);
  return child;
};

export const ENDINGS: readonly Row[] = [
  uncaught('sleep', 'Input Sleep +Signal Output'),
  uncaught('awakeable', 'Input +Signal Output'),
  uncaught('call'),
  compensated('sleep', 'Input Sleep +Signal Run +Run Sleep +Sleep Output'),
  compensated('awakeable', 'Input +Signal Run +Run Sleep +Sleep Output'),
  compensated('call'),

  interruptedStory('a cancellation reaches the callee', async t => {
    const run = await t.send('cancellable', { on: 'call', compensate: false } satisfies Cancellable);
    await run.waits();
    const callee = await firstChild(run);
    await callee.waits();
    await t.interrupt();
    await cancel(t, run);
    await t.expect(run, { failure: CANCELLED });
    await t.expect(callee, { failure: CANCELLED, journal: 'Input Sleep +Signal Output', attempts: 2 });
    expect(await run.journal()).toMatch(/^Input Call \+CallInvocationId \+Signal SendSignal/);
  }),
  interruptedStory('cancelled again while it compensates', async t => {
    const run = await t.send('stubborn');
    await run.waits();
    await cancel(t, run);
    await until('it has compensated', () => run.count('undo') === 1);
    await run.waits();
    await t.interrupt();
    await cancel(t, run);
    await t.expect(run, {
      result: ['Cancelled', 'Cancelled'],
      attempts: 4,
      journal: 'Input Sleep +Signal Run +Run +Signal Output',
    });
  }),
  simple({
    name: 'a handler cancels another',
    handler: 'cancelOther',
    expected: { result: { name: 'TerminalError', ...CANCELLED } },
  }),
  simple({
    name: 'cancelled while it is paused',
    handler: 'pausing',
    input: 2,
    waits: 'paused',
    drive: async (t, run) => void (await t.operate(run, 'cancel')),
    // It runs, and this one never awaits anything.
    expected: {
      result: 'try 3 succeeded',
      attempts: attempts(3, { streamed: 3 }),
      journal: 'Input +Signal Output',
    },
  }),
  interruptedStory('cancelled before it starts', async t => {
    const run = await t.send('echo', 'never', { delayMs: 600_000 });
    await t.interrupt();
    expect(await t.operate(run, 'cancel')).toBe(200);
    await t.expect(run, { failure: { code: 409, message: 'canceled' }, attempts: 0 });
  }),

  interruptedStory('killed while it is suspended', async t => {
    const run = await t.send('cancellable', { on: 'sleep', compensate: true } satisfies Cancellable);
    await run.waits();
    await t.interrupt();
    expect(await t.operate(run, 'kill')).toBe(200);
    await t.expect(run, { failure: KILLED, attempts: 1, journal: 'Input Sleep' });
    expect(await t.operate(run, 'kill')).toBe(409);
  }),
  interruptedStory('killed while it waits for its retry', async t => {
    const run = await t.send('flakySlowly', 9);
    await run.until('backing-off');
    await t.interrupt();
    expect(await t.operate(run, 'kill')).toBe(200);
    await t.expect(run, { failure: KILLED, attempts: 1, journal: 'Input' });
  }),
  story('killed while an attempt is under way, whose answer is ignored', async t => {
    const run = await t.send('busy');
    await until('it is busy', () => run.count('busy') > 0);
    expect(await t.operate(run, 'kill')).toBe(200);
    await t.expect(run, { failure: KILLED, attempts: 1, journal: 'Input' });
    t.notes.write(run.id, 'release', 'go');
    // An echo that runs after it shows that its answer has had the time to arrive.
    await t.call('echo', 1, { result: 1 });
    await t.expect(run, { failure: KILLED, attempts: 1, journal: 'Input' });
  }),
  interruptedStory('a kill ends what it called and what it sent', async t => {
    const run = await t.send('parent');
    await until('it has two children', async () => (await run.children()).length === 2);
    await run.waits();
    await t.interrupt();
    expect(await t.operate(run, 'kill')).toBe(200);
    await t.expect(run, { failure: KILLED });
    for (const child of await run.children()) await t.expect(child, { failure: KILLED });
  }),
];
