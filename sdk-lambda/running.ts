/**
 * Whose code is running, across its awaits, and so what of an attempt it may use.
 *
 * Invariants:
 * - A step inside a closure would be missing on replay, when the closure does not execute; and a wait there would be for
 *   ever, because the attempt does not suspend while closures execute.
 * - Steps after the end of the handler are in no journal, and those that another handler takes would come anywhere in
 *   this one's.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { SdkUsageError } from './coded-error.ts';

/** What of it runs is an attempt in its handler, and its runs in a closure. */
export interface Runnable {
  readonly mark: symbol;
  readonly runs: { readonly mark: symbol };
  readonly machine: { readonly start: { readonly debugId: string } };
  hasEnded: boolean;
}

/** Marks, since what is stored lives as long as a socket or a timer that was opened meanwhile. */
export const running = /* @__PURE__ */ new AsyncLocalStorage<symbol>();

/** `code` in what holds now for those who ask whose it is, user code's own storages included. */
export const bindNow = <T>(code: () => T): (() => T) => AsyncLocalStorage.bind(code);

/** Throws unless steps of `attempt` may be taken and waited for here. */
export function assertMayUse(attempt: Runnable): void {
  const who = running.getStore();
  const refuse = (code: string, where: string): never => {
    throw new SdkUsageError(code, `The context of ${attempt.machine.start.debugId} was used ${where}.`);
  };
  if (who === attempt.runs.mark) refuse('HF_SDK_NESTED_STEP', 'inside a closure of ctx.run');
  if (who && who !== attempt.mark) refuse('HF_SDK_FOREIGN_CONTEXT', 'by another invocation');
  if (attempt.hasEnded) refuse('HF_SDK_CONTEXT_ENDED', 'after the end of its handler');
}

/**
 * The handler, which has ended when this has: it did not if it suspends. Not an async function, which would be a frame
 * in the stacks of user code.
 */
export function runHandler<T>(attempt: Runnable, handler: () => Promise<T>): Promise<T> {
  const result = running.run(attempt.mark, handler);
  const ended = (): void => {
    attempt.hasEnded = true;
  };
  // Before those who get the result go on, for they come after.
  result.then(ended, ended);
  return result;
}
