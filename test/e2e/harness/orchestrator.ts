/**
 * The orchestrator as a process of its own, which can be killed at any moment and started again on the same data
 * and the same ports.
 *
 * Invariant: at most one process runs; `start` returns when both listeners accept connections.
 */
import { join } from 'node:path';
import { type Exit, type RunningProcess, startProcess } from './processes.ts';

const MAIN = join(import.meta.dirname, '../../../runtime/server/main.ts');
/** A port that was just given up may be taken for a moment by a client's own end of a connection. */
const PORT_RETRY_MS = 5000;
const PORT_RETRY_PAUSE_MS = 20;

export interface OrchestratorOptions {
  readonly dataDir: string;
  readonly lambdaUrl: string;
  /** By name, as in docs/guides/settings.md, for example `{ storeFlushInterval: '50ms' }`. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** More variables, such as the address of another AWS service. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where compiled code is kept between starts. An orderly stop writes it; later starts take half the time. */
  readonly compileCache?: string;
  /** Every line of its log. */
  readonly onLog?: (line: string) => void;
}

export interface Endpoints {
  readonly ingressUrl: string;
  readonly adminUrl: string;
}

export class Orchestrator {
  readonly #options: OrchestratorOptions;
  #process: RunningProcess | undefined;
  #endpoints: Endpoints | undefined;

  constructor(options: OrchestratorOptions) {
    this.#options = options;
  }

  get running(): boolean {
    return this.#process !== undefined;
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error('the orchestrator is not running');
    return this.#process.pid;
  }

  /** The end of the present process, expected or not. */
  get exited(): Promise<Exit> {
    if (this.#process === undefined) throw new Error('the orchestrator is not running');
    return this.#process.exited;
  }

  /** Its last lines, for the message of a test that fails. */
  lastLines(): readonly string[] {
    return this.#process?.lastLines() ?? [];
  }

  /** The first start takes free ports; the following ones take the same again. */
  async start(): Promise<Endpoints> {
    if (this.#process !== undefined) throw new Error('the orchestrator is running already');
    const giveUpAt = performance.now() + PORT_RETRY_MS;
    for (;;) {
      const { process, ready } = this.launch();
      const endpoints = await ready;
      if (endpoints !== undefined) {
        this.#endpoints = endpoints;
        return endpoints;
      }
      const lines = process.lastLines();
      this.#process = undefined;
      const portTaken = lines.some(line => line.includes('HF_LISTEN_FAILED'));
      if (!portTaken || this.#endpoints === undefined || performance.now() > giveUpAt) {
        throw new Error(`the orchestrator did not start:\n${lines.join('\n')}`);
      }
      await new Promise(done => setTimeout(done, PORT_RETRY_PAUSE_MS));
    }
  }

  /**
   * Starts the process without waiting for it: a test may want to kill it while it recovers. `ready` resolves
   * to undefined if it ends before it listens.
   */
  launch(): { readonly process: RunningProcess; readonly ready: Promise<Endpoints | undefined> } {
    const { onLog } = this.#options;
    let listening: (endpoints: Endpoints) => void = () => undefined;
    const started = new Promise<Endpoints>(resolve => {
      listening = resolve;
    });
    const launched = startProcess({
      args: [MAIN],
      env: this.#environment(),
      onLine: line => {
        const endpoints = endpointsOf(line);
        if (endpoints !== undefined) listening(endpoints);
        onLog?.(line);
      },
    });
    this.#process = launched;
    const ended = launched.exited.then(() => undefined);
    return { process: launched, ready: Promise.race([started, ended]) };
  }

  /** SIGKILL: no handler of it runs, nothing is flushed. */
  kill(): Promise<Exit> {
    return this.#end('SIGKILL');
  }

  /** SIGTERM: it finishes what is under way. */
  stop(): Promise<Exit> {
    return this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<Exit> {
    const ending = this.#process;
    if (ending === undefined) throw new Error('the orchestrator is not running');
    const exit = await ending.end(signal);
    if (this.#process === ending) this.#process = undefined;
    return exit;
  }

  #environment(): Record<string, string> {
    const { settings = {}, dataDir, lambdaUrl, compileCache, env } = this.#options;
    const given = Object.entries(settings).map(([name, value]) => [variableOf(name), String(value)]);
    return {
      PATH: process.env['PATH'] ?? '',
      HOLDFAST_DATA_DIR: dataDir,
      HOLDFAST_INGRESS_PORT: portOf(this.#endpoints?.ingressUrl),
      HOLDFAST_ADMIN_PORT: portOf(this.#endpoints?.adminUrl),
      AWS_ENDPOINT_URL_LAMBDA: lambdaUrl,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      ...(compileCache === undefined ? {} : { NODE_COMPILE_CACHE: compileCache }),
      ...env,
      ...Object.fromEntries(given),
    };
  }
}

const portOf = (url: string | undefined): string => (url === undefined ? '0' : new URL(url).port);

/** `storeFlushInterval` is `HOLDFAST_STORE_FLUSH_INTERVAL`. */
const variableOf = (name: string): string =>
  `HOLDFAST_${name.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase()}`;

function endpointsOf(line: string): Endpoints | undefined {
  if (!line.startsWith('{') || !line.includes('"server started"')) return undefined;
  const { ingress, admin } = JSON.parse(line) as { ingress: string; admin: string };
  return { ingressUrl: ingress, adminUrl: admin };
}
