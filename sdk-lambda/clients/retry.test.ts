import { expect, test } from 'vitest';
import { defaultShouldRetry, type RetryFailure, type RetryPolicy, retriesOf } from './retry.ts';

const network: RetryFailure = { kind: 'network', error: new TypeError('fetch failed') };
const answered = (status: number, headers: Record<string, string> = {}, body?: string): RetryFailure => ({
  kind: 'response',
  status,
  headers: new Headers(headers),
  ...(body === undefined ? {} : { body }),
});
const soon = answered(429, { 'retry-after': '1' });
const inTwoSeconds = () => answered(503, { 'retry-after': new Date(Date.now() + 2500).toUTCString() });

/** The longest pauses that there can be; `-` is the end. */
function pauses(
  policy: RetryPolicy,
  failures: readonly (readonly [RetryFailure, number])[],
  random = 1,
): readonly (number | '-')[] {
  const pauseMs = retriesOf(policy, () => random)();
  return failures.map(([failure, attemptMs]) => pauseMs(failure, attemptMs) ?? '-');
}
const times = (count: number, failure: RetryFailure, attemptMs = 1) =>
  Array.from({ length: count }, () => [failure, attemptMs] as const);

test.for<[string, RetryPolicy, readonly (readonly [RetryFailure, number])[], readonly (number | '-')[]]>([
  ['grows, up to an interval and a number', {}, times(6, network), [250, 500, 1000, 2000, 3000, '-']],
  ['one attempt', { maxAttempts: 1 }, times(1, network), ['-']],
  [
    'no bound',
    { maxAttempts: false, maxDuration: false },
    times(8, network, 20_000),
    [250, 500, 1000, 2000, 3000, 3000, 3000, 3000],
  ],
  [
    'intervals',
    { initialInterval: { seconds: 1 }, maxInterval: 5000, exponentiationFactor: 3 },
    times(3, network),
    [1000, 3000, 5000],
  ],
  ['as long as it has', { maxDuration: 1000, maxAttempts: false }, times(3, network, 200), [250, '-', '-']],
  ['not before the server says so', {}, times(2, soon), [1250, 1500]],
  ['which may be too late', { maxDuration: { seconds: 1 } }, times(1, soon), ['-']],
  ['or be ignored', { respectRetryAfter: false }, times(1, soon), [250]],
  ['a header that says nothing', {}, [[answered(503, { 'retry-after': 'soon' }), 1]], [250]],
  ['not what does not pass', {}, [[answered(404), 1]], ['-']],
  ['what one likes', { shouldRetry: () => true }, [[answered(404), 1]], [250]],
])('%s', ([, policy, failures, expected]) => {
  expect(pauses(policy, failures)).toEqual(expected);
});

test('after a long wait that was cut short, attempts are counted anew; not those that are bounded', () => {
  const cut = [...times(5, network), [network, 30_000] as const, ...times(5, network)];
  expect(pauses({}, cut).slice(5)).toEqual([250, 500, 1000, 2000, 3000, '-']);
  expect(pauses({}, times(4, network, 40_000))).toEqual([250, 250, 250, 250]);
  expect(pauses({ maxAttempts: 6 }, cut)[5]).toBe('-');
  expect(pauses({ maxDuration: 60_000 }, cut)[5]).toBe('-');
});

test('a date to retry after', () => {
  expect(pauses({}, [[inTwoSeconds(), 1]], 0)[0]).toSatisfy((ms: number) => ms > 1000 && ms <= 2500);
});

test('each request counts for itself', () => {
  const start = retriesOf({ maxAttempts: 2 }, () => 1);
  const [one, other] = [start(), start()];
  expect([one(network, 1), other(network, 1), one(network, 1)]).toEqual([250, 250, undefined]);
});

test('what is retried by default', () => {
  const statuses = [400, 404, 408, 409, 425, 429, 470, 500, 501, 502, 503, 504];
  expect(statuses.filter(status => defaultShouldRetry(answered(status)))).toEqual([
    408, 425, 429, 502, 503, 504,
  ]);
  expect(defaultShouldRetry(network)).toBe(true);
});

test('a terminal error of the handler is not, whatever its code', () => {
  expect(defaultShouldRetry(answered(503, { 'x-restate-error-source': 'invocation' }))).toBe(false);
  expect(defaultShouldRetry(answered(503, {}, '{"source":"invocation"}'))).toBe(false);
  expect(defaultShouldRetry(answered(503, { 'x-restate-error-source': 'ingress' }))).toBe(true);
});

test.for<[string, RetryPolicy]>([
  ['maxAttempts', { maxAttempts: Number.NaN }],
  ['maxDuration', { maxDuration: 'long' as never }],
  ['initialInterval', { initialInterval: { seconds: Number.NaN } }],
])('%s that is no number is refused', ([name, policy]) => {
  expect(() => retriesOf(policy)).toThrow(
    expect.objectContaining({ code: 'HF_SDK_CLIENT', message: expect.stringContaining(`retry.${name}`) }),
  );
});
