/**
 * `npm run dev [-- handler.ts ...]`: an orchestrator and a Local Lambda in one process, for work on handlers.
 * When a source file changes, the function is built and registered anew: what starts from then on runs the new
 * code, and what has begun ends in the code that it began with. Data is kept in `.holdfast/` between runs.
 */
import { basename, dirname, join, resolve } from 'node:path';
import {
  type FunctionSettings,
  type LocalLambda,
  type LogEvent,
  type Rebuilt,
  startLocalLambda,
} from '../invoker/emulator/local-lambda.ts';
import { systemClock } from '../platform/clock.ts';
import { CodedError } from '../platform/error.ts';
import { createLogger } from '../platform/logger.ts';
import { type Server, startServer } from '../server/server.ts';
import { loadSettings } from '../server/settings.ts';

const EXIT_FAILED = 1;
const DEFAULT_ENTRY = join(import.meta.dirname, '../../examples/hello/handler.ts');
/** For development; each can be overridden by a variable of the environment. */
const DEFAULTS = {
  HOLDFAST_LOG_LEVEL: 'warn',
  HOLDFAST_LOG_FORMAT: 'pretty',
  HOLDFAST_STOP_TIMEOUT: '1s',
  HOLDFAST_RETRY_MAX_INTERVAL: '5s',
  HOLDFAST_HTTP_ENDPOINTS: 'localhost',
};
/** Of the Local Lambda, which checks none of it; and nothing from here ever reaches an account on AWS. */
const AWS = { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' };
const TIMEOUT_MS = 60_000;
/** What Lambda itself writes about each request. */
const PLATFORM_LINE = /^(START|END|REPORT|INIT_START) /;

/** What the way out is called here. */
const HINTS: Readonly<Record<string, string>> = {
  HF_LISTEN_FAILED: ' The variables are HOLDFAST_INGRESS_PORT and HOLDFAST_ADMIN_PORT.',
  HF_LOG_LOCKED: ' The variable is HOLDFAST_DATA_DIR.',
};

const OF_THE_MACHINE =
  /^(AWS|LAMBDA|NODE|npm|HOLDFAST|XDG|SSH|LC|LANG|PATH|HOME|PWD|OLDPWD|SHELL|SHLVL|TERM|USER|LOGNAME|INIT_CWD|COLOR|EDITOR)(_|$)|^_/;

const say = (text = ''): void => void process.stdout.write(`${text}\n`);

/** A folder's `handler.ts` or `index.ts` is named for the folder. */
function nameOf(entry: string): string {
  const file = basename(entry).replace(/\.[cm]?[jt]sx?$/, '');
  const name = file === 'handler' || file === 'index' ? basename(dirname(entry)) : file;
  return name.replace(/[^a-zA-Z0-9_-]/g, '-').slice(0, 64);
}

/**
 * The variables of this process, but for those that are about the machine, Node, npm, AWS or Holdfast: what a handler
 * reads is set where the dev server is started. Stacks show the lines of the sources.
 */
function functionEnv(): Record<string, string> {
  const own = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !OF_THE_MACHINE.test(entry[0]),
  );
  return { ...Object.fromEntries(own), NODE_OPTIONS: '--enable-source-maps' };
}

function functionsOf(entries: readonly string[]): FunctionSettings[] {
  const functions = new Map<string, FunctionSettings>();
  for (const given of entries.length === 0 ? [DEFAULT_ENTRY] : entries) {
    const entry = resolve(given);
    const name = nameOf(entry);
    if (functions.has(name)) {
      throw new CodedError(
        'HF_DEV_NAMES',
        `two of the files make a function named ${name}; rename one of them`,
      );
    }
    functions.set(name, { name, entry, timeoutMs: TIMEOUT_MS, env: functionEnv() });
  }
  return [...functions.values()];
}

function printLog({ functionName, text }: LogEvent): void {
  for (const line of text.split('\n')) {
    if (line !== '' && !PLATFORM_LINE.test(line)) say(`${functionName} | ${line}`);
  }
}

