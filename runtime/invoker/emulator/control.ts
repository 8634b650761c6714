/**
 * The operations on functions, versions, aliases and concurrency: one row each. Shapes follow the Lambda API
 * reference; what an SDK client never reads is left out.
 *
 * The local dialect: code is not a zip file. `CreateFunction` and `UpdateFunctionCode` take
 * `Code: { S3Bucket: 'local', S3Key: '<path of the entry file>' }`, which the AWS SDK and CLI send as they are.
 */

import { AwsError } from './aws-errors.ts';
import type { Configuration, Functions, LambdaFunction, Revision } from './functions.ts';
import { type ApiRequest, sendJson } from './http.ts';
import { decodeSegment } from './invoke.ts';
import { DEFAULT_RUNTIME } from './settings.ts';
import { functionArn, type Place, parseTarget, type Target } from './target.ts';

/** What the operations need done beyond the registry; each settles when it is done. */
export interface ControlActions {
  /** Builds `entry` (the present code without it) and makes it, with `configuration`, the function's `$LATEST`. */
  change(name: string, change: { entry?: string; configuration: Configuration }): Promise<void>;
  publish(name: string, description?: string): Revision;
  /** The whole function, or one version of it. */
  remove(name: string, version: string | undefined): void;
}

interface Call {
  readonly target: Target;
  readonly alias: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly query: URLSearchParams;
}

interface Row {
  readonly method: string;
  readonly path: RegExp;
  readonly status: number;
  readonly run: (this: ControlApi, call: Call) => unknown;
}

const F = '/2015-03-31/functions';
const at = (path: string): RegExp =>
  new RegExp(`^${path.replace('{n}', '([^/]+)').replace('{a}', '([^/]+)')}/?$`);

const DEFAULTS: Configuration = {
  handler: 'handler',
  timeoutMs: 3000,
  memoryMb: 128,
  env: {},
  description: '',
  runtime: DEFAULT_RUNTIME,
};

export class ControlApi {
  readonly functions: Functions;
  readonly actions: ControlActions;
  readonly place: Place;
  readonly accountConcurrency: number;

  constructor(functions: Functions, actions: ControlActions, place: Place, accountConcurrency: number) {
    this.functions = functions;
    this.actions = actions;
    this.place = place;
    this.accountConcurrency = accountConcurrency;
  }

  async handle(request: ApiRequest): Promise<void> {
    for (const row of ROWS) {
      const found = row.method === request.method ? row.path.exec(request.path) : null;
      if (found === null) continue;
      const query = new URLSearchParams(request.query);
      const [name, alias] = found.slice(1).map(decodeSegment);
      const target =
        name === undefined
          ? { name: '', qualifier: undefined }
          : parseTarget(name, query.get('Qualifier'), this.place);
      const call: Call = { target, alias: alias ?? '', body: parseBody(request), query };
      const value = await row.run.call(this, call);
      sendJson(request.response, request.requestId, row.status, value);
      return;
    }
    throw new AwsError(
      'UnknownOperationException',
      `${request.method} ${request.path} is not an operation here`,
    );
  }

  describe(revision: Revision): Record<string, unknown> {
    const { functionName, version, configuration, code, modifiedAt } = revision;
    const qualifier = version === '$LATEST' ? undefined : version;
    return {
      FunctionName: functionName,
      FunctionArn: functionArn(this.place, functionName, qualifier),
      Runtime: configuration.runtime,
      Role: `arn:aws:iam::${this.place.accountId}:role/local`,
      Handler: `index.${configuration.handler}`,
      CodeSize: code.bytes,
      Description: configuration.description,
      Timeout: Math.max(1, Math.ceil(configuration.timeoutMs / 1000)),
      MemorySize: configuration.memoryMb,
      LastModified: modifiedAt.replace('Z', '+0000'),
      CodeSha256: code.sha256,
      Version: version,
      Environment: { Variables: configuration.env },
      TracingConfig: { Mode: 'PassThrough' },
      RevisionId: `${code.sha256}:${modifiedAt}`,
      State: 'Active',
      LastUpdateStatus: 'Successful',
      PackageType: 'Zip',
      Architectures: [process.arch === 'arm64' ? 'arm64' : 'x86_64'],
    };
  }

  describeAlias(one: LambdaFunction, alias: string): Record<string, unknown> {
    const found = one.aliases.get(alias);
    const arn = functionArn(this.place, one.name, alias);
    if (found === undefined) throw new AwsError('ResourceNotFoundException', `Cannot find alias arn: ${arn}`);
    return { AliasArn: arn, Name: alias, FunctionVersion: found.version, Description: found.description };
  }
}

function parseBody(request: ApiRequest): Readonly<Record<string, unknown>> {
  if (request.bytes === 0) return {};
  try {
    return JSON.parse(Buffer.concat(request.chunks).toString()) as Record<string, unknown>;
  } catch (error) {
    throw new AwsError(
      'InvalidRequestContentException',
      `Could not parse request body: ${(error as Error).message}`,
    );
  }
}

