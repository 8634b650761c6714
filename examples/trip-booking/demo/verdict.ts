/**
 * The demo's verdict: whether every trip ended as it should and every recorded step happened once. Pure, so that
 * a test can show it a doctored ledger.
 *
 * A step of a trip begins when the one before it is recorded. So in the requests of one trip, in the order in
 * which the providers got them, a step may come again only directly after itself, with a kill in between: then
 * its process died before the result was recorded. Later, it would be a recorded step that ran a second time.
 */
import { type Evidence, stepKey } from './evidence.ts';
import type { LedgerRequest } from './providers.ts';

export interface Verdict {
  readonly met: boolean;
  /** What was checked, counted. */
  readonly summary: string;
  readonly problems: readonly string[];
}

/** Each yields what is wrong. */
const CHECKS: readonly ((evidence: Evidence) => Iterable<string>)[] = [
  tripsEnded,
  stepsRecordedOnce,
  requestsBelongToSteps,
  repeatsAreInterrupted,
  killsWereInTheMiddle,
  providersAgree,
  undoneInReverse,
];

export function judge(evidence: Evidence): Verdict {
  const problems = CHECKS.flatMap(check => [...check(evidence)]);
  return { met: problems.length === 0, summary: summaryOf(evidence), problems };
}

function summaryOf({ trips, steps, requests, kills }: Evidence): string {
  const ended = trips.filter(trip => trip.outcome?.status === trip.expected).length;
  const once = steps.filter(step => step.results === 1).length;
  const repeats = requests.length - new Set(requests.map(({ key }) => key)).size;
  return [
    `${ended} of ${trips.length} trips ended as they should`,
    `${steps.length} recorded steps, ${once} of them recorded once`,
    `providers saw ${requests.length} requests: ${repeats} repeats of steps under way at the ${kills.length} kills, with the same idempotency keys`,
  ].join('; ');
}

function* tripsEnded({ trips }: Evidence): Generator<string> {
  for (const { traveller, expected, outcome } of trips) {
    if (outcome?.status !== expected) {
      yield `${traveller} should be ${expected} and is ${outcome?.status ?? 'without a result'}`;
    }
  }
}

function* stepsRecordedOnce({ steps }: Evidence): Generator<string> {
  const seen = new Set<string>();
  for (const step of steps) {
    const name = `${step.traveller}: ${step.target} ${step.name}`;
    if (step.results !== 1) yield `${name} has ${step.results} results in its journal`;
    if (seen.has(stepKey(step))) yield `${name} is in its journal twice`;
    seen.add(stepKey(step));
  }
}

function* requestsBelongToSteps({ steps, requests }: Evidence): Generator<string> {
  const recorded = new Set(steps.map(stepKey));
  const requested = new Set(requests.map(({ key }) => key));
  for (const { traveller, path, key } of requests) {
    if (!recorded.has(key)) yield `${traveller}: ${path} was requested, and no journal has that step`;
  }
  for (const step of steps) {
    if (!requested.has(stepKey(step))) {
      yield `${step.traveller}: ${step.target} ${step.name} is recorded, and no provider was asked`;
    }
  }
}

function* repeatsAreInterrupted({ requests, kills }: Evidence): Generator<string> {
  for (const lines of Map.groupBy(requests, chainOf).values()) {
    const seen = new Set<string>();
    let before: LedgerRequest | undefined;
    for (const line of lines) {
      const { traveller, path, key, atMs } = line;
      if (seen.has(key)) {
        const since = before?.key === key ? before.atMs : undefined;
        if (since === undefined) yield `${traveller}: ${path} was requested again after it had been recorded`;
        else if (!kills.some(kill => since <= kill.overMs && kill.atMs <= atMs)) {
          yield `${traveller}: ${path} was requested again although nothing was killed`;
        }
      }
      seen.add(key);
      before = line;
    }
  }
}

/** What happens one step after the other: a trip; its reminder is sent on its own. */
const chainOf = ({ traveller, path }: LedgerRequest): string =>
  path === 'reminders' ? `${traveller} reminder` : traveller;

function* killsWereInTheMiddle({ requests, kills }: Evidence): Generator<string> {
  if (kills.length === 0) yield 'nothing was killed';
  for (const { what, key } of kills) {
    const times = requests.filter(request => request.key === key).length;
    if (times !== 2)
      yield `the step in whose middle ${what} was killed was requested ${times} times, not twice`;
  }
}

function* providersAgree({ trips, reserved, charged, reminded }: Evidence): Generator<string> {
  const booked = trips.filter(trip => trip.expected === 'booked').map(trip => trip.traveller);
  const expected = booked.flatMap(name => ['cars', 'flights', 'hotels'].map(one => `${name} ${one}`));
  const books = { reserved, charged, reminded };
  const due = { reserved: expected, charged: booked, reminded: booked };
  for (const kind of ['reserved', 'charged', 'reminded'] as const) {
    const is = books[kind].toSorted().join(', ');
    const should = due[kind].toSorted().join(', ');
    if (is !== should) yield `${kind} is "${is}" and should be "${should}"`;
  }
}

function* undoneInReverse({ trips, requests }: Evidence): Generator<string> {
  for (const { traveller, expected, events } of trips) {
    if (expected !== 'cancelled') continue;
    const firsts = new Map(
      requests.filter(one => one.traveller === traveller).map(one => [one.key, one.path]),
    );
    const providersOf = (action: string): string[] =>
      [...firsts.values()].filter(path => path.endsWith(action)).map(path => path.split('/')[0] ?? '');
    const refused = events.filter(event => event.failed && event.what !== 'deadline').length;
    const due = providersOf('/reserve')
      .slice(0, refused === 0 ? undefined : -refused)
      .reverse();
    const undone = providersOf('/cancel');
    if (undone.join() !== due.join()) yield `${traveller}: undone ${undone.join()}, due were ${due.join()}`;
  }
}
