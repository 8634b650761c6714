/**
 * Reads a table of settings: defaults, overridden by the settings file, overridden by the environment.
 *
 * Invariants: everything that is wrong is reported at once, each with the setting, where its value came from, the
 * value (secrets excepted) and what is accepted; a name nobody knows is an error and not a setting that silently
 * does nothing.
 */

import { CodedError } from '../platform/error.ts';
import { acceptedText, parseSetting, type RawValue, type SettingType } from './setting-types.ts';

export interface SettingRow {
  readonly type: SettingType;
  /** As in the file or environment. */
  readonly default: RawValue;
  /** One line, for the guide. */
  readonly doc: string;
  /** Its value is never shown. */
  readonly secret?: true;
}

export type SettingTable = Readonly<Record<string, SettingRow>>;

export interface SettingSources {
  /** The text of the settings file: a JSON object. */
  readonly file?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Units go into the name of the value: `stopTimeout` in the file is `stopTimeoutMs` in the program. */
const SUFFIX = { duration: 'Ms', bytes: 'Bytes' } as const;
type Suffix<K> = K extends keyof typeof SUFFIX ? (typeof SUFFIX)[K] : '';

type Value<T> = T extends { readonly kind: 'enum'; readonly values: readonly (infer V)[] }
  ? V
  : T extends { readonly kind: 'boolean' }
    ? boolean
    : T extends { readonly kind: 'path' | 'hosts' | 's3' | 'host' | 'url' }
      ? string
      : number;

export type SettingsOf<T extends SettingTable> = {
  readonly [N in keyof T & string as `${N}${Suffix<T[N]['type']['kind']>}`]: Value<T[N]['type']>;
};

const PREFIX = 'HOLDFAST_';
/** Names the settings file itself, so it is no setting in it. */
export const CONFIG_VARIABLE = `${PREFIX}CONFIG`;

/** `ingressPort` is `HOLDFAST_INGRESS_PORT`. */
export function variableOf(name: string): string {
  return PREFIX + name.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase();
}

/** Throws `HF_SETTINGS_INVALID`. */
export function readSettings<const T extends SettingTable>(
  table: T,
  { file, env }: SettingSources,
  check: (settings: SettingsOf<T>) => readonly string[] = () => [],
): SettingsOf<T> {
  const problems: string[] = [];
  const inFile = file === undefined ? {} : parseFile(file);
  problems.push(...unknownNames(table, inFile, env));
  const entries = Object.entries(table).map(([name, row]) => {
    const suffix = row.type.kind in SUFFIX ? SUFFIX[row.type.kind as keyof typeof SUFFIX] : '';
    return [`${name}${suffix}`, settingValue(name, row, inFile, env, problems)] as const;
  });
  // Every row gave its value, or a problem that throws below.
  const settings = Object.fromEntries(entries) as SettingsOf<T>;
  if (problems.length === 0) problems.push(...check(settings));
  if (problems.length > 0) throw invalid(problems);
  return settings;
}

function settingValue(
  name: string,
  row: SettingRow,
  inFile: Readonly<Record<string, unknown>>,
  env: SettingSources['env'],
  problems: string[],
): RawValue | undefined {
  const variable = variableOf(name);
  const fromEnv = env[variable];
  const fromFile = Object.hasOwn(inFile, name) ? inFile[name] : undefined;
  const raw = fromEnv ?? fromFile ?? row.default;
  const value = isRaw(raw) ? parseSetting(row.type, raw) : undefined;
  if (value === undefined) {
    const source =
      fromEnv !== undefined
        ? `environment variable ${variable}`
        : fromFile !== undefined
          ? 'settings file'
          : 'default';
    const shown = row.secret ? 'a value that is not shown' : shorten(JSON.stringify(raw));
    problems.push(`${name} (${source}) is ${shown}; accepted: ${acceptedText(row.type)}`);
  }
  return value;
}

function isRaw(value: unknown): value is RawValue {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function parseFile(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The parser's message quotes the text, which may hold a secret; only where it stopped is of use.
    const place =
      error instanceof Error ? /at position \d+|line \d+ column \d+/.exec(error.message)?.[0] : undefined;
    throw invalid([`the settings file is not JSON${place === undefined ? '' : ` (${place})`}`]);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(['the settings file is JSON, but not an object such as {"ingressPort": 8080}']);
  }
  for (const name of Object.keys(value)) {
    if ((value as Record<string, unknown>)[name] === null)
      throw invalid([`${name} (settings file) is null; leave it out`]);
  }
  return value as Readonly<Record<string, unknown>>;
}

function unknownNames(
  table: SettingTable,
  inFile: Readonly<Record<string, unknown>>,
  env: SettingSources['env'],
): string[] {
  const names = Object.keys(table);
  const variables = [CONFIG_VARIABLE, ...names.map(variableOf)];
  const inEnv = Object.keys(env).filter(name => name.startsWith(PREFIX) && env[name] !== undefined);
  return [
    ...Object.keys(inFile)
      .filter(name => !names.includes(name))
      .map(
        name =>
          `the settings file has ${JSON.stringify(name)}, which is no setting${suggestion(name, names)}`,
      ),
    ...inEnv
      .filter(name => !variables.includes(name))
      .map(name => `environment variable ${name} is no setting${suggestion(name, variables)}`),
  ];
}

function suggestion(name: string, known: readonly string[]): string {
  const distances = known.map(each => ({
    each,
    distance: editDistance(name.toLowerCase(), each.toLowerCase()),
  }));
  const nearest = distances.reduce((a, b) => (b.distance < a.distance ? b : a));
  return nearest.distance <= Math.max(2, name.length / 4) ? `; did you mean ${nearest.each}?` : '';
}

/** Levenshtein: insertions, deletions and replacements of one character. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

function invalid(problems: readonly string[]): CodedError {
  return new CodedError('HF_SETTINGS_INVALID', `settings: ${problems.join('\n  ')}`);
}