function needText(body: Readonly<Record<string, unknown>>, field: string): string {
  const value = body[field];
  if (typeof value === 'string' && value !== '') return value;
  throw new AwsError(
    'ValidationException',
    `1 validation error detected: '${field}' must be a non-empty string`,
  );
}

function entryOf(code: unknown): string {
  const { S3Bucket: bucket, S3Key: entry } = (code ?? {}) as Record<string, unknown>;
  if (bucket === 'local' && typeof entry === 'string') return entry;
  throw new AwsError(
    'InvalidParameterValueException',
    'The Local Lambda takes code as { "S3Bucket": "local", "S3Key": "<path of the entry file>" }',
  );
}

/** What a Create or Update request says, over what there was. */
function configurationOf(body: Readonly<Record<string, unknown>>, old: Configuration): Configuration {
  const { Handler, Timeout, MemorySize, Environment, Description, Runtime } = body;
  const variables = (Environment as { Variables?: Record<string, string> } | undefined)?.Variables;
  return {
    handler: typeof Handler === 'string' ? Handler.slice(Handler.lastIndexOf('.') + 1) : old.handler,
    timeoutMs: typeof Timeout === 'number' ? Timeout * 1000 : old.timeoutMs,
    memoryMb: typeof MemorySize === 'number' ? MemorySize : old.memoryMb,
    env: variables ?? old.env,
    description: typeof Description === 'string' ? Description : old.description,
    runtime: typeof Runtime === 'string' ? Runtime : old.runtime,
  };
}

function page<T>(
  all: readonly T[],
  query: URLSearchParams,
  defaultSize: number,
): { items: T[]; next?: string } {
  const start = Number(query.get('Marker') ?? 0) || 0;
  const end = start + (Number(query.get('MaxItems')) || defaultSize);
  const items = all.slice(start, end);
  return end < all.length ? { items, next: String(end) } : { items };
}

/** Longer than the handful of lines a row may have: the operations that change something. */
async function createFunction(this: ControlApi, { body }: Call): Promise<unknown> {
  const { name } = parseTarget(needText(body, 'FunctionName'), null, this.place);
  if (this.functions.find(name) !== undefined) {
    throw new AwsError('ResourceConflictException', `Function already exist: ${name}`);
  }
  await this.actions.change(name, {
    entry: entryOf(body['Code']),
    configuration: configurationOf(body, DEFAULTS),
  });
  if (body['Publish'] === true) return this.describe(this.actions.publish(name));
  return this.describe(this.functions.get(name).latest);
}

async function updateCode(this: ControlApi, { target, body }: Call): Promise<unknown> {
  const { latest } = this.functions.get(target.name);
  await this.actions.change(target.name, { entry: entryOf(body), configuration: latest.configuration });
  if (body['Publish'] === true) return this.describe(this.actions.publish(target.name));
  return this.describe(this.functions.get(target.name).latest);
}

async function updateConfiguration(this: ControlApi, { target, body }: Call): Promise<unknown> {
  const { latest } = this.functions.get(target.name);
  await this.actions.change(target.name, { configuration: configurationOf(body, latest.configuration) });
  return this.describe(this.functions.get(target.name).latest);
}

function publishVersion(this: ControlApi, { target, body }: Call): unknown {
  const { latest } = this.functions.get(target.name);
  const expected = body['CodeSha256'];
  if (typeof expected === 'string' && expected !== latest.code.sha256) {
    throw new AwsError(
      'InvalidParameterValueException',
      `CodeSHA256 (${expected}) is different from current CodeSHA256 in $LATEST (${latest.code.sha256}).`,
    );
  }
  const description = body['Description'];
  return this.describe(
    this.actions.publish(target.name, typeof description === 'string' ? description : undefined),
  );
}

function putConcurrency(this: ControlApi, { target, body }: Call): unknown {
  const reserved = body['ReservedConcurrentExecutions'];
  if (typeof reserved !== 'number' || !Number.isInteger(reserved) || reserved < 0) {
    throw new AwsError('InvalidParameterValueException', 'ReservedConcurrentExecutions must be 0 or more');
  }
  this.functions.get(target.name).reserved = reserved;
  this.functions.save(target.name);
  return { ReservedConcurrentExecutions: reserved };
}

function setAlias(this: ControlApi, name: string, alias: string, body: Call['body'], old?: string): unknown {
  const version =
    old !== undefined && body['FunctionVersion'] === undefined ? old : needText(body, 'FunctionVersion');
  const description = body['Description'];
  this.functions.setAlias(name, alias, version, typeof description === 'string' ? description : '');
  return this.describeAlias(this.functions.get(name), alias);
}

