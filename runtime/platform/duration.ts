/**
 * Durations as people write them: `500ms`, `10s`, `60 sec`, `1h 30m`, `1.5d`, and ISO 8601 such as `PT10S`.
 *
 * A bare number is no duration, because readers disagree about its unit. A month or year in ISO 8601 has no
 * fixed length and is refused.
 */

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Month and year are the mean ones, 30.44 and 365.25 days. */
const UNITS: readonly (readonly [ms: number, names: string])[] = [
  [1e-6, 'ns nsec nanos nanosecond nanoseconds'],
  [1e-3, 'us µs usec micros microsecond microseconds'],
  [1, 'ms msec msecs millis millisecond milliseconds'],
  [SECOND_MS, 's sec secs second seconds'],
  [MINUTE_MS, 'm min mins minute minutes'],
  [HOUR_MS, 'h hr hrs hour hours'],
  [DAY_MS, 'd day days'],
  [7 * DAY_MS, 'w wk wks week weeks'],
  [30.44 * DAY_MS, 'M mo month months'],
  [365.25 * DAY_MS, 'y yr yrs year years'],
];
const MS_BY_NAME = new Map(UNITS.flatMap(([ms, names]) => names.split(' ').map(name => [name, ms] as const)));

const PART = /\s*(\d+(?:\.\d+)?)\s*([A-Za-zµ]+)\s*/y;
const ISO = /^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:[.,]\d+)?)S)?)?$/i;
const ISO_UNITS_MS = [7 * DAY_MS, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS];

/** Whole milliseconds, rounded; undefined if the text is not a duration or is beyond what a number holds. */
export function parseDurationMs(text: string): number | undefined {
  const ms = /^\s*P/i.test(text) ? isoMs(text.trim()) : friendlyMs(text);
  if (ms === undefined) return undefined;
  const rounded = Math.round(ms);
  return Number.isSafeInteger(rounded) ? rounded : undefined;
}

function friendlyMs(text: string): number | undefined {
  let ms = 0;
  PART.lastIndex = 0;
  do {
    const part = PART.exec(text);
    if (part === null) return undefined;
    const [, amount, unit = ''] = part;
    const unitMs = MS_BY_NAME.get(unit);
    if (unitMs === undefined) return undefined;
    ms += Number(amount) * unitMs;
  } while (PART.lastIndex < text.length);
  return ms;
}

function isoMs(text: string): number | undefined {
  const amounts = ISO.exec(text)?.slice(1);
  if (amounts === undefined || amounts.every(amount => amount === undefined)) return undefined;
  return amounts.reduce(
    (ms, amount, i) => ms + Number((amount ?? '0').replace(',', '.')) * (ISO_UNITS_MS[i] ?? 0),
    0,
  );
}

const SHOWN: readonly (readonly [ms: number, unit: string])[] = [
  [DAY_MS, 'd'],
  [HOUR_MS, 'h'],
  [MINUTE_MS, 'm'],
  [SECOND_MS, 's'],
  [1, 'ms'],
];

/** `1d`, `500ms`, `1h 30m`, `0s`: read back by `parseDurationMs` as the same number. Rounds to milliseconds. */
export function formatDuration(ms: number): string {
  if (!(ms >= 0 && Number.isFinite(ms))) throw new Error(`${ms} ms is not a duration`);
  let rest = Math.round(ms);
  const parts: string[] = [];
  for (const [unitMs, unit] of SHOWN) {
    const amount = Math.floor(rest / unitMs);
    if (amount > 0) parts.push(`${amount}${unit}`);
    rest -= amount * unitMs;
  }
  return parts.length === 0 ? '0s' : parts.join(' ');
}
