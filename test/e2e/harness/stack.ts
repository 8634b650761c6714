/**
 * A whole Holdfast on this machine: an orchestrator process, a Local Lambda, functions built from source, and
 * clients of both HTTP APIs. For end-to-end tests, benchmarks and the demo.
 *
 *     const stack = await startStack({ functions: [{ name: 'fn', entry: 'path/to/fn.ts' }] });
 *     const { body } = await stack.ingress.call('Greeter/greet', 'you');
 *     await stack.killOrchestrator();      // SIGKILL
 *     await stack.restartOrchestrator();   // same data, same ports: `stack.ingress` stays valid
 *     await stack.stop();
 *
 * Invariant: after `stop`, or the end of this process, nothing that the stack started or stored is left.
 */
import { join } from 'node:path';
import { AdminClient, IngressClient } from './clients.ts';
import { type FunctionSettings, type LambdaOptions, type LambdaServer, startLambda } from './lambda.ts';
import { Orchestrator } from './orchestrator.ts';
import { tempDir } from './processes.ts';

export interface StackOptions {
  /** `entry` is the path of a source file; absolute, or relative to the working directory. */
  readonly functions: readonly FunctionSettings[];
  /** Of the orchestrator, by name, as in docs/guides/settings.md. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** @default in this process, functions' output dropped */
  readonly lambda?: LambdaOptions;
  /** Whether every function is registered at the start. @default true */
  readonly register?: boolean;
  /** Kept by `stop`. @default a temporary folder */
  readonly dataDir?: string;
  /** Every line of the orchestrator's log. */
  readonly onLog?: (line: string) => void;
}

export interface Stack {
  readonly ingress: IngressClient;
  readonly admin: AdminClient;
  readonly orchestrator: Orchestrator;
  readonly lambda: LambdaServer;
  /** Publishes and registers a function; the id of the deployment. */
  register(functionName: string): Promise<string>;
  /** SIGKILL; resolves when the process is gone. */
  killOrchestrator(): Promise<void>;
  /** After a kill or stop: same data, same ports. Resolves when it accepts connections. */
  restartOrchestrator(): Promise<void>;
  stop(): Promise<void>;
}

export async function startStack(options: StackOptions): Promise<Stack> {
  const data = tempDir('holdfast');
  const lambda = await startLambda(options.functions, {
    dataDir: join(data.path, 'lambda'),
    ...(options.lambda ?? { kind: 'inProcess' }),
  });
  const orchestrator = new Orchestrator({
    dataDir: options.dataDir ?? join(data.path, 'data'),
    lambdaUrl: lambda.url,
    compileCache: join(data.path, 'compiled'),
    ...(options.settings === undefined ? {} : { settings: options.settings }),
    ...(options.onLog === undefined ? {} : { onLog: options.onLog }),
  });
  const stop = async (): Promise<void> => {
    // Not SIGTERM: a test has seen what it wanted to, and its attempts under way are of no use to anybody.
    if (orchestrator.running) await orchestrator.kill();
    await lambda.stop();
    data.remove();
  };
  try {
    const { ingressUrl, adminUrl } = await orchestrator.start();
    const admin = new AdminClient(adminUrl);
    const register = async (name: string): Promise<string> => admin.register(await lambda.versionArn(name));
    if (options.register ?? true) for (const { name } of options.functions) await register(name);
    return {
      ingress: new IngressClient(ingressUrl),
      admin,
      orchestrator,
      lambda,
      register,
      killOrchestrator: async () => void (await orchestrator.kill()),
      restartOrchestrator: async () => void (await orchestrator.start()),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
