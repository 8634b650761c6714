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

const AWAKEABLE = 'Input Run +Run +Signal Output';

const resolveWith = (value: unknown) => async (t: Play, run: Run) =>
  t.stack.ingress.resolveAwakeable(await run.note('awakeable'), value);

const openGate = async (t: Play, run: Run) =>
  t.stack.ingress.resolveAwakeable(await run.note('gate'), 'open');

const AWAKEABLES: readonly Row[] = [
  simple({
    name: 'an awakeable is resolved over HTTP',
    handler: 'awaitAwakeable',
    waits: 'suspended',
    drive: async (t, run) => {
      // Its run suspends it too, for a moment.
      await until('it awaits the awakeable', async () => (await run.journal()) === 'Input Run +Run');
      await resolveWith({ approved: true })(t, run);
    },
    expected: { result: { value: { approved: true } }, attempts: 3, journal: AWAKEABLE },
  }),
  simple({
    name: 'an awakeable is rejected over HTTP',
    handler: 'awaitAwakeable',
    waits: 'suspended',
    drive: async (t, run) => t.stack.ingress.rejectAwakeable(await run.note('awakeable'), 'not today'),
    expected: {
      result: { name: 'TerminalError', message: 'not today', code: 500 },
      attempts: 3,
      journal: AWAKEABLE,
    },
  }),
  simple({
    name: 'an awakeable is resolved before it is awaited',
    handler: 'awaitLate',
    waits: 'suspended',
    drive: async (t, run) => {
      await resolveWith('early')(t, run);
      await openGate(t, run);
    },
    expected: { result: 'early', attempts: 3, journal: 'Input Run +Run +Signal +Signal Output' },
  }),
  simple({
    name: 'an awakeable is resolved twice before it is awaited',
    handler: 'awaitLate',
    waits: 'suspended',
    drive: async (t, run) => {
      await resolveWith('first')(t, run);
      await resolveWith('second')(t, run);
      await openGate(t, run);
    },
    // The official SDK keeps the last value that nobody has taken; for ours an awakeable is settled once.
    expected: t => ({
      result: t.sdk === 'Official' ? 'second' : 'first',
      attempts: 3,
      journal: 'Input Run +Run +Signal +Signal +Signal Output',
    }),
  }),
  simple({
    name: 'an awakeable is resolved again after the end',
    handler: 'awaitAwakeable',
    waits: 'suspended',
    drive: async (t, run) => {
      await resolveWith('first')(t, run);
      await t.expect(run, { result: { value: 'first' } });
      await resolveWith('second')(t, run);
    },
    expected: { result: { value: 'first' }, attempts: 3, journal: AWAKEABLE },
  }),
  simple({
    name: 'an awakeable is resolved by a handler',
    handler: 'resolvedByHandler',
    input: [1, 'two'],
    expected: {
      result: [1, 'two'],
      attempts: 2,
      journal: 'Input OneWayCall +CallInvocationId +Signal Output',
    },
  }),
  simple({
    name: 'an awakeable is rejected by a handler',
    handler: 'rejectedByHandler',
    input: 'no',
    expected: { result: { name: 'TerminalError', message: 'no', code: 500 }, attempts: 2 },
  }),
];

interface CombinationRow extends Combination {
  readonly name: string;
  readonly result: unknown;
  readonly attempts?: number | Attempts;
  readonly journal?: string;
}

const combination = ({ name, rule, of, result, ...rest }: CombinationRow): Row =>
  simple({
    name: `${rule}: ${name}`,
    handler: 'combination',
    input: { rule, of },
    expected: { result, ...rest },
  });

/** With awakeables, which the test settles in the order of `settle` once it is suspended. */
const settled = (
  { name, rule, of, result, ...rest }: CombinationRow,
  settle: readonly (readonly [index: number, how: 'resolve' | 'reject', value: string])[],
): Row =>
  simple({
    name: `${rule}: ${name}`,
    handler: 'combination',
    input: { rule, of },
    waits: 'suspended',
    drive: async (t, run) => {
      for (const [index, how, value] of settle) {
        const id = await run.note(`awakeable${index}`);
        if (how === 'resolve') await t.stack.ingress.resolveAwakeable(id, value);
        else await t.stack.ingress.rejectAwakeable(id, value);
      }
    },
    expected: { result, ...rest },
  });

const sleep = (ms: number, value: unknown): Part => ({ sleep: ms, value });
const AWAKEABLE_PART: Part = { awakeable: true };
const NEVER = sleep(600_000, 'never');

