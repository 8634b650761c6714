/** `run`: a closure whose result is journaled. */
import type { Attempt } from '../attempt.ts';
import { toMillis } from '../duration.ts';
import type { RunRetryPolicy } from '../machine/run-retry.ts';
import { type RestatePromise, valueWith } from '../promise.ts';
import type { Serde } from '../serde.ts';
import type { RunAction, RunOptions } from './context.ts';

const DEFAULT_INITIAL_INTERVAL_MS = 50;
const DEFAULT_MAX_INTERVAL_MS = 10_000;
const DEFAULT_FACTOR = 2;
const UNLIMITED = Number.POSITIVE_INFINITY;

export function run<T>(
  attempt: Attempt,
  defaultSerde: Serde<unknown>,
  name: string,
  closure: RunAction<T>,
  options: RunOptions<T> = {},
): RestatePromise<T> {
  const serde = options.serde ?? (defaultSerde as Serde<T>);
  const id = attempt.command('RunCommand', { name });
  const command = attempt.machine.lastCommand;
  if (command !== undefined && !attempt.machine.over) {
    attempt.run({ id, command, closure, serde: serde as Serde<unknown>, retry: policyOf(options) });
  }
  return attempt.leaf<T>(id, valueWith(serde)) as unknown as RestatePromise<T>;
}

/** Any retry option replaces the server's policy for this run. */
function policyOf<T>(options: RunOptions<T>): RunRetryPolicy | undefined {
  const { maxRetryAttempts, maxRetryDuration, initialRetryInterval, maxRetryInterval, retryIntervalFactor } =
    options;
  const given =
    maxRetryAttempts ?? maxRetryDuration ?? initialRetryInterval ?? maxRetryInterval ?? retryIntervalFactor;
  if (given === undefined) return undefined;
  return {
    initialIntervalMs: toMillis(initialRetryInterval ?? DEFAULT_INITIAL_INTERVAL_MS),
    maxIntervalMs: toMillis(maxRetryInterval ?? DEFAULT_MAX_INTERVAL_MS),
    factor: retryIntervalFactor ?? DEFAULT_FACTOR,
    maxAttempts: maxRetryAttempts ?? UNLIMITED,
    maxDurationMs: maxRetryDuration === undefined ? UNLIMITED : toMillis(maxRetryDuration),
  };
}
