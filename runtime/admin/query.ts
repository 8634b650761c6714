/** Query parameters of the admin API. */
import { type Refusal, refuse } from './answers.ts';

/** Refuses what `URLSearchParams` would guess at: that names another key or range than the one meant. */
export function queryParameter(query: string, name: string): string | undefined {
  const [value, ...more] = new URLSearchParams(query).getAll(name);
  if (more.length > 0) throw badParameter(name, 'it is given more than once');
  if (query.includes('%') && !isEncoded(query)) throw refuse(400, 'malformed percent-encoding in the query');
  return value;
}

function isEncoded(query: string): boolean {
  try {
    decodeURIComponent(query);
    return true;
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return false;
  }
}

export function badParameter(name: string, why: string): Refusal {
  return refuse(400, `The query parameter '${name}' is invalid: ${why}`);
}

export function booleanParameter(query: string, name: string): boolean | undefined {
  const text = queryParameter(query, name);
  if (text === undefined) return undefined;
  if (text !== 'true' && text !== 'false') throw badParameter(name, 'it is neither true nor false');
  return text === 'true';
}

export function numberParameter(query: string, name: string, max: number): number | undefined {
  const text = queryParameter(query, name);
  if (text === undefined) return undefined;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= max)) throw badParameter(name, `it is not a number from 0 to ${max}`);
  return value;
}
