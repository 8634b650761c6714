/** Signals by name between handlers, alone and in combinations; and what is not a signal any more. */
import { expect } from 'vitest';
import { until } from '../../harness/index.ts';
import type { Combination, Part } from '../handlers/waiting.ts';
import {
  type Attempts,
  attempts,
  interruptedStory,
  type Play,
  type Row,
  type Run,
  simple,
  story,
} from '../play.ts';

const NAME = 'approved by';

const signal = (t: Play, run: Run, how: 'resolve' | 'reject', value: unknown, name = NAME) =>
  t.call(
    `Keyed/${how}Signal`,
    { id: run.id, name, value },
    { result: undefined, journal: 'Input SendSignal Output' },
  );

const sent =
  (how: 'resolve' | 'reject', value: unknown) =>
  async (t: Play, run: Run): Promise<void> =>
    void (await signal(t, run, how, value));

const NAMED: readonly Row[] = [
  simple({
    name: 'a signal is resolved by a handler',
    handler: 'Keyed/awaitSignal',
    input: NAME,
    waits: 'suspended',
    drive: sent('resolve', { by: 'me' }),
    expected: { result: { by: 'me' }, attempts: 2, journal: 'Input +Signal Output' },
  }),
  simple({
    name: 'a signal is resolved with nothing',
    handler: 'Keyed/awaitSignal',
    input: NAME,
    waits: 'suspended',
    drive: sent('resolve', undefined),
    expected: { result: undefined, attempts: 2 },
  }),
  simple({
    name: 'a signal is rejected by a handler',
    handler: 'Keyed/awaitSignal',
    input: NAME,
    waits: 'suspended',
    drive: sent('reject', 'not me'),
    expected: { result: { name: 'TerminalError', message: 'not me', code: 500 }, attempts: 2 },
  }),
  simple({
    name: 'signals of one name are taken in order',
    handler: 'Keyed/awaitTwoSignals',
    input: NAME,
    waits: 'suspended',
    drive: async (t, run) => {
      await signal(t, run, 'resolve', 'another', 'another name');
      await signal(t, run, 'resolve', 'first');
      await run.waits(2);
      await signal(t, run, 'reject', 'second');
    },
    expected: {
      result: ['first', { name: 'TerminalError', message: 'second', code: 500 }],
      attempts: 3,
      journal: 'Input +Signal +Signal +Signal Output',
    },
  }),
  simple({
    name: 'a signal comes before it is awaited',
    handler: 'Keyed/awaitSignalLate',
    input: NAME,
    waits: 'suspended',
    drive: async (t, run) => {
      await signal(t, run, 'resolve', 'early');
      await t.stack.ingress.resolveAwakeable(await run.note('gate'), 'open');
    },
    expected: { result: 'early', attempts: 2, journal: 'Input +Signal +Signal Output' },
  }),
  simple({
    name: 'a promise in two races, mapped once',
    handler: 'Keyed/sharedPromise',
    input: NAME,
    waits: 'suspended',
    drive: sent('resolve', 'x'),
    expected: { result: { first: 'x', second: 'x', again: 'x', mapped: 1 }, attempts: 2 },
  }),
  story('a signal to what has ended, or waits for its time, is dropped', async t => {
    const ended = await t.send('echo', 1);
    await t.expect(ended, { result: 1 });
    await signal(t, ended, 'resolve', 'too late');
    const scheduled = await t.send('Keyed/awaitSignal', NAME, { delayMs: 600_000 });
    await signal(t, scheduled, 'resolve', 'too early');
    await scheduled.until('scheduled');
    expect(await t.operate(scheduled, 'cancel')).toBe(200);
  }),
];

const SIGNAL: Part = { signal: NAME };
const NEVER: Part = { sleep: 600_000, value: 'never' };

interface Mixture extends Combination {
  readonly name: string;
  readonly result: unknown;
  readonly attempts: number | Attempts;
}

/** `settle`: the signal that is sent once it waits. */
const mixture = (
  { name, rule, of, result, attempts: made }: Mixture,
  settle?: readonly ['resolve' | 'reject', unknown],
): Row =>
  simple({
    name: `${rule}: ${name}`,
    handler: 'combination',
    input: { rule, of },
    ...(settle === undefined
      ? {}
      : {
          waits: 'suspended',
          drive: async (t: Play, run: Run) => {
            // Runs suspend it too, for a moment.
            await run.waits((t.attempts(made) ?? 1) - 1);
            await sent(...settle)(t, run);
          },
        }),
    expected: { result, attempts: made },
  });

