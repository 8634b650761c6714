/**
 * The types a setting can have: what is accepted, and what it becomes. A value arrives as the text of an
 * environment variable or as a JSON value of the settings file; both are accepted wherever they mean the same.
 */

import { HTTP_ENDPOINTS_ACCEPTED, parseHostRule } from '../invoker/http-endpoint.ts';
import type { HostRule } from '../platform/address-guard.ts';
import { formatDuration, parseDurationMs } from '../platform/duration.ts';

interface Range {
  readonly min?: number;
  readonly max?: number;
}

export type SettingType =
  | { readonly kind: 'port' }
  | ({ readonly kind: 'duration' } & Range)
  | ({ readonly kind: 'bytes' } & Range)
  | ({ readonly kind: 'integer' } & Range)
  | ({ readonly kind: 'number' } & Range)
  | { readonly kind: 'boolean' }
  | { readonly kind: 'enum'; readonly values: readonly string[] }
  /** `optional`: empty for none. */
  | { readonly kind: 'path'; readonly optional?: true }
  /** Hosts and ranges of addresses, separated by commas; empty for none. */
  | { readonly kind: 'hosts' }
  /** `s3://bucket/prefix`; empty for none. */
  | { readonly kind: 's3' }
  | { readonly kind: 'host' }
  | { readonly kind: 'url' };

type Kind = SettingType['kind'];
type Of<K extends Kind> = Extract<SettingType, { kind: K }>;
export type RawValue = string | number | boolean;

interface Rule<K extends Kind> {
  /** The value, or undefined if it is not accepted. */
  readonly parse: (raw: RawValue, type: Of<K>) => RawValue | undefined;
  /** Ends the sentence "accepted: ...". */
  readonly accepted: (type: Of<K>) => string;
}

const RULES: { readonly [K in Kind]: Rule<K> } = {
  port: {
    parse: raw => within(integer(raw), { min: 0, max: 65_535 }),
    accepted: () => 'a port from 0 to 65535, where 0 takes a free one',
  },
  duration: {
    parse: (raw, type) => within(typeof raw === 'string' ? parseDurationMs(raw) : undefined, type),
    accepted: type => `a duration such as 500ms, 10s, 1h 30m, 1d or PT10S${bounds(type, formatDuration)}`,
  },
  bytes: {
    parse: (raw, type) => within(bytes(raw), type),
    accepted: type => `a number of bytes such as 1048576, 32MiB or 64MB${bounds(type, formatBytes)}`,
  },
  integer: {
    parse: (raw, type) => within(integer(raw), type),
    accepted: type => `a whole number${bounds(type, String)}`,
  },
  number: {
    parse: (raw, type) => within(decimal(raw), type),
    accepted: type => `a number${bounds(type, String)}`,
  },
  boolean: {
    parse: raw =>
      raw === true || raw === 'true' ? true : raw === false || raw === 'false' ? false : undefined,
    accepted: () => 'true or false',
  },
  enum: {
    parse: (raw, type) => (typeof raw === 'string' && type.values.includes(raw) ? raw : undefined),
    accepted: type => type.values.map(value => `\`${value}\``).join(' or '),
  },
  path: {
    parse: (raw, { optional }) =>
      typeof raw === 'string' && (raw !== '' || optional === true) && !raw.includes('\0') ? raw : undefined,
    accepted: ({ optional }) =>
      `a path; a relative one starts at the working directory${optional ? '; empty for none' : ''}`,
  },
  hosts: {
    parse: raw => (typeof raw === 'string' && hostRules(raw) !== undefined ? raw : undefined),
    accepted: () => `${HTTP_ENDPOINTS_ACCEPTED}, separated by commas; empty for none`,
  },
  s3: {
    parse: raw => (typeof raw === 'string' && (raw === '' || bucketOf(raw) !== undefined) ? raw : undefined),
    accepted: () => '`s3://bucket` or `s3://bucket/prefix`; empty for none',
  },
  host: {
    parse: raw => (typeof raw === 'string' && isHost(raw) ? raw : undefined),
    accepted: () => 'an IP address or host name, without a port',
  },
  url: {
    parse: raw => (typeof raw === 'string' && isHttpUrl(raw) ? raw : undefined),
    accepted: () => 'an http:// or https:// URL without user name and password',
  },
};

/** What a setting of hosts means; undefined: an entry of it means nothing. */
export function hostRules(text: string): readonly HostRule[] | undefined {
  const rules: HostRule[] = [];
  for (const entry of text.split(',')) {
    if (entry.trim() === '') continue;
    const rule = parseHostRule(entry.trim());
    if (rule === undefined) return undefined;
    rules.push(rule);
  }
  return rules;
}

/** Undefined: it is not `s3://bucket/prefix`. The prefix is empty or ends with a slash. */
export function bucketOf(text: string): { readonly bucket: string; readonly prefix: string } | undefined {
  const [, bucket, prefix = ''] =
    /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([\w!.*'()/-]{0,512}?))?\/?$/.exec(text) ?? [];
  if (bucket === undefined) return undefined;
  return { bucket, prefix: prefix === '' ? '' : `${prefix}/` };
}

export function parseSetting(type: SettingType, raw: RawValue): RawValue | undefined {
  return (RULES[type.kind] as Rule<Kind>).parse(raw, type);
}

export function acceptedText(type: SettingType): string {
  return (RULES[type.kind] as Rule<Kind>).accepted(type);
}

function within(
  value: number | undefined,
  { min = 0, max = Number.MAX_SAFE_INTEGER }: Range,
): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}

function bounds({ min, max }: Range, show: (value: number) => string): string {
  if (min !== undefined && max !== undefined) return `, from ${show(min)} to ${show(max)}`;
  if (min !== undefined) return `, at least ${show(min)}`;
  return max === undefined ? '' : `, at most ${show(max)}`;
}

function integer(raw: RawValue): number | undefined {
  const value = decimal(raw);
  return Number.isSafeInteger(value) ? value : undefined;
}

function decimal(raw: RawValue): number | undefined {
  if (typeof raw === 'number') return raw;
  return typeof raw === 'string' && /^\d+(\.\d+)?$/.test(raw) ? Number(raw) : undefined;
}

const BYTES_BY_UNIT: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

function bytes(raw: RawValue): number | undefined {
  const [, amount, unit = ''] = /^(\d+) ?([kmg]i?b|b|)$/i.exec(String(raw)) ?? [];
  const perUnit = BYTES_BY_UNIT[unit.toLowerCase()];
  return amount === undefined || perUnit === undefined ? undefined : integer(Number(amount) * perUnit);
}

/** The URL parser knows IPv6 and refuses what only looks like an IPv4 address. */
function isHost(text: string): boolean {
  if (text.includes(':')) return /^[\da-f:.]+$/i.test(text) && URL.canParse(`http://[${text}]`);
  const isName = /^(?!-)[a-z\d-]{1,63}(?<!-)(\.(?!-)[a-z\d-]{1,63}(?<!-))*$/i.test(text);
  return isName && text.length <= 253 && URL.canParse(`http://${text}`);
}

function formatBytes(value: number): string {
  if (value % 2 ** 20 === 0) return `${value / 2 ** 20}MiB`;
  return value % 2 ** 10 === 0 ? `${value / 2 ** 10}KiB` : String(value);
}

function isHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return (protocol === 'http:' || protocol === 'https:') && username === '' && password === '';
}
