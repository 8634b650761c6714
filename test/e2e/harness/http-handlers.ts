/** A server of handlers over HTTP as a process of its own, which can be killed and started again at its address. */
import { type RunningProcess, startProcess } from './processes.ts';

export interface HttpHandlersOptions {
  /** Path of the source; it prints `{"url": ...}` on a line of its own when it listens, on the port `PORT`. */
  readonly entry: string;
  readonly env: Readonly<Record<string, string>>;
  /** Every line of its output but the one with its address. */
  readonly onLog?: (line: string) => void;
}

export class HttpHandlers {
  readonly #options: HttpHandlersOptions;
  #process: RunningProcess | undefined;
  #url = '';

  private constructor(options: HttpHandlersOptions) {
    this.#options = options;
  }

  static async start(options: HttpHandlersOptions): Promise<HttpHandlers> {
    const handlers = new HttpHandlers(options);
    await handlers.restart();
    return handlers;
  }

  get url(): string {
    return this.#url;
  }

  /** After `kill`: the same code at the same address. */
  async restart(): Promise<void> {
    const { entry, env, onLog } = this.#options;
    let listening: (url: string) => void = () => undefined;
    const listens = new Promise<string>(resolve => {
      listening = resolve;
    });
    const port = this.#url === '' ? '0' : new URL(this.#url).port;
    const running = startProcess({
      args: [entry],
      env: { PATH: process.env['PATH'] ?? '', ...env, PORT: port },
      onLine: line => {
        if (line.startsWith('{"url"')) listening((JSON.parse(line) as { url: string }).url);
        else onLog?.(line);
      },
    });
    this.#process = running;
    const ended = running.exited.then((): never => {
      throw new Error(`${entry} did not start:\n${running.lastLines().join('\n')}`);
    });
    this.#url = await Promise.race([listens, ended]);
    // From here on its end is an ordinary one.
    ended.catch(() => undefined);
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    await this.#process?.end('SIGKILL');
  }
}