interface Registered {
  readonly services: readonly {
    readonly name: string;
    readonly ty: string;
    readonly handlers: readonly { readonly name: string }[];
  }[];
}

/** `service/handler` of each handler, with a key where one is needed, or what went wrong. */
async function register(adminUrl: string, arn: string): Promise<readonly string[] | string> {
  const response = await fetch(`${adminUrl}/deployments`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    // A handler that was renamed or removed a moment ago is no accident here.
    body: JSON.stringify({ arn, breaking: true }),
  });
  const body = (await response.json()) as Registered & { readonly message?: string };
  if (!response.ok) return body.message ?? `status ${response.status}`;
  return body.services.flatMap(({ name, ty, handlers }) =>
    handlers.map(handler => `${name}/${ty === 'Service' ? '' : 'some-key/'}${handler.name}`),
  );
}

async function registerRebuilt(adminUrl: string, { name, version, arn }: Rebuilt): Promise<void> {
  const handlers = await register(adminUrl, arn);
  if (typeof handlers === 'string') say(`${name} | version ${version} was not registered: ${handlers}`);
  else say(`${name} | version ${version}: new invocations use it`);
}

async function registerAll(
  server: Server,
  lambda: LocalLambda,
  functions: readonly FunctionSettings[],
): Promise<void> {
  const all: string[] = [];
  for (const { name } of functions) {
    const { version, arn } = await lambda.publish(name);
    const handlers = await register(server.adminUrl, arn);
    if (typeof handlers === 'string') {
      say(`${name} | version ${version} was not registered: ${handlers}`);
      continue;
    }
    say(`${name} | version ${version}: ${handlers.join(', ')}`);
    all.push(...handlers);
  }
  say(`\ningress  ${server.ingressUrl}\nadmin    ${server.adminUrl}`);
  if (all[0] === undefined) return;
  // What a handler of one's own takes is not known here.
  const input = functions.every(({ entry }) => entry === DEFAULT_ENTRY) ? '"you"' : '{"its": "input"}';
  say(`\nTry  curl ${server.ingressUrl}/${all[0]} -H 'content-type: application/json' -d '${input}'`);
  say('Edit the source and it is reloaded; Ctrl-C stops.\n');
}

async function main(): Promise<void> {
  const functions = functionsOf(process.argv.slice(2));
  const env = { ...DEFAULTS, ...process.env };
  const settings = loadSettings({ env });
  const logger = createLogger({ level: settings.logLevel, style: settings.logFormat, clock: systemClock });
  let server: Server | undefined;
  const lambda = await startLocalLambda({
    functions,
    dataDir: join(settings.dataDir, 'lambda'),
    watch: true,
    publishOnChange: true,
    log: printLog,
    // A rebuild before the server runs is what `publish` returns afterwards.
    onRebuilt: rebuilt => void (server && registerRebuilt(server.adminUrl, rebuilt)),
  });
  const onFailure = (error: Error): void => {
    logger.error('server failed', { error });
    process.exit(EXIT_FAILED);
  };
  try {
    server = await startServer({
      settings,
      env: { ...process.env, ...AWS, AWS_ENDPOINT_URL_LAMBDA: lambda.url },
      logger,
      onFailure,
    });
  } catch (error) {
    await lambda.close();
    throw error;
  }
  stopOnSignal(server, lambda);
  await registerAll(server, lambda, functions);
}

/** The second signal does not wait. Nothing is lost either way: the next run takes up what had not ended. */
function stopOnSignal(server: Server, lambda: LocalLambda): void {
  let stopping = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, async () => {
      if (stopping) process.exit(EXIT_FAILED);
      stopping = true;
      say('\nstopping');
      await server.stop();
      await lambda.close();
      process.exit(0);
    });
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof CodedError)) throw error;
  const hint = HINTS[error.code] ?? '';
  process.stderr.write(`${error.code}: ${error.message}${hint}\n`);
  process.exit(EXIT_FAILED);
}
