/** What a Local Lambda is told, the defaults, and the check of what comes from a JSON file. */

import { availableParallelism } from 'node:os';
import { CodedError } from '../../platform/error.ts';
import type { LogSink } from './logs.ts';

export interface FunctionSettings {
  readonly name: string;
  /** Path of the source file whose bundle is the function. */
  readonly entry: string;
  /** @default handler */
  readonly handler?: string;
  /** @default 3000, as on AWS */
  readonly timeoutMs?: number;
  /** @default 1024, so that it is not the first thing to get in the way */
  readonly memoryMb?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** One of `LocalLambdaSettings.runtimes`. @default nodejs24.x */
  readonly runtime?: string;
  /**
   * Requests past it are answered 429, as on AWS.
   * @default up to `maxEnvironments` run and the others wait, first come, first served
   */
  readonly reservedConcurrency?: number;
}

export interface Rebuilt {
  readonly name: string;
  /** The `$LATEST` ARN, or with `publishOnChange` that of the new version. */
  readonly arn: string;
  readonly version: string;
}

export interface LocalLambdaSettings {
  /** @default 127.0.0.1 */
  readonly host?: string;
  /** @default 0: a free port */
  readonly port?: number;
  /** @default us-east-1 */
  readonly region?: string;
  /** @default 123456789012 */
  readonly accountId?: string;
  readonly functions: readonly FunctionSettings[];
  /** Runtimes, such as `nodejs22.x`, and the Node binary of each. @default nodejs24.x, which is this process's Node */
  readonly runtimes?: Readonly<Record<string, string>>;
  /** Whether a function's event loop stands still between requests, as on AWS. @default true */
  readonly freeze?: boolean;
  /** Environments of one version of a function without reserved concurrency. @default twice the cores */
  readonly maxEnvironments?: number;
  /** Running and waiting requests of all functions together; past it 429. @default 1000, as on AWS */
  readonly accountConcurrency?: number;
  /** An environment that was idle for so long is ended. @default 300000 */
  readonly idleTimeoutMs?: number;
  /** @default 10000, as on AWS */
  readonly initTimeoutMs?: number;
  readonly log?: LogSink;
  /** Keeps bundles, published versions and aliases over restarts. @default a temporary folder */
  readonly dataDir?: string;
  /** Rebuilds a function when a source file of it changes. @default false */
  readonly watch?: boolean;
  /** Publishes a version after each rebuild that changed the bundle. @default false */
  readonly publishOnChange?: boolean;
  readonly onRebuilt?: (rebuilt: Rebuilt) => void;
  /** Access key ids and their secrets; with it, requests must be signed by one of them. @default not verified */
  readonly verifySignatures?: Readonly<Record<string, string>>;
}

/** With defaults; what has none is optional still. */
export type Resolved = Required<
  Omit<LocalLambdaSettings, 'log' | 'dataDir' | 'onRebuilt' | 'verifySignatures'>
> &
  Pick<LocalLambdaSettings, 'log' | 'dataDir' | 'onRebuilt' | 'verifySignatures'>;

export const DEFAULT_RUNTIME = 'nodejs24.x';

export function resolveSettings(settings: LocalLambdaSettings): Resolved {
  return {
    host: '127.0.0.1',
    port: 0,
    region: 'us-east-1',
    accountId: '123456789012',
    freeze: true,
    maxEnvironments: 2 * availableParallelism(),
    accountConcurrency: 1000,
    idleTimeoutMs: 300_000,
    initTimeoutMs: 10_000,
    watch: false,
    publishOnChange: false,
    ...settings,
    runtimes: { [DEFAULT_RUNTIME]: process.execPath, ...settings.runtimes },
  };
}

type Check = (value: unknown) => boolean;
const text: Check = value => typeof value === 'string' && value !== '';
const flag: Check = value => typeof value === 'boolean';
const count: Check = value => Number.isInteger(value) && (value as number) >= 0;
const texts: Check = value =>
  typeof value === 'object' && value !== null && Object.values(value).every(one => typeof one === 'string');

const FUNCTION_FIELDS: Readonly<Record<keyof FunctionSettings, Check>> = {
  name: value => typeof value === 'string' && /^[a-zA-Z0-9_-]{1,64}$/.test(value),
  entry: text,
  handler: text,
  timeoutMs: count,
  memoryMb: count,
  env: texts,
  runtime: text,
  reservedConcurrency: count,
};

const FIELDS: Readonly<Record<string, Check>> = {
  host: text,
  port: count,
  region: text,
  accountId: value => typeof value === 'string' && /^\d{12}$/.test(value),
  functions: Array.isArray,
  runtimes: value => texts(value) && Object.keys(value as object).every(name => /^nodejs\d+\.x$/.test(name)),
  freeze: flag,
  maxEnvironments: count,
  accountConcurrency: count,
  idleTimeoutMs: count,
  initTimeoutMs: count,
  dataDir: text,
  logDir: text,
  watch: flag,
  publishOnChange: flag,
  verifySignatures: texts,
};

function checkFields(value: unknown, fields: Readonly<Record<string, Check>>, where: string): void {
  if (typeof value !== 'object' || value === null) throw badSettings(`${where} is not an object`);
  for (const [key, one] of Object.entries(value)) {
    const check = fields[key];
    if (check === undefined)
      throw badSettings(`${where}.${key} is not a setting; there are ${Object.keys(fields)}`);
    if (!check(one))
      throw badSettings(`${where}.${key} has a value that does not fit: ${JSON.stringify(one)}`);
  }
}

export function badSettings(problem: string): CodedError {
  return new CodedError(
    'HF_LOCAL_LAMBDA_SETTINGS',
    `${problem}; see docs/guides/local-lambda.md for the settings`,
  );
}

/** Settings from a JSON file, plus `logDir` in place of a log callback. */
export function parseSettings(json: string): LocalLambdaSettings & { readonly logDir?: string } {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw badSettings(`the settings are not JSON: ${(error as Error).message}`);
  }
  checkFields(value, FIELDS, 'settings');
  const settings = value as LocalLambdaSettings & { readonly logDir?: string };
  if (settings.functions === undefined) throw badSettings('settings.functions is missing');
  for (const [at, one] of settings.functions.entries()) {
    checkFields(one, FUNCTION_FIELDS, `settings.functions[${at}]`);
    if (one.name === undefined || one.entry === undefined) {
      throw badSettings(`settings.functions[${at}] needs a name and an entry`);
    }
  }
  return settings;
}
