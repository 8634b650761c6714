/**
 * Which failures are worth another attempt, and after how long. Pure: no clock, no timer. Whether a request may be
 * repeated at all is decided where it is made.
 */
import type { Duration } from '../duration.ts';
import { errorOf } from './http-call-error.ts';
import { millis } from './usage.ts';

/** How an attempt failed. */
export type RetryFailure =
  | {
      /** No answer, or not a whole one: `fetch` rejected with this. */
      readonly kind: 'network';
      readonly error: unknown;
    }
  | {
      /** An answer that is no success. */
      readonly kind: 'response';
      readonly status: number;
      readonly headers: Headers;
      /** As text, if there is one. */
      readonly body?: string;
    };

/**
 * When requests that may be repeated are repeated: calls and sends with an idempotency key; `workflowSubmit`,
 * `workflowAttach` and `workflowOutput`; `result`; awakeables.
 *
 * The pause before an attempt is a random part of an interval that grows. An attempt that was open for 30 seconds before
 * it failed was no failure to reach the server but a long wait that something cut short, so bounds are counted from there;
 * unless one of them is set.
 */
export interface RetryPolicy {
  /** With the first. `false`: no bound. @default 6 */
  maxAttempts?: number | false | undefined;
  /**
   * From the first attempt on; milliseconds, or a duration. No attempt begins later; none is broken off by it, which is
   * what `timeout` does. `false`: no bound. @default 60 seconds
   */
  maxDuration?: Duration | number | false | undefined;
  /** Longest pause before the second attempt; milliseconds, or a duration. @default 250 */
  initialInterval?: Duration | number | undefined;
  /** Longest pause; milliseconds, or a duration. @default 3000 */
  maxInterval?: Duration | number | undefined;
  /** By how much the longest pause grows with each attempt. @default 2 */
  exponentiationFactor?: number | undefined;
  /** Whether a pause is at least as long as the header `Retry-After` of the answer says. @default true */
  respectRetryAfter?: boolean | undefined;
  /**
   * Which failures are retried. `attempt` is the one that failed, from 0. Only asked about requests that may be repeated
   * and within the bounds.
   *
   * @default defaultShouldRetry
   */
  shouldRetry?: ((failure: RetryFailure, attempt: number) => boolean) | undefined;
}

/** What passes: too late, too early, too many, bad gateway, unavailable, gateway timeout. */
const TRANSIENT = [408, 425, 429, 502, 503, 504];

/**
 * No answer, or one of the statuses 408, 425, 429, 502, 503 and 504; but never a terminal error of the handler, whose
 * code may be one of these.
 */
export function defaultShouldRetry(failure: RetryFailure): boolean {
  if (failure.kind === 'network') return true;
  return TRANSIENT.includes(failure.status) && !errorOf('', failure).terminal;
}

/** For one request: told of each attempt that failed, and after how long, it says how long to pause before the next one. */
export type StartRetries = () => (failure: RetryFailure, attemptMs: number) => number | undefined;

/** A wait that something cut short, such as a load balancer that ends what is idle. */
const HELD_MS = 30_000;

/** @throws SdkUsageError a bound or an interval that is no number */
export function retriesOf(policy: RetryPolicy, random: () => number = Math.random): StartRetries {
  const value = (name: keyof typeof DEFAULTS): number => {
    const given = policy[name] ?? DEFAULTS[name];
    return given === false ? Number.POSITIVE_INFINITY : millis(`retry.${name}`, given);
  };
  const maxAttempts = value('maxAttempts');
  const maxDuration = value('maxDuration');
  const initial = value('initialInterval');
  const longest = value('maxInterval');
  const factor = value('exponentiationFactor');
  const { shouldRetry = defaultShouldRetry, respectRetryAfter = true } = policy;
  const bounded = (policy.maxAttempts ?? policy.maxDuration) !== undefined;

  return () => {
    let failures = 0;
    let elapsedMs = 0;
    return (failure, attemptMs) => {
      elapsedMs += attemptMs;
      if (attemptMs >= HELD_MS && !bounded) failures = elapsedMs = 0;
      if (++failures >= maxAttempts || !shouldRetry(failure, failures - 1)) return undefined;
      // Anything between nothing and the interval: those who failed together do not come back together.
      const jitter = random() * Math.min(longest, initial * factor ** (failures - 1));
      const pause = jitter + (respectRetryAfter && failure.kind === 'response' ? retryAfterMs(failure) : 0);
      elapsedMs += pause;
      return elapsedMs > maxDuration ? undefined : pause;
    };
  };
}

const DEFAULTS = {
  maxAttempts: 6,
  maxDuration: 60_000,
  initialInterval: 250,
  maxInterval: 3000,
  exponentiationFactor: 2,
};

/** The header is a number of seconds or a date. */
function retryAfterMs({ headers }: { readonly headers: Headers }): number {
  const value = headers.get('retry-after') ?? '';
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return ms > 0 ? ms : 0;
}
