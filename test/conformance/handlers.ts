/**
 * The handlers of both SDKs behind every transport: functions of one local Lambda, and for HTTP a process for each
 * SDK and version of HTTP. Orchestrators come and go; these stay.
 *
 * Invariant: after `stop`, or the end of this process, nothing that was started is left.
 */
import { join } from 'node:path';
import { SDK_NAMES, type SdkName, type Transport } from '../e2e/behaviours/dimensions.ts';
import { NOTES_DIR } from '../e2e/behaviours/notes.ts';
import { MAIN_ENDPOINTS, rowEndpoints } from '../e2e/behaviours/served/endpoints.ts';
import { ENDPOINT, HTTP_TRANSPORT } from '../e2e/behaviours/served/environment.ts';
import { HttpHandlers, type LambdaServer, type Registration } from '../e2e/harness/index.ts';
import { startLambda } from '../e2e/harness/lambda.ts';

const FUNCTION_TIMEOUT_MS = 30_000;
const ENDPOINTS = [...MAIN_ENDPOINTS, ...rowEndpoints([false, true])];

const entryOf = (kind: 'lambda' | 'http', sdk: SdkName): string =>
  join(import.meta.dirname, '../e2e/behaviours/served', `${kind}-${sdk.toLowerCase()}.ts`);

export interface HandlersOptions {
  readonly transports: readonly Transport[];
  /** Shared with the handlers. */
  readonly notesDir: string;
  readonly lambdaDir: string;
}

export class Handlers {
  readonly #env: Readonly<Record<string, string>>;
  #lambda: LambdaServer | undefined;
  readonly #servers = new Map<string, HttpHandlers>();

  private constructor(notesDir: string) {
    this.#env = { RESTATE_LOGGING: 'ERROR', [NOTES_DIR]: notesDir };
  }

  static async start(options: HandlersOptions): Promise<Handlers> {
    const handlers = new Handlers(options.notesDir);
    const { transports, lambdaDir } = options;
    try {
      const starting = transports.map(transport =>
        transport === 'lambda'
          ? handlers.#startLambda(lambdaDir)
          : Promise.all(SDK_NAMES.map(sdk => handlers.#startServer(transport, sdk, 'all'))),
      );
      await Promise.all(starting);
      return handlers;
    } catch (error) {
      await handlers.stop();
      throw error;
    }
  }

  async #startLambda(dataDir: string): Promise<void> {
    const functions = ENDPOINTS.map(({ name, sdk }) => ({
      name,
      entry: entryOf('lambda', sdk),
      env: { ...this.#env, [ENDPOINT]: name },
      timeoutMs: FUNCTION_TIMEOUT_MS,
    }));
    this.#lambda = await startLambda(functions, { kind: 'process', dataDir });
  }

  async #startServer(transport: Transport, sdk: SdkName, use: string): Promise<HttpHandlers> {
    const env = { ...this.#env, [HTTP_TRANSPORT]: transport };
    const server = await HttpHandlers.start({ entry: entryOf('http', sdk), env });
    this.#servers.set(`${transport} ${sdk} ${use}`, server);
    return server;
  }

  /** Of the local Lambda; where there is none, of nothing. */
  get lambdaUrl(): string {
    return this.#lambda?.url ?? 'http://127.0.0.1:9';
  }

  /** How an endpoint is registered. */
  async registration(transport: Transport, endpoint: string): Promise<Registration> {
    if (transport === 'lambda') return { arn: (await this.#lambda?.versionArn(endpoint)) ?? '' };
    const sdk = ENDPOINTS.find(({ name }) => name === endpoint)?.sdk;
    const server = this.#servers.get(`${transport} ${sdk} all`);
    if (server === undefined) throw new Error(`${endpoint} is not served over ${transport}`);
    return httpRegistration(transport, server, endpoint);
  }

  /** A server of its own for each caller, which it may kill and start again. */
  async mortal(
    transport: Transport,
    sdk: SdkName,
  ): Promise<{ readonly server: HttpHandlers; readonly registration: Registration }> {
    const server = await this.#startServer(transport, sdk, `mortal ${this.#servers.size}`);
    return { server, registration: httpRegistration(transport, server, `mortal-${sdk}Mortal`) };
  }

  async stop(): Promise<void> {
    await Promise.all([this.#lambda?.stop(), ...[...this.#servers.values()].map(one => one.kill())]);
  }
}

function httpRegistration(transport: Transport, { url }: HttpHandlers, endpoint: string): Registration {
  const uri = `${url}/${endpoint}`;
  return transport === 'http1' ? { uri, use_http_11: true } : { uri };
}
