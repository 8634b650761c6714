/**
 * When a failed attempt is repeated. Pure.
 *
 * Invariants: the first attempt counts, so `maxAttempts` of 3 means three attempts in all; a delay that the
 * handler or its host asked for (`next_retry_delay`, `Retry-After`) replaces the policy's and takes no attempt of
 * it, but there are at most `OVERRIDES_MAX` of those in a row, after which they count like any other failure; a
 * failure that would repeat exactly is not retried at all, and one that looks as if it would (a journal mismatch, an
 * answer that is no answer) pauses when it comes `SUSPECT_MAX` times in a row, whatever the policy allows; a delay is never below the policy's own step and at
 * most `JITTER` above it, and at most `OVERRIDE_MS_MAX` when asked for.
 */

import { type Failures, type RetryPolicy, TIME_MAX } from '../core/model.ts';

export interface AttemptError {
  /** Asked for by the handler or by its host. */
  readonly nextRetryDelayMs?: number;
  /** The same attempt would fail in the same way, whatever it waits (a payload past Lambda's limit). */
  readonly deterministic?: boolean;
  /** What kind of failure it was. */
  readonly failure?: { readonly code: string };
}

export type RetryStep =
  | { readonly kind: 'retry'; readonly delayMs: number; readonly failures: Failures }
  | { readonly kind: 'pause' }
  | { readonly kind: 'kill' };

/** Delays are spread over up to this share of themselves, so that what failed together does not return together. */
export const JITTER = 0.3;
/** A handler that asks for a delay at every attempt must not run for ever: 10,000 calls, then the policy. */
export const OVERRIDES_MAX = 10_000;
/** A day. A longer wait is a `sleep`, which costs nothing; a wild `Retry-After` must not park work for years. */
export const OVERRIDE_MS_MAX = 24 * 3600_000;

/**
 * Limits, protocol violations, journal mismatches and refused operations follow from the code, but a garbled answer
 * may come from something in between: a few times may be bad luck.
 */
const SUSPECT: ReadonlySet<string> = new Set(['RT0003', 'RT0012', 'RT0016', 'RT0017', 'RT0019']);
const SUSPECT_MAX = 3;

/** `failures` are those before this one; `jitter` is uniform in [0, 1). */
export function nextStep(
  policy: RetryPolicy,
  failures: Failures,
  error: AttemptError,
  jitter: number,
): RetryStep {
  if (error.deterministic === true) return { kind: 'pause' };
  const suspect = error.failure !== undefined && SUSPECT.has(error.failure.code) ? failures.suspect + 1 : 0;
  if (suspect >= SUSPECT_MAX) return { kind: 'pause' };
  const asked = error.nextRetryDelayMs;
  if (asked !== undefined && failures.overrides < OVERRIDES_MAX) {
    const delayMs = Math.min(Math.max(asked, 0), OVERRIDE_MS_MAX);
    return { kind: 'retry', delayMs, failures: { ...failures, overrides: failures.overrides + 1, suspect } };
  }
  const counted = failures.counted + 1;
  if (policy.maxAttempts !== undefined && counted >= policy.maxAttempts)
    return { kind: policy.onMaxAttempts };
  const delayMs = Math.min(Math.round(intervalMs(policy, counted) * (1 + JITTER * jitter)), TIME_MAX);
  // Bounded overrides stay used up until there is progress; other failures in between forgive them.
  const overrides = asked === undefined ? 0 : failures.overrides;
  return { kind: 'retry', delayMs, failures: { counted, overrides, suspect } };
}

/** The policy's step after its `counted`-th failure, without jitter. */
function intervalMs(policy: RetryPolicy, counted: number): number {
  // `factor ** 69` may be Infinity, and 0 * Infinity is not a number.
  if (policy.initialIntervalMs <= 0) return 0;
  return Math.min(policy.initialIntervalMs * policy.factor ** (counted - 1), policy.maxIntervalMs);
}
