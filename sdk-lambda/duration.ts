/** Lengths of time as users write them. Fields add up. */
import { SdkUsageError } from './coded-error.ts';

/** A length of time: the sum of its fields. In place of one, a number is milliseconds. */
export interface Duration {
  /** Of 24 hours. */
  days?: number;
  /** Of 60 minutes. */
  hours?: number;
  /** Of 60 seconds. */
  minutes?: number;
  /** Of 1000 milliseconds. */
  seconds?: number;
  /** Whole ones reach the server. */
  milliseconds?: number;
}

/** Numbers are milliseconds already. What is no duration is NaN; whoever uses it decides what that means. */
export function toMillis(duration: Duration | number): number {
  if (typeof duration === 'number') return duration;
  // Types do not hold for callers in JavaScript, and errors carry durations too: this must not throw.
  if (typeof duration !== 'object' || duration === null) return Number.NaN;
  const { days = 0, hours = 0, minutes = 0, seconds = 0, milliseconds = 0 } = duration;
  return days * 86_400_000 + hours * 3_600_000 + minutes * 60_000 + seconds * 1000 + milliseconds;
}

/** Throws when it is none. */
export function validMillis(duration: Duration | number): number {
  const millis = toMillis(duration);
  if (!Number.isFinite(millis)) throw new SdkUsageError('HF_SDK_ARGUMENT', `${millis} is no duration.`);
  return millis;
}
