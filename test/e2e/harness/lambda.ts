/**
 * The Local Lambda of a stack: in this process, where a test can look at its environments, or as a process of
 * its own, where a benchmark does not share its event loop. The functions' environments are processes either way.
 */
import { join } from 'node:path';
import {
  type EnvironmentInfo,
  type FunctionSettings,
  type LocalLambdaSettings,
  startLocalLambda,
} from '../../../runtime/invoker/emulator/local-lambda.ts';
import { startProcess } from './processes.ts';

export type { EnvironmentInfo, FunctionSettings } from '../../../runtime/invoker/emulator/local-lambda.ts';

const MAIN = join(import.meta.dirname, '../../../runtime/invoker/emulator/main.ts');

type InProcessOptions = { readonly kind: 'inProcess' } & Omit<LocalLambdaSettings, 'functions'>;
type ProcessOptions = { readonly kind: 'process'; readonly onLog?: (line: string) => void } & Omit<
  LocalLambdaSettings,
  'functions' | 'log' | 'onRebuilt'
>;
export type LambdaOptions = InProcessOptions | ProcessOptions;

export interface LambdaServer {
  readonly url: string;
  /** Of the server; its environments have their own. */
  readonly pid: number;
  /** ARN of a published version, which is what is registered. In process, publishes what has changed. */
  versionArn(functionName: string): Promise<string>;
  /** Living environments; in process only. */
  environments(): readonly EnvironmentInfo[];
  /** SIGKILL to one of `environments()`, as when its host is lost; in process only. */
  killEnvironment(pid: number): void;
  stop(): Promise<void>;
}

export function startLambda(
  functions: readonly FunctionSettings[],
  options: LambdaOptions,
): Promise<LambdaServer> {
  return options.kind === 'process' ? startAsProcess(functions, options) : startInProcess(functions, options);
}

async function startInProcess(
  functions: readonly FunctionSettings[],
  { kind: _, ...settings }: InProcessOptions,
): Promise<LambdaServer> {
  const lambda = await startLocalLambda({ ...settings, functions });
  return {
    url: lambda.url,
    pid: process.pid,
    versionArn: async name => (await lambda.publish(name)).arn,
    environments: () => lambda.environments(),
    killEnvironment: pid => {
      if (!lambda.environments().some(one => one.pid === pid)) throw new Error(`${pid} is no environment`);
      process.kill(pid, 'SIGKILL');
    },
    stop: () => lambda.close(),
  };
}

interface Ready {
  readonly url: string;
  readonly functions: readonly { readonly name: string; readonly versionArn: string }[];
}

async function startAsProcess(
  functions: readonly FunctionSettings[],
  { kind: _, onLog, ...settings }: ProcessOptions,
): Promise<LambdaServer> {
  let ready: (ready: Ready) => void = () => undefined;
  const started = new Promise<Ready>(resolve => {
    ready = resolve;
  });
  const running = startProcess({
    args: [MAIN, '-'],
    env: { PATH: process.env['PATH'] ?? '' },
    input: JSON.stringify({ ...settings, functions }),
    onLine: (line, stream) => {
      if (stream === 'stdout' && line.startsWith('{"url"')) ready(JSON.parse(line) as Ready);
      else onLog?.(line);
    },
  });
  const failed = running.exited.then((): never => {
    throw new Error(`the Local Lambda did not start:\n${running.lastLines().join('\n')}`);
  });
  const { url, functions: published } = await Promise.race([started, failed]);
  // From here on its end is an ordinary one.
  failed.catch(() => undefined);
  const inProcessOnly = (): never => {
    throw new Error("environments can be looked at with lambda: { kind: 'inProcess' } only");
  };
  return {
    url,
    pid: running.pid,
    versionArn: async name => {
      const found = published.find(one => one.name === name);
      if (found === undefined) throw new Error(`there is no function ${name}`);
      return found.versionArn;
    },
    environments: inProcessOnly,
    killEnvironment: inProcessOnly,
    stop: async () => void (await running.end('SIGTERM')),
  };
}
