/**
 * The Local Lambda: the real Lambda API on a local port, over functions built from source and run in processes
 * of their own. Composes the parts; see docs/guides/local-lambda.md for what it does and where it differs.
 *
 * Invariants:
 * - `$LATEST` changes at once: the next request runs the new code, what runs finishes in the old.
 * - After `close` nothing that was started is left: no environment, watcher, timer, socket or temporary folder.
 */

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { CodedError } from '../../platform/error.ts';
import { AwsError } from './aws-errors.ts';
import { Bundler, buildBootstrap, type Code } from './bundle.ts';
import { ControlApi } from './control.ts';
import { type EnvironmentInfo, Fleet } from './fleet.ts';
import { type Configuration, Functions, type Revision } from './functions.ts';
import { type ApiRequest, sendError, startHttp, urlOf } from './http.ts';
import { INVOKE_PREFIX, INVOKE_SUFFIX, InvokeApi } from './invoke.ts';
import {
  badSettings,
  DEFAULT_RUNTIME,
  type FunctionSettings,
  type LocalLambdaSettings,
  type Resolved,
  resolveSettings,
} from './settings.ts';
import { verifySignature } from './sigv4.ts';
import { functionArn } from './target.ts';

export type { EnvironmentInfo } from './fleet.ts';
export { fileLog, type LogEvent, type LogSink } from './logs.ts';
export type { FunctionSettings, LocalLambdaSettings, Rebuilt } from './settings.ts';

export interface LocalLambda {
  /** What `AWS_ENDPOINT_URL_LAMBDA` is to be set to. */
  readonly url: string;
  /** Unqualified without a qualifier. */
  arn(name: string, qualifier?: string): string;
  /** Freezes the present `$LATEST` as a version; the same again if nothing has changed since the last. */
  publish(name: string): Promise<{ readonly version: string; readonly arn: string }>;
  /** All that are alive, also those that still finish a request on replaced code. */
  environments(): readonly EnvironmentInfo[];
  /** Running requests are cut off. */
  close(): Promise<void>;
}

/** @throws CodedError HF_LOCAL_LAMBDA_BUILD, HF_LOCAL_LAMBDA_DATA, HF_LOCAL_LAMBDA_LISTEN */
export async function startLocalLambda(given: LocalLambdaSettings): Promise<LocalLambda> {
  const settings = resolveSettings(given);
  const dataDir = resolve(settings.dataDir ?? mkdtempSync(join(tmpdir(), 'local-lambda-')));
  mkdirSync(dataDir, { recursive: true });
  const lambda = new Assembly(
    settings,
    dataDir,
    new Functions(dataDir, settings),
    await buildBootstrap(dataDir),
  );
  try {
    await lambda.open();
  } catch (error) {
    await lambda.close();
    throw error;
  }
  return lambda;
}

class Assembly implements LocalLambda {
  readonly #settings: Resolved;
  readonly #dataDir: string;
  readonly #codeDir: string;
  readonly #functions: Functions;
  readonly #fleet: Fleet;
  readonly #invoke: InvokeApi;
  readonly #control: ControlApi;
  readonly #bundlers = new Map<string, Bundler>();
  #server: Server | undefined;
  #url = '';
  #closed: Promise<void> | undefined;

  constructor(settings: Resolved, dataDir: string, functions: Functions, bootstrapPath: string) {
    this.#settings = settings;
    this.#dataDir = dataDir;
    this.#codeDir = join(dataDir, 'code');
    this.#functions = functions;
    this.#fleet = new Fleet(settings, functions, bootstrapPath);
    this.#invoke = new InvokeApi(functions, this.#fleet, settings);
    const actions = {
      change: (name: string, change: { entry?: string; configuration: Configuration }) =>
        this.#change(name, change),
      publish: (name: string, description?: string) => functions.publish(name, description),
      remove: (name: string, version: string | undefined) => this.#remove(name, version),
    };
    this.#control = new ControlApi(functions, actions, settings, settings.accountConcurrency);
  }

  get url(): string {
    return this.#url;
  }

