/**
 * Code around handlers and around the closures of `run`: for tracing, metrics and loggers.
 *
 * Invariants:
 * - A hook of a closure is called when the closure executes, and not when its result is in the journal.
 * - The answer of an attempt waits for its hooks, because Lambda freezes the function after it; but not longer than the
 *   function may run.
 */
import type { Attempt } from './attempt.ts';
import { SdkUsageError } from './coded-error.ts';
import type { Request } from './context/context.ts';
import { RestateError } from './errors.ts';

/** What is thrown out of an interceptor is as if the handler, or the closure, had thrown it. */
export interface Interceptor {
  /**
   * Around each attempt at the handler. `next`, to be called exactly once, rejects with what the handler throws, and when
   * the attempt ends before the handler does, which is how it suspends (`internal.isSuspendedError`): release what you
   * hold and rethrow.
   */
  handler?: (next: () => Promise<void>) => Promise<void>;
  /** Around each closure of `ctx.run` that executes. `name` is '' where it has none. */
  run?: (name: string, next: () => Promise<void>) => Promise<void>;
}

/** Of one attempt. */
export interface Hooks {
  /** Code around the handler and its steps. */
  interceptor?: Interceptor;
}

/** Called at the start of each attempt, for hooks of this attempt alone. */
export type HooksProvider = (ctx: {
  /** As `ctx.request()`. */
  request: Request;
  /** How many steps are in the journal already; 0 at the first attempt. */
  recordedSteps: number;
}) => Hooks;

/** The handler within its hooks. */
export async function withHooks(
  attempt: Attempt,
  providers: readonly HooksProvider[],
  request: Request,
  handler: () => Promise<Uint8Array>,
): Promise<Uint8Array> {
  attempt.isHeld = true;
  try {
    const recordedSteps = attempt.machine.lastRecordedIndex;
    attempt.interceptors = providers.map(provider => provider({ request, recordedSteps }).interceptor ?? {});
    const result = await intercepted(attempt.interceptors, 'handler', [], async () => {
      attempt.result = await unlessOver(attempt, handler);
      return attempt.result;
    });
    if (!result) throw new SdkUsageError('HF_SDK_HOOK', 'A hook must await next() and rethrow.');
    return result;
  } finally {
    attempt.isHeld = false;
    attempt.schedule();
  }
}

const SUSPENDED = 599;
const ABORTED = 499;

class AttemptOver extends RestateError {}

/**
 * Whether `next()` has rejected with this because the attempt ended without a failure: the handler suspends, or the
 * server is gone.
 */
export const isSuspendedError = (error: unknown): boolean =>
  error instanceof AttemptOver && (error.code === SUSPENDED || error.code === ABORTED);

/** What the handler waits for does not settle once the attempt is over. */
const unlessOver = <T>({ completedSignal, machine }: Attempt, handler: () => Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    const over = () => {
      const { code: errorCode = SUSPENDED, message = 'The handler suspends.' } = machine.failure ?? {};
      reject(new AttemptOver(message, { errorCode }));
    };
    completedSignal.addEventListener('abort', over);
    if (completedSignal.aborted) over();
    handler().then(resolve, reject);
  });

type Hook = (...args: readonly [...name: string[], next: () => Promise<void>]) => Promise<void>;

/** Runs `body` with the interceptors around it, the first one outermost. */
export async function intercepted<T>(
  interceptors: readonly Interceptor[],
  kind: keyof Interceptor,
  name: readonly string[],
  body: () => T | Promise<T>,
): Promise<T> {
  let result!: T;
  await interceptors.reduceRight<() => Promise<void>>(
    (next, interceptor) => async () =>
      interceptor[kind] ? (interceptor as Record<typeof kind, Hook>)[kind](...name, next) : next(),
    async () => {
      result = await body();
    },
  )();
  return result;
}
