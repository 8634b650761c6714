/** When a failed run closure is retried, and when its failure becomes its result. Pure. */
export interface RunRetryPolicy {
  readonly initialIntervalMs: number;
  readonly maxIntervalMs: number;
  readonly factor: number;
  readonly maxAttempts: number;
  readonly maxDurationMs: number;
}

export type RunRetryDecision =
  | { readonly giveUp: true }
  /** Without a delay the server's own policy decides. */
  | { readonly giveUp: false; readonly delayMs: number | undefined };

/**
 * `attempts` counts the one that has just failed. `requestedDelayMs`, from a RetryableError, replaces the
 * policy's interval but not its bounds.
 */
export function retryRun(
  policy: RunRetryPolicy | undefined,
  history: { readonly attempts: number; readonly elapsedMs: number },
  requestedDelayMs: number | undefined,
): RunRetryDecision {
  if (policy === undefined) return { giveUp: false, delayMs: requestedDelayMs };
  if (history.attempts >= policy.maxAttempts || history.elapsedMs >= policy.maxDurationMs)
    return { giveUp: true };
  const interval = policy.initialIntervalMs * policy.factor ** (history.attempts - 1);
  return { giveUp: false, delayMs: requestedDelayMs ?? Math.min(interval, policy.maxIntervalMs) };
}
