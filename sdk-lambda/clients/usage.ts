/** Mistakes of those who use the client. */
import { SdkUsageError } from '../coded-error.ts';
import { type Duration, toMillis } from '../duration.ts';

export function refuse(message: string): never {
  throw new SdkUsageError('HF_SDK_CLIENT', message);
}

/** What is over already is no time. */
export function millis(name: string, value: Duration | number): number {
  const ms = toMillis(value);
  if (Number.isNaN(ms)) refuse(`${name} is not a number or duration.`);
  return Math.max(0, ms);
}
