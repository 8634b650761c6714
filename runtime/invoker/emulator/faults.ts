/**
 * What an invocation that a function did not answer says: Lambda's own error types and sentences, pure.
 * They are part of the wire: callers (and the orchestrator's retry policy) tell a crash, a timeout and an
 * oversized response apart by them.
 */

import type { Fault } from './frames.ts';

/** Node's signal names, in the words of the process supervisor that Lambda runs functions under. */
const SIGNAL_WORDS: Readonly<Record<string, string>> = {
  SIGABRT: 'aborted',
  SIGBUS: 'bus error',
  SIGFPE: 'floating point exception',
  SIGHUP: 'hangup',
  SIGILL: 'illegal instruction',
  SIGINT: 'interrupt',
  SIGKILL: 'killed',
  SIGSEGV: 'segmentation fault',
  SIGTERM: 'terminated',
  SIGTRAP: 'trace/breakpoint trap',
};

export type ExitCause = 'exited' | 'outOfMemory';

export function exitFault(
  requestId: string,
  code: number | null,
  signal: string | null,
  cause: ExitCause,
): Fault {
  const how =
    signal !== null
      ? `Runtime exited with error: signal: ${SIGNAL_WORDS[signal] ?? signal}`
      : code === 0
        ? 'Runtime exited without providing a reason'
        : `Runtime exited with error: exit status ${code}`;
  return {
    errorType: cause === 'outOfMemory' ? 'Runtime.OutOfMemory' : 'Runtime.ExitError',
    errorMessage: `RequestId: ${requestId} Error: ${how}`,
  };
}

export function timeoutFault(requestId: string, limitMs: number): Fault {
  return {
    errorType: 'Sandbox.Timedout',
    errorMessage: `RequestId: ${requestId} Error: Task timed out after ${(limitMs / 1000).toFixed(2)} seconds`,
  };
}

/** The limit Lambda names in its own message. */
export const RESPONSE_BYTES_MAX = 6_291_556;

export const RESPONSE_TOO_LARGE: Fault = {
  errorType: 'Function.ResponseSizeTooLarge',
  errorMessage: `Response payload size exceeded maximum allowed payload size (${RESPONSE_BYTES_MAX} bytes).`,
};
