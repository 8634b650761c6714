import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NO_FAILURES, type RetryPolicy } from '../core/model.ts';
import { type AttemptError, JITTER, nextStep, OVERRIDE_MS_MAX, OVERRIDES_MAX } from './retry.ts';

const POLICY: RetryPolicy = {
  initialIntervalMs: 500,
  maxIntervalMs: 3000,
  factor: 2,
  maxAttempts: 5,
  onMaxAttempts: 'pause',
};

/** Fails with each error in turn; gives the delays and how it ended. */
function run(policy: RetryPolicy, errors: Iterable<AttemptError>, jitter = 0): (number | string)[] {
  let failures = NO_FAILURES;
  const steps: (number | string)[] = [];
  for (const error of errors) {
    const step = nextStep(policy, failures, error, jitter);
    if (step.kind !== 'retry') return [...steps, step.kind];
    steps.push(step.delayMs);
    failures = step.failures;
  }
  return steps;
}

const plain = (count: number): AttemptError[] => Array.from({ length: count }, () => ({}));
const mismatch: AttemptError = { failure: { code: 'RT0016' } };
const asked = (nextRetryDelayMs: number): AttemptError => ({ nextRetryDelayMs });

test.each<[string, RetryPolicy, AttemptError[], (number | string)[]]>([
  ['doubles up to the cap, then pauses', POLICY, plain(9), [500, 1000, 2000, 3000, 'pause']],
  [
    'kills if the policy says so',
    { ...POLICY, maxAttempts: 3, onMaxAttempts: 'kill' },
    plain(9),
    [500, 1000, 'kill'],
  ],
  ['one attempt means no retry', { ...POLICY, maxAttempts: 1 }, plain(1), ['pause']],
  ['pauses at once if it would repeat', POLICY, [{ deterministic: true, nextRetryDelayMs: 1 }], ['pause']],
  [
    'a delay asked for takes no attempt and no step',
    { ...POLICY, maxAttempts: 3 },
    [asked(7), {}, asked(7), asked(0), {}, {}],
    [7, 500, 7, 0, 1000, 'pause'],
  ],
  [
    'a mismatch three times in a row pauses',
    { ...POLICY, maxAttempts: 99 },
    [mismatch, mismatch, {}, mismatch, { ...mismatch, nextRetryDelayMs: 7 }, mismatch],
    [500, 1000, 2000, 3000, 7, 'pause'],
  ],
  ['a delay asked for is bounded', POLICY, [asked(1e15), asked(-5)], [OVERRIDE_MS_MAX, 0]],
  ['no interval at all', { ...POLICY, initialIntervalMs: 0 }, plain(3), [0, 0, 0]],
])('%s', (_name, policy, errors, expected) => {
  expect(run(policy, errors)).toEqual(expected);
});

test('a handler that always asks for a delay ends with the policy', () => {
  const steps = run(
    { ...POLICY, maxAttempts: 3 },
    Array.from({ length: OVERRIDES_MAX + 9 }, () => asked(1)),
  );
  expect(steps.slice(OVERRIDES_MAX - 1)).toEqual([1, 500, 1000, 'pause']);
});

test('the longest delay is one that a record can hold', () => {
  const longest = {
    ...POLICY,
    initialIntervalMs: Number.MAX_SAFE_INTEGER,
    maxIntervalMs: Number.MAX_SAFE_INTEGER,
  };
  expect(run(longest, plain(1), 0.5)).toEqual([Number.MAX_SAFE_INTEGER]);
});

test('any policy: attempts are counted exactly and delays stay between step and cap', () => {
  const arbitrary = fc.record({
    initialIntervalMs: fc.nat(100_000),
    maxIntervalMs: fc.nat(1_000_000),
    factor: fc.double({ min: 0.1, max: 1e6, noNaN: true }),
    maxAttempts: fc.integer({ min: 1, max: 1100 }),
    onMaxAttempts: fc.constantFrom('pause' as const, 'kill' as const),
  });
  fc.assert(
    fc.property(arbitrary, fc.double({ min: 0, max: 0.999, noNaN: true }), (policy, jitter) => {
      const steps = run(policy, plain(1200), jitter);
      expect(steps.length).toBe(policy.maxAttempts);
      expect(steps.at(-1)).toBe(policy.onMaxAttempts);
      const delays = steps.slice(0, -1) as number[];
      const base = run(policy, plain(1200), 0);
      expect(delays.every((delay, i) => delay >= Number(base[i]))).toBe(true);
      expect(delays.every(delay => delay <= Math.ceil(policy.maxIntervalMs * (1 + JITTER)))).toBe(true);
      expect(delays.every(Number.isSafeInteger)).toBe(true);
    }),
  );
});