  async open(): Promise<void> {
    const { host, port, functions } = this.#settings;
    await Promise.all(functions.map(one => this.#define(one)));
    this.#sweep();
    try {
      this.#server = await startHttp(request => this.#serve(request), host, port);
    } catch (error) {
      const problem = `cannot listen on ${host}:${port} (${(error as Error).message})`;
      throw new CodedError('HF_LOCAL_LAMBDA_LISTEN', `${problem}; stop what listens there or choose port 0`, {
        cause: error,
      });
    }
    this.#url = urlOf(this.#server, host);
  }

  arn(name: string, qualifier?: string): string {
    return functionArn(this.#settings, name, qualifier);
  }

  async publish(name: string): Promise<{ readonly version: string; readonly arn: string }> {
    if (this.#functions.find(name) === undefined) {
      throw new CodedError(
        'HF_LOCAL_LAMBDA_FUNCTION_UNKNOWN',
        `there is no function ${name}; there are: ${this.#functions.all().map(one => one.name)}`,
      );
    }
    const { version } = this.#functions.publish(name);
    return { version, arn: this.arn(name, version) };
  }

  environments(): readonly EnvironmentInfo[] {
    return this.#fleet.environments();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const server = this.#server;
    this.#invoke.close();
    const stopped = server && new Promise<void>(done => server.close(() => done()));
    await Promise.all([...this.#bundlers.values()].map(bundler => bundler.close()));
    await this.#fleet.close();
    server?.closeAllConnections();
    await stopped;
    if (this.#settings.dataDir === undefined) rmSync(this.#dataDir, { recursive: true, force: true });
  }

  #serve(request: ApiRequest): void {
    const { verifySignatures } = this.#settings;
    if (verifySignatures !== undefined) verifySignature(request, verifySignatures);
    const { method, path } = request;
    if (method === 'POST' && path.startsWith(INVOKE_PREFIX) && path.endsWith(INVOKE_SUFFIX)) {
      this.#invoke.handle(request);
      return;
    }
    this.#control.handle(request).catch((error: unknown) => {
      if (error instanceof AwsError) sendError(request.response, request.requestId, error);
      else if (error instanceof CodedError) {
        const answer = new AwsError('InvalidParameterValueException', `${error.code}: ${error.message}`);
        sendError(request.response, request.requestId, answer);
      } else throw error;
    });
  }

  async #define(one: FunctionSettings): Promise<void> {
    const configuration: Configuration = {
      handler: one.handler ?? 'handler',
      timeoutMs: one.timeoutMs ?? 3000,
      memoryMb: one.memoryMb ?? 1024,
      env: one.env ?? {},
      description: '',
      runtime: one.runtime ?? DEFAULT_RUNTIME,
    };
    await this.#change(one.name, { entry: one.entry, configuration });
    if (one.reservedConcurrency !== undefined) {
      this.#functions.get(one.name).reserved = one.reservedConcurrency;
      this.#functions.save(one.name);
    }
  }

  async #change(name: string, change: { entry?: string; configuration: Configuration }): Promise<void> {
    const { runtime } = change.configuration;
    const { runtimes } = this.#settings;
    if (runtimes[runtime] === undefined)
      throw badSettings(
        `there is no runtime ${runtime}, only ${Object.keys(runtimes)}: name its Node in runtimes`,
      );
    if (change.entry === undefined) {
      const { entry, latest } = this.#functions.get(name);
      this.#setLatest(name, entry, latest.code, change.configuration);
      return;
    }
    const entry = resolve(change.entry);
    const bundler = await Bundler.open(entry, this.#codeDir, runtime);
    let code: Code;
    try {
      code = await bundler.build();
    } catch (error) {
      await bundler.close();
      throw error;
    }
    // Before the first await after it, so that no change of a file falls between build and watch.
    this.#setLatest(name, entry, code, change.configuration);
    const replaced = this.#bundlers.get(name);
    this.#bundlers.delete(name);
    if (this.#settings.watch) {
      this.#bundlers.set(name, bundler);
      bundler.watch(
        built => this.#rebuilt(name, built),
        error => this.#settings.log?.({ functionName: name, version: '', text: `${error.message}\n` }),
      );
    } else {
      await bundler.close();
    }
    await replaced?.close();
  }

  #setLatest(name: string, entry: string, code: Code, configuration: Configuration): void {
    const replaced = this.#functions.setLatest(name, entry, code, configuration);
    if (replaced !== undefined) this.#fleet.replaced(replaced, this.#functions.get(name).latest);
  }

  #rebuilt(name: string, code: Code): void {
    const { entry, latest } = this.#functions.get(name);
    // A comment was edited, or a file saved as it was.
    if (latest.code.sha256 === code.sha256) return;
    this.#setLatest(name, entry, code, latest.configuration);
    this.#settings.log?.({ functionName: name, version: '', text: `rebuilt ${entry}\n` });
    const published = this.#settings.publishOnChange ? this.#functions.publish(name) : undefined;
    const version = published?.version ?? '$LATEST';
    this.#settings.onRebuilt?.({ name, version, arn: this.arn(name, version) });
  }

  #remove(name: string, version: string | undefined): void {
    let removed: readonly Revision[];
    if (version === undefined) {
      const one = this.#functions.remove(name);
      removed = [one.latest, ...one.versions];
      const bundler = this.#bundlers.get(name);
      this.#bundlers.delete(name);
      // The watch ends at once; only the disposal of the build is awaited by nobody.
      void bundler?.close();
    } else {
      removed = [this.#functions.removeVersion(name, version)];
    }
    for (const revision of removed) this.#fleet.replaced(revision, undefined);
  }

  /** Bundles of `$LATEST`s past are kept while the server runs, because environments load them; not longer. */
  #sweep(): void {
    mkdirSync(this.#codeDir, { recursive: true });
    const needed = new Set([...this.#functions.modulePaths()].map(path => basename(dirname(path))));
    for (const folder of readdirSync(this.#codeDir)) {
      if (!needed.has(folder)) rmSync(join(this.#codeDir, folder), { recursive: true });
    }
  }
}