const COMBINATORS: readonly Row[] = [
  combination({
    name: 'sleeps',
    rule: 'all',
    of: [sleep(500, 'a'), sleep(250, 'b')],
    result: { value: ['a', 'b'] },
    // On protocol 6 each of them wakes the handler.
    attempts: 3,
    journal: 'Input Sleep Sleep +Sleep +Sleep Output',
  }),
  combination({
    name: 'sleeps',
    rule: 'race',
    of: [NEVER, sleep(20, 'b')],
    result: { value: 'b' },
    attempts: 2,
    journal: 'Input Sleep Sleep +Sleep Output',
  }),
  combination({
    name: 'run, call and sleep',
    rule: 'all',
    of: [{ run: 1 }, { call: 2 }, sleep(30, 3)],
    result: { value: [1, 2, 3] },
  }),
  combination({
    name: 'a run fails',
    rule: 'all',
    of: [{ failingRun: 'boom' }, NEVER],
    result: { failed: 'boom' },
    attempts: 2,
  }),
  combination({
    name: 'nothing',
    rule: 'all',
    of: [],
    result: { value: [] },
    attempts: 1,
    journal: 'Input Output',
  }),
  combination({
    name: 'the run wins over the sleep',
    rule: 'race',
    of: [NEVER, { run: 'run' }],
    result: { value: 'run' },
    attempts: 2,
    journal: 'Input Sleep Run +Run Output',
  }),
  combination({
    name: 'a failure is skipped',
    rule: 'any',
    of: [{ failingRun: 'boom' }, sleep(300, 'slept')],
    result: { value: 'slept' },
    attempts: attempts(3, { v7: 2 }),
  }),
  combination({
    name: 'all fail',
    rule: 'any',
    of: [{ failingRun: 'boom' }, { failingRun: 'bang' }],
    result: { allFailed: ['boom', 'bang'] },
    attempts: 2,
  }),
  combination({
    name: 'run, failing run, call and sleep',
    rule: 'allSettled',
    of: [{ run: 1 }, { failingRun: 'boom' }, { call: 'c' }, sleep(20, 's')],
    result: [1, 'boom', 'c', 's'],
  }),
  combination({ name: 'nothing', rule: 'allSettled', of: [], result: [], attempts: 1 }),
  settled(
    {
      name: 'awakeables, resolved backwards',
      rule: 'all',
      of: [AWAKEABLE_PART, AWAKEABLE_PART],
      result: { value: ['a', 'b'] },
      journal: 'Input +Signal +Signal Output',
    },
    [
      [1, 'resolve', 'b'],
      [0, 'resolve', 'a'],
    ],
  ),
  settled(
    {
      name: 'an awakeable wins over sleep and awakeable',
      rule: 'race',
      of: [AWAKEABLE_PART, NEVER, AWAKEABLE_PART],
      result: { value: 'second' },
      attempts: 2,
      journal: 'Input Sleep +Signal Output',
    },
    [[2, 'resolve', 'second']],
  ),
  settled(
    {
      name: 'a rejected awakeable is skipped',
      rule: 'any',
      of: [AWAKEABLE_PART, AWAKEABLE_PART, NEVER],
      result: { value: 'yes' },
    },
    [
      [0, 'reject', 'no'],
      [1, 'resolve', 'yes'],
    ],
  ),
  settled(
    {
      name: 'a rejected awakeable decides',
      rule: 'race',
      of: [AWAKEABLE_PART, AWAKEABLE_PART],
      result: { failed: 'no' },
      attempts: 2,
    },
    [[0, 'reject', 'no']],
  ),
  settled(
    {
      name: 'awakeable, run and failed run',
      rule: 'allSettled',
      of: [AWAKEABLE_PART, { run: 'r' }, { failingRun: 'f' }],
      result: ['a', 'r', 'f'],
      // On protocol 6 the runs wake it; with the awakeable it is complete.
      attempts: attempts(3, { v7: 2 }),
    },
    [[0, 'resolve', 'a']],
  ),
  simple({
    name: 'combinations of combinations',
    handler: 'nested',
    input: t => t.pauseMs,
    waits: 'suspended',
    expected: { result: { first: 'fast', second: ['fast', 'slow'], again: 'fast' } },
  }),
];

const TIMEOUTS: readonly Row[] = [
  simple({
    name: 'orTimeout: the time runs out',
    handler: 'timeout',
    input: t => ({ ms: 600_000, timeoutMs: t.pauseMs }),
    waits: 'suspended',
    expected: {
      result: expect.objectContaining({ name: 'TimeoutError', code: 408, isTimeout: true }),
      attempts: 2,
      journal: 'Input Sleep Sleep +Sleep Output',
    },
  }),
  simple({
    name: 'orTimeout: the value comes in time',
    handler: 'timeout',
    input: t => ({ ms: t.pauseMs, timeoutMs: 600_000 }),
    waits: 'suspended',
    expected: { result: 'in time', attempts: 2, journal: 'Input Sleep Sleep +Sleep Output' },
  }),
  simple({
    name: 'orTimeout: an awakeable comes in time',
    handler: 'awakeableTimeout',
    input: 600_000,
    waits: 'suspended',
    drive: resolveWith('here'),
    expected: { result: 'here', attempts: 3, journal: 'Input Run +Run Sleep +Signal Output' },
  }),
  simple({
    name: 'orTimeout: an awakeable does not come',
    handler: 'awakeableTimeout',
    input: t => t.pauseMs,
    waits: 'suspended',
    expected: { result: 'Timeout occurred', attempts: 3, journal: 'Input Run +Run Sleep +Sleep Output' },
  }),
  story('an awakeable that nobody has is accepted and ignored', async t => {
    const run = await t.send('awaitAwakeable');
    const id = await run.note('awakeable');
    await t.operate(run, 'kill');
    await t.stack.ingress.resolveAwakeable(id, 'too late');
    await t.expect(run, { failure: { code: 409, message: 'killed' } });
  }),
  interruptedStory('awakeables that are resolved at once all count', async t => {
    const runs = await Promise.all(Array.from({ length: 10 }, () => t.send('awaitAwakeable')));
    const ids = await Promise.all(runs.map(run => run.note('awakeable')));
    await t.interrupt();
    await Promise.all(ids.map((id, i) => t.stack.ingress.resolveAwakeable(id, i)));
    await Promise.all(runs.map((run, i) => t.expect(run, { result: { value: i } })));
  }),
];

export const WAITING: readonly Row[] = [...AWAKEABLES, ...COMBINATORS, ...TIMEOUTS];
