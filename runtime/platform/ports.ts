/**
 * What the runtime takes from the outside, as narrow ports. Nothing outside `platform/` reads a clock, sets a
 * timer, draws a random number or does I/O; the simulator supplies its own implementations of all of them.
 */

export interface Clock {
  /** Wall clock, Unix milliseconds. May jump; durations use `monotonicMs`. */
  now(): number;
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonicMs(): number;
}

export interface TimerHandle {
  readonly __timer?: never;
}

export interface Timers {
  /** Runs `callback` once, no earlier than `delayMs` from now. */
  set(delayMs: number, callback: () => void): TimerHandle;
  clear(handle: TimerHandle): void;
  /** Runs `callback` in the next turn of the event loop, after pending I/O callbacks. */
  soon(callback: () => void): void;
}

export interface Random {
  /** `length` cryptographically strong bytes (the simulator: seeded). */
  bytes(length: number): Uint8Array;
  /** Uniform in [0, 1). */
  float(): number;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured log: an event name in the past tense and fields. Never bodies, headers or credentials. */
export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}
