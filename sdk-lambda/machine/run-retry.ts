/** When a failed run closure is retried, and when its failure becomes its result. Pure. */
import { type Duration, toMillis } from '../duration.ts';

/** Any of these replaces the server's policy for this run. */
export interface RunRetryPolicy {
  /** Attempts in total before the failure becomes the result. @default unlimited */
  maxRetryAttempts?: number;
  /** @default unlimited */
  maxRetryDuration?: Duration | number;
  /** @default 50 ms */
  initialRetryInterval?: Duration | number;
  /** @default 10 s */
  maxRetryInterval?: Duration | number;
  /** @default 2 */
  retryIntervalFactor?: number;
}

const DEFAULT_INITIAL_INTERVAL_MS = 50;
const DEFAULT_MAX_INTERVAL_MS = 10_000;
const DEFAULT_FACTOR = 2;
const UNLIMITED = Number.POSITIVE_INFINITY;

/**
 * `attempts` counts the one that has just failed. `requestedDelayMs`, from a RetryableError, replaces the
 * policy's interval but not its bounds. Undefined: the failure is the result. Without a delay the server's own policy
 * decides on it.
 */
export function retryRun(
  policy: RunRetryPolicy,
  attempts: number,
  elapsedMs: number,
  requestedDelayMs: number | undefined,
): { readonly delayMs: number | undefined } | undefined {
  const { maxRetryAttempts, maxRetryDuration, initialRetryInterval, maxRetryInterval, retryIntervalFactor } =
    policy;
  const given =
    maxRetryAttempts ?? maxRetryDuration ?? initialRetryInterval ?? maxRetryInterval ?? retryIntervalFactor;
  if (given === undefined) return { delayMs: requestedDelayMs };
  if (attempts >= (maxRetryAttempts ?? UNLIMITED) || elapsedMs >= toMillis(maxRetryDuration ?? UNLIMITED))
    return undefined;
  const interval =
    toMillis(initialRetryInterval ?? DEFAULT_INITIAL_INTERVAL_MS) *
    (retryIntervalFactor ?? DEFAULT_FACTOR) ** (attempts - 1);
  const longest = toMillis(maxRetryInterval ?? DEFAULT_MAX_INTERVAL_MS);
  return { delayMs: requestedDelayMs ?? Math.min(interval, longest) };
}