/** The result of its run wakes it on protocol 6; on protocol 7 nothing but the whole does. */
const WITH_RUN = attempts(3, { v7: 2 });

const MIXTURES: readonly Row[] = [
  mixture({
    name: 'a run wins over a signal',
    rule: 'race',
    of: [{ run: 'run' }, SIGNAL],
    result: { value: 'run' },
    attempts: 2,
  }),
  mixture(
    {
      name: 'a signal wins over a sleep',
      rule: 'race',
      of: [NEVER, SIGNAL],
      result: { value: 'signal' },
      attempts: 2,
    },
    ['resolve', 'signal'],
  ),
  mixture(
    {
      name: 'a rejected signal decides',
      rule: 'race',
      of: [NEVER, SIGNAL],
      result: { failed: 'no' },
      attempts: 2,
    },
    ['reject', 'no'],
  ),
  mixture(
    {
      name: 'a signal wins after a run has failed',
      rule: 'any',
      of: [{ failingRun: 'boom' }, SIGNAL],
      result: { value: 'signal' },
      attempts: WITH_RUN,
    },
    ['resolve', 'signal'],
  ),
  mixture(
    {
      name: 'a run and a signal fail',
      rule: 'any',
      of: [{ failingRun: 'boom' }, SIGNAL],
      result: { allFailed: ['boom', 'no'] },
      attempts: WITH_RUN,
    },
    ['reject', 'no'],
  ),
  mixture(
    {
      name: 'run and signal',
      rule: 'all',
      of: [{ run: 'run' }, SIGNAL],
      result: { value: ['run', 'signal'] },
      attempts: WITH_RUN,
    },
    ['resolve', 'signal'],
  ),
  mixture(
    {
      name: 'run, signal and failed run',
      rule: 'allSettled',
      of: [{ run: 'run' }, SIGNAL, { failingRun: 'boom' }],
      result: ['run', 'signal', 'boom'],
      attempts: WITH_RUN,
    },
    ['resolve', 'signal'],
  ),
  mixture(
    {
      name: 'a rejected signal',
      rule: 'allSettled',
      of: [SIGNAL],
      result: ['no'],
      attempts: 2,
    },
    ['reject', 'no'],
  ),
  mixture({ name: 'nothing', rule: 'any', of: [], result: { allFailed: [] }, attempts: 1 }),
];

const EXPLICIT: readonly Row[] = [
  interruptedStory('a handler watches for its cancellation', async t => {
    const run = await t.send('Explicit/watch');
    await run.waits();
    expect(await t.operate(run, 'cancel')).toBe(202);
    await until('it has cleaned up', () => run.count('undo') === 1);
    await run.waits(3);
    await t.interrupt();
    expect(await t.operate(run, 'cancel')).toBe(202);
    await t.expect(run, {
      result: ['cancelled', 'cancelled again'],
      attempts: 4,
      journal: 'Input Sleep +Signal Run +Run +Signal Output',
    });
  }),
  simple({
    name: 'a handler that does not watch for its cancellation goes on',
    handler: 'Explicit/heedless',
    waits: 'suspended',
    drive: async (t, run) => {
      expect(await t.operate(run, 'cancel')).toBe(202);
      await t.stack.ingress.resolveAwakeable(await run.note('awakeable'), 'value');
    },
    expected: { result: 'value', attempts: 2, journal: 'Input +Signal +Signal Output' },
  }),
  interruptedStory('a handler cancels what it has called', async t => {
    const run = await t.send('Explicit/cancelsItsCalls');
    await run.waits();
    const [callee] = await run.children();
    await callee?.waits();
    await t.interrupt();
    expect(await t.operate(run, 'cancel')).toBe(202);
    const failure = { code: 409, message: 'Cancelled' };
    await t.expect(run, { result: { same: true, failure: { name: 'TerminalError', ...failure } } });
    await t.expect(t.run(callee?.id ?? ''), { failure });
  }),
];

export const SIGNALS: readonly Row[] = [...NAMED, ...MIXTURES, ...EXPLICIT];
