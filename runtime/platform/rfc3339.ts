/**
 * Unix milliseconds as RFC 3339 text, in the two spellings that clients of the HTTP API parse. Pure; here
 * because nothing else may construct a `Date`.
 */

/** Latest time that can be written with a four-digit year. */
export const RFC3339_MS_MAX = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

function iso(ms: number): string {
  return new Date(Math.min(Math.max(ms, 0), RFC3339_MS_MAX)).toISOString();
}

/** `2026-11-20T17:17:14.485000000Z` */
export function formatInstantNanos(ms: number): string {
  return `${iso(ms).slice(0, -1)}000000Z`;
}

/** `2026-11-21T17:17:12.454+00:00`; the fraction is left out when it is zero. */
export function formatInstantOffset(ms: number): string {
  const text = iso(ms);
  return `${text.endsWith('.000Z') ? text.slice(0, -5) : text.slice(0, -1)}+00:00`;
}
