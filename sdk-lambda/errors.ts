/**
 * The errors of the public API. What is thrown decides what happens: a TerminalError is a result (it reaches the
 * caller, is journaled and never retried); anything else fails the attempt, which the server retries.
 */
import type { WireFailure } from '@holdfast/protocol';
import { type Duration, toMillis } from './duration.ts';

const INTERNAL_ERROR = 500;

/** What all errors take. */
export interface RestateErrorOptions {
  /** As a status code of HTTP. @default 500 */
  readonly errorCode?: number;
  /** As `Error.cause`. Stays here: it is not sent. */
  readonly cause?: unknown;
}

/** What the others have in common. */
export class RestateError extends Error {
  /** As a status code of HTTP. */
  readonly code: number;
  override name = 'RestateError';
  constructor(message: string, options: RestateErrorOptions = {}) {
    super(message, options);
    this.code = options.errorCode ?? INTERNAL_ERROR;
  }
}

/** What a TerminalError takes. */
export interface TerminalErrorOptions extends RestateErrorOptions {
  /** Travels with the error to whoever awaits this invocation. Needs protocol version 6. */
  readonly metadata?: Record<string, string> | undefined;
}

/**
 * Ends the invocation, or a step, with this failure: nothing is retried, the caller gets code, message and metadata.
 */
export class TerminalError extends RestateError {
  override name = 'TerminalError';
  /** As it was given, or as it was sent. */
  readonly metadata?: Record<string, string>;
  constructor(message: string, options: TerminalErrorOptions = {}) {
    super(message, options);
    // The cast: so that the type is that of the Restate SDK also where optional is not undefined.
    this.metadata = options.metadata as Record<string, string>;
  }
}

/** `orTimeout` ran out. */
export class TimeoutError extends TerminalError {
  override name = 'TimeoutError';
  constructor() {
    super('Timeout occurred', { errorCode: 408 });
  }
}

/** The invocation was cancelled. May be caught to compensate; a later cancellation is thrown again. */
export class CancelledError extends TerminalError {
  override name = 'CancelledError';
  constructor() {
    super('Cancelled', { errorCode: 409 });
  }
}

/** When to retry. */
export interface RetryableErrorOptions {
  /** Retry after this long instead of after the policy's next interval. */
  readonly retryAfter?: Duration | number;
}

/** Fails the attempt or the closure of a run, as any error does, and says when to retry. */
export class RetryableError extends RestateError {
  override name = 'RetryableError';
  /** As it was given; a number is ms. */
  readonly retryAfter?: Duration | number;
  constructor(message: string, options: RetryableErrorOptions & RestateErrorOptions = {}) {
    super(message, options);
    this.retryAfter = options.retryAfter as Duration;
  }
  /** With the message of its cause. */
  static from(cause: unknown, options: RetryableErrorOptions = {}): RetryableError {
    return new RetryableError(asError(cause).message, { ...options, cause });
  }
}

/**
 * What an error asks for. Of ours by its own fields and not by its class, so that a bundle has only those classes that
 * its handlers throw.
 */
const wish = (error: unknown): Partial<RetryableError> => (error instanceof RestateError ? error : {});

/** The delay of a RetryableError. */
export function retryAfterMs(thrown: unknown): number | undefined {
  const { retryAfter } = wish(thrown);
  return retryAfter === undefined ? undefined : toMillis(retryAfter);
}

export const isPause = (thrown: unknown): boolean => wish(thrown).name === 'PauseError';

/**
 * For closures of `run`: no retry of the closure will help, a person has to look. Pauses the invocation; the run's own
 * retry options do not turn it into a result. Before protocol version 7 the service's policy decides, which by default
 * pauses in the end.
 */
export class PauseError extends RestateError {
  override name = 'PauseError';
  /** With the message of its cause. */
  static from(cause: unknown): PauseError {
    return new PauseError(asError(cause).message, { cause });
  }
}

/** JavaScript can throw anything; the protocol carries errors. Never throws itself, for that would lose the failure. */
export function asError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  try {
    // An error of another realm is no instance of ours.
    const message = (thrown as { readonly message?: unknown } | null | undefined)?.message;
    return new Error(typeof message === 'string' ? message : `Non-Error value: ${JSON.stringify(thrown)}`);
  } catch {
    // Circular, a BigInt, or a getter that throws.
    return new Error(`Non-Error value of type ${typeof thrown}`);
  }
}

/** What was thrown, and as what it is a result, if it is one. */
export interface Classified {
  readonly error: Error;
  readonly terminal?: TerminalError | undefined;
}

/** `asTerminal` is user code too: what it throws fails the attempt. */
export function classify(
  thrown: unknown,
  asTerminal?: (error: unknown) => TerminalError | undefined,
): Classified {
  try {
    const terminal = thrown instanceof TerminalError ? thrown : asTerminal?.(thrown);
    return { error: asError(thrown), terminal };
  } catch (fromUser) {
    return { error: asError(fromUser) };
  }
}

const UINT32_MAX = 0xffffffff;

/** Whatever user code put into the error, what comes out encodes: failing here would lose the failure. */
export function toWireFailure({ code, message, metadata }: TerminalError): WireFailure {
  return {
    code: Number.isInteger(code) && code >= 0 && code <= UINT32_MAX ? code : INTERNAL_ERROR,
    message: textOf(message),
    metadata: Object.entries(metadata ?? {}).map(([key, value]) => ({ key, value: textOf(value) })),
  };
}

function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    // An object without a prototype, or with a toString that throws.
    return typeof value;
  }
}

export const fromWireFailure = ({ code, message, metadata }: WireFailure): TerminalError =>
  new TerminalError(message, {
    errorCode: code,
    metadata: metadata.length === 0 ? undefined : Object.fromEntries(metadata.map(m => [m.key, m.value])),
  });
