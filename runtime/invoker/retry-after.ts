/**
 * The `Retry-After` header: whole seconds, or a date in the form of RFC 9110 or RFC 2822. Anything else is
 * ignored. A date in the past means "now".
 */

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DATE =
  /^(?:[a-z]{3}, *)?(\d{1,2}) ([a-z]{3}) (\d{4}) (\d{2}):(\d{2})(?::(\d{2}))? (?:gmt|utc?|([+-])(\d{2})(\d{2}))$/i;

/** Milliseconds from `nowMs`, or undefined if the header says nothing usable. */
export function parseRetryAfterMs(value: string, nowMs: number): number | undefined {
  const text = value.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [, day, monthName = '', year, hour, minute, second = '0', sign, offsetHours, offsetMinutes] = match;
  const month = MONTHS.indexOf(monthName.toLowerCase());
  if (month < 0 || Number(day) > 31 || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) {
    return undefined;
  }
  const local = Date.UTC(Number(year), month, Number(day), Number(hour), Number(minute), Number(second));
  const offsetMs = (Number(offsetHours ?? 0) * 60 + Number(offsetMinutes ?? 0)) * 60_000;
  const atMs = sign === '-' ? local + offsetMs : local - offsetMs;
  return Math.max(0, atMs - nowMs);
}
