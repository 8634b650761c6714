/** The verdict is as good as what it refuses: one honest demo, and each way in which it could have gone wrong. */
import { expect, test } from 'vitest';
import type { Evidence, RecordedStep, TripEvidence } from './evidence.ts';
import type { LedgerRequest } from './providers.ts';
import { judge } from './verdict.ts';

interface Line {
  readonly traveller: string;
  readonly path: string;
  /** Invocation and step. */
  readonly key: string;
}

const line = (traveller: string, path: string, key: string): Line => ({ traveller, path, key });

/** Ann is booked, and was at the hotel when its environment was killed; for Ben there is no car. */
const LINES: readonly Line[] = [
  line('ann', 'flights/reserve', 'a1/reserve'),
  line('ann', 'hotels/reserve', 'a2/reserve'),
  line('ann', 'hotels/reserve', 'a2/reserve'),
  line('ann', 'cars/reserve', 'a3/reserve'),
  line('ann', 'approvals', 'a/ask'),
  line('ann', 'payments', 'a/charge'),
  line('ann', 'reminders', 'a4/remind'),
  line('ben', 'flights/reserve', 'b1/reserve'),
  line('ben', 'hotels/reserve', 'b2/reserve'),
  line('ben', 'cars/reserve', 'b3/reserve'),
  line('ben', 'hotels/cancel', 'b4/cancel'),
  line('ben', 'flights/cancel', 'b5/cancel'),
];
const [FLIGHT, HOTEL, HOTEL_AGAIN] = [0, 1, 2];

/** One request a second. */
const requestsOf = (lines: readonly Line[]): LedgerRequest[] =>
  lines.map((one, i) => ({ ...one, atMs: i * 1000, servedBy: 1 }));

const STEPS: readonly RecordedStep[] = [...new Map(LINES.map(one => [one.key, one])).values()].map(one => {
  const [invocation = '', name = ''] = one.key.split('/');
  return { traveller: one.traveller, target: one.path, invocation, name, results: 1 };
});

const trip = (traveller: string, expected: 'booked' | 'cancelled', failed: boolean): TripEvidence => ({
  traveller,
  expected,
  outcome: expected === 'booked' ? { status: expected, reservations: [] } : { status: expected, reason: '' },
  events: [{ what: 'car', key: undefined, failed }],
});

const HONEST: Evidence = {
  trips: [trip('ann', 'booked', false), trip('ben', 'cancelled', true)],
  steps: STEPS,
  requests: requestsOf(LINES),
  kills: [{ atMs: 1500, overMs: 1500, what: 'the environment', key: 'a2/reserve' }],
  reserved: ['ann flights', 'ann hotels', 'ann cars'],
  charged: ['ann'],
  reminded: ['ann'],
};

test('an honest demo meets the verdict', () => {
  const verdict = judge(HONEST);
  expect(verdict.problems).toEqual([]);
  expect(verdict.met).toBe(true);
  expect(verdict.summary).toContain('2 of 2 trips');
  expect(verdict.summary).toContain('12 requests');
});

const inserted = (at: number, extra: Line): LedgerRequest[] => requestsOf(LINES.toSpliced(at, 0, extra));
const pick = (at: number): Line => LINES[at] as Line;

const DOCTORED: readonly (readonly [what: string, change: Partial<Evidence>, problem: RegExp])[] = [
  [
    'a trip without a result',
    { trips: [{ ...trip('ann', 'booked', false), outcome: undefined }] },
    /ann should be booked and is without a result/,
  ],
  [
    'a trip that ended otherwise',
    { trips: [{ ...trip('ben', 'cancelled', true), expected: 'booked' }] },
    /ben should be booked and is cancelled/,
  ],
  [
    'a step with two results',
    { steps: STEPS.map((step, i) => (i === 0 ? { ...step, results: 2 } : step)) },
    /has 2 results/,
  ],
  [
    'a step without a result',
    { steps: STEPS.map((step, i) => (i === 0 ? { ...step, results: 0 } : step)) },
    /has 0 results/,
  ],
  ['a step in a journal twice', { steps: [...STEPS, STEPS[0] as RecordedStep] }, /is in its journal twice/],
  [
    'an effect outside a step',
    { steps: STEPS.filter(step => step.name !== 'charge') },
    /payments was requested, and no journal/,
  ],
  [
    'a step that asked nobody',
    { requests: requestsOf(LINES.filter(one => one.path !== 'approvals')) },
    /is recorded, and no provider was asked/,
  ],
  [
    'a recorded step that ran again',
    { requests: inserted(HOTEL + 1, pick(FLIGHT)) },
    /flights\/reserve was requested again after it had been recorded/,
  ],
  [
    'a repeat that no kill explains',
    { requests: inserted(FLIGHT + 1, pick(FLIGHT)) },
    /flights\/reserve was requested again although nothing was killed/,
  ],
  [
    'a kill that was not in the middle',
    { requests: requestsOf(LINES.toSpliced(HOTEL_AGAIN, 1)) },
    /was requested 1 times, not twice/,
  ],
  ['a demo that killed nothing', { kills: [] }, /nothing was killed/],
  ['a reservation left behind', { reserved: [...HONEST.reserved, 'ben flights'] }, /reserved is/],
  ['a traveller charged twice', { charged: ['ann', 'ann'] }, /charged is "ann, ann"/],
  ['a reminder that never came', { reminded: [] }, /reminded is ""/],
  [
    'compensation in the wrong order',
    { requests: requestsOf([...LINES.slice(0, -2), LINES.at(-1) as Line, LINES.at(-2) as Line]) },
    /ben: undone flights,hotels, due were hotels,flights/,
  ],
  [
    'a compensation that is missing',
    { requests: requestsOf(LINES.slice(0, -1)) },
    /ben: undone hotels, due were hotels,flights/,
  ],
];

test.each(DOCTORED)('%s is refused', (_, change, problem) => {
  const verdict = judge({ ...HONEST, ...change });
  expect(verdict.met).toBe(false);
  expect(verdict.problems.join('\n')).toMatch(problem);
});
