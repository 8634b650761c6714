/**
 * Who may run where: admission against the concurrency limits, and the pool of environments of each revision.
 *
 * Invariants:
 * - A request counts against its function's reserved concurrency and the account's from its admission to its
 *   answer, whether it runs or waits.
 * - Replaced revisions finish what they run and start nothing more.
 * - `close` returns when no environment is alive.
 */

import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { throttled } from './aws-errors.ts';
import type { EnvironmentPlan, Invocation, Outcome } from './environment.ts';
import type { Functions, Revision } from './functions.ts';
import { Pool, StartGate } from './pool.ts';
import type { Resolved } from './settings.ts';

export interface EnvironmentInfo {
  readonly function: string;
  readonly version: string;
  readonly pid: number;
  readonly busy: boolean;
  readonly requestId?: string;
}

/** How often idle environments are looked at for reaping and busy ones for their memory. */
const WATCH_MS = 100;

export class Fleet {
  readonly #settings: Resolved;
  readonly #functions: Functions;
  readonly #bootstrapPath: string;
  readonly #pools = new Map<Revision, Pool>();
  readonly #retiring = new Map<Pool, Promise<void>>();
  readonly #inFlight = new Map<string, number>();
  #inFlightTotal = 0;
  readonly #gate = new StartGate();
  readonly #watch: NodeJS.Timeout;

  constructor(settings: Resolved, functions: Functions, bootstrapPath: string) {
    this.#settings = settings;
    this.#functions = functions;
    this.#bootstrapPath = bootstrapPath;
    this.#watch = setInterval(() => this.#look(), WATCH_MS);
  }

  /** Throws if it is throttled. Returns a function that withdraws the request unless it has started. */
  submit(revision: Revision, invocation: Invocation): () => void {
    const { functionName } = revision;
    const reserved = this.#functions.find(functionName)?.reserved;
    const running = this.#inFlight.get(functionName) ?? 0;
    if (reserved !== undefined && running >= reserved) {
      throw throttled('ReservedFunctionConcurrentInvocationLimitExceeded');
    }
    if (this.#inFlightTotal >= this.#settings.accountConcurrency) {
      throw throttled('ConcurrentInvocationLimitExceeded');
    }
    this.#count(functionName, 1);
    const done = (outcome: Outcome): void => {
      this.#count(functionName, -1);
      invocation.done(outcome);
    };
    const withdraw = this.#pool(revision).submit({ ...invocation, done });
    return () => {
      if (withdraw()) this.#count(functionName, -1);
    };
  }

  /** `successor` takes over what waits. */
  replaced(revision: Revision, successor: Revision | undefined): void {
    const pool = this.#pools.get(revision);
    if (pool === undefined) return;
    this.#pools.delete(revision);
    const ended = pool.retire(successor === undefined ? undefined : this.#pool(successor), false);
    this.#retiring.set(
      pool,
      ended.then(() => void this.#retiring.delete(pool)),
    );
  }

  environments(): readonly EnvironmentInfo[] {
    return this.#all().flatMap(pool =>
      [...pool.environments]
        .filter(one => one.state !== 'gone')
        .map(one => ({
          function: one.plan.functionName,
          version: one.plan.version,
          pid: one.pid,
          busy: one.state === 'busy',
          ...(one.requestId === undefined ? {} : { requestId: one.requestId }),
        })),
    );
  }

  async close(): Promise<void> {
    clearInterval(this.#watch);
    await Promise.all(this.#all().map(pool => pool.retire(undefined, true)));
  }

  #all(): Pool[] {
    return [...this.#pools.values(), ...this.#retiring.keys()];
  }

  #count(functionName: string, by: number): void {
    this.#inFlight.set(functionName, (this.#inFlight.get(functionName) ?? 0) + by);
    this.#inFlightTotal += by;
  }

  #look(): void {
    const idleBeforeMs = performance.now() - this.#settings.idleTimeoutMs;
    for (const pool of this.#all()) {
      pool.reap(idleBeforeMs);
      for (const environment of pool.environments) environment.enforceMemory();
    }
  }

  #pool(revision: Revision): Pool {
    let pool = this.#pools.get(revision);
    if (pool === undefined) {
      const limit = () =>
        this.#functions.find(revision.functionName)?.reserved ?? this.#settings.maxEnvironments;
      pool = new Pool(() => this.#plan(revision), limit, this.#gate);
      this.#pools.set(revision, pool);
    }
    return pool;
  }

  #plan(revision: Revision): EnvironmentPlan {
    const { functionName, version, configuration, code } = revision;
    const { freeze, initTimeoutMs, log } = this.#settings;
    const { timeoutMs, memoryMb, handler } = configuration;
    const today = new Date().toISOString().slice(0, 10).replaceAll('-', '/');
    const logStream = `${today}/[${version}]${randomBytes(16).toString('hex')}`;
    return {
      functionName,
      version,
      modulePath: code.modulePath,
      exportName: handler,
      bootstrapPath: this.#bootstrapPath,
      // A version from before a restart without its runtime: what does not start names the runtime.
      nodePath: this.#settings.runtimes[configuration.runtime] ?? configuration.runtime,
      timeoutMs,
      initTimeoutMs,
      memoryMb,
      freeze,
      log,
      env: environmentVariables(revision, this.#settings.region, logStream),
    };
  }
}

/** All that the function's process sees: what Lambda defines, what the function was given, and PATH. */
function environmentVariables(revision: Revision, region: string, logStream: string): Record<string, string> {
  const { functionName, version, configuration, code } = revision;
  return {
    PATH: process.env['PATH'] ?? '',
    LANG: 'en_US.UTF-8',
    TZ: 'UTC',
    AWS_EXECUTION_ENV: `AWS_Lambda_${configuration.runtime}`,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    // Enough for an SDK client to sign with; a double of the service does not look.
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_SESSION_TOKEN: 'local',
    AWS_LAMBDA_FUNCTION_NAME: functionName,
    AWS_LAMBDA_FUNCTION_VERSION: version,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(configuration.memoryMb),
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${functionName}`,
    AWS_LAMBDA_LOG_STREAM_NAME: logStream,
    LAMBDA_TASK_ROOT: dirname(code.modulePath),
    _HANDLER: `index.${configuration.handler}`,
    ...configuration.env,
  };
}