function createAlias(this: ControlApi, { target, body }: Call): unknown {
  const alias = needText(body, 'Name');
  if (!/^(?!\d+$)[a-zA-Z0-9_-]{1,128}$/.test(alias)) {
    throw new AwsError('ValidationException', `1 validation error detected: Value '${alias}' at 'name'`);
  }
  if (this.functions.get(target.name).aliases.has(alias)) {
    const arn = functionArn(this.place, target.name, alias);
    throw new AwsError('ResourceConflictException', `Alias already exists: ${arn}`);
  }
  return setAlias.call(this, target.name, alias, body);
}

function updateAlias(this: ControlApi, { target, alias, body }: Call): unknown {
  const one = this.functions.get(target.name);
  this.describeAlias(one, alias);
  return setAlias.call(this, target.name, alias, body, one.aliases.get(alias)?.version);
}

const ROWS: readonly Row[] = [
  { method: 'POST', path: at(F), status: 201, run: createFunction },
  {
    method: 'GET',
    path: at(F),
    status: 200,
    run({ query }) {
      const all = this.functions.all();
      const wanted =
        query.get('FunctionVersion') === 'ALL'
          ? all.flatMap(f => [f.latest, ...f.versions])
          : all.map(f => f.latest);
      const { items, next } = page(wanted, query, 50);
      return { Functions: items.map(one => this.describe(one)), NextMarker: next };
    },
  },
  {
    method: 'GET',
    path: at(`${F}/{n}`),
    status: 200,
    run({ target }) {
      const revision = this.functions.resolve(target);
      const { reserved } = this.functions.get(target.name);
      return {
        Configuration: this.describe(revision),
        Code: { RepositoryType: 'local', Location: `file://${revision.code.modulePath}` },
        ...(reserved === undefined ? {} : { Concurrency: { ReservedConcurrentExecutions: reserved } }),
      };
    },
  },
  {
    method: 'DELETE',
    path: at(`${F}/{n}`),
    status: 204,
    run({ target }) {
      this.actions.remove(target.name, target.qualifier);
    },
  },
  {
    method: 'GET',
    path: at(`${F}/{n}/configuration`),
    status: 200,
    run({ target }) {
      return this.describe(this.functions.resolve(target));
    },
  },
  { method: 'PUT', path: at(`${F}/{n}/configuration`), status: 200, run: updateConfiguration },
  { method: 'PUT', path: at(`${F}/{n}/code`), status: 200, run: updateCode },
  { method: 'POST', path: at(`${F}/{n}/versions`), status: 201, run: publishVersion },
  {
    method: 'GET',
    path: at(`${F}/{n}/versions`),
    status: 200,
    run({ target, query }) {
      const one = this.functions.get(target.name);
      const { items, next } = page([one.latest, ...one.versions], query, 50);
      return { Versions: items.map(revision => this.describe(revision)), NextMarker: next };
    },
  },
  { method: 'PUT', path: at('/2017-10-31/functions/{n}/concurrency'), status: 200, run: putConcurrency },
  {
    method: 'GET',
    path: at('/2019-09-30/functions/{n}/concurrency'),
    status: 200,
    run({ target }) {
      return { ReservedConcurrentExecutions: this.functions.get(target.name).reserved };
    },
  },
  {
    method: 'DELETE',
    path: at('/2017-10-31/functions/{n}/concurrency'),
    status: 204,
    run({ target }) {
      this.functions.get(target.name).reserved = undefined;
      this.functions.save(target.name);
    },
  },
  { method: 'POST', path: at(`${F}/{n}/aliases`), status: 201, run: createAlias },
  {
    method: 'GET',
    path: at(`${F}/{n}/aliases`),
    status: 200,
    run({ target, query }) {
      const one = this.functions.get(target.name);
      const { items, next } = page([...one.aliases.keys()], query, 50);
      return { Aliases: items.map(alias => this.describeAlias(one, alias)), NextMarker: next };
    },
  },
  {
    method: 'GET',
    path: at(`${F}/{n}/aliases/{a}`),
    status: 200,
    run({ target, alias }) {
      return this.describeAlias(this.functions.get(target.name), alias);
    },
  },
  { method: 'PUT', path: at(`${F}/{n}/aliases/{a}`), status: 200, run: updateAlias },
  {
    method: 'DELETE',
    path: at(`${F}/{n}/aliases/{a}`),
    status: 204,
    run({ target, alias }) {
      this.functions.get(target.name).aliases.delete(alias);
      this.functions.save(target.name);
    },
  },
  {
    method: 'GET',
    path: at('/2016-08-19/account-settings'),
    status: 200,
    run() {
      const all = this.functions.all();
      const reserved = all.reduce((sum, one) => sum + (one.reserved ?? 0), 0);
      return {
        AccountLimit: {
          ConcurrentExecutions: this.accountConcurrency,
          UnreservedConcurrentExecutions: this.accountConcurrency - reserved,
        },
        AccountUsage: { FunctionCount: all.length },
      };
    },
  },
];
