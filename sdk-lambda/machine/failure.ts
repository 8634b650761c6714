/** How an attempt fails, and what the server is asked to make of it. */
import { withPage } from '../coded-error.ts';

/** Codes of an ErrorMessage. */
export const USER_ERROR = 500;
export const JOURNAL_MISMATCH = 570;
export const PROTOCOL_VIOLATION = 571;
const UNSUPPORTED_FEATURE = 573;

/** An attempt that fails and is retried. */
export interface AttemptFailure {
  readonly code: number;
  readonly message: string;
  readonly stacktrace?: string | undefined;
  readonly relatedCommand?: CommandRef | undefined;
  readonly nextRetryDelayMs?: number | undefined;
  /** What to do in place of a retry. Protocols before 7 cannot say it: there the policy of the service decides. */
  readonly behavior?: OnFailure | undefined;
}

/** As the ErrorMessage has it. */
export interface CommandRef {
  readonly relatedCommandIndex: number;
  readonly relatedCommandType: number;
  readonly relatedCommandName: string | undefined;
}

/** Protocols before `needed` cannot carry it. */
export const unsupported = (feature: string, needed: number, version: number): AttemptFailure => ({
  code: UNSUPPORTED_FEATURE,
  message: withPage(`${feature} needs protocol version ${needed}, not ${version}.`, 'HF_SDK_FEATURE'),
});

export type OnFailure = 'retry' | 'pause' | 'fail';
/** In the order of their numbers. */
export const BEHAVIORS: readonly OnFailure[] = ['retry', 'pause', 'fail'];
