/** The processes of a benchmark, each its own so that their CPU time can be told apart. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

const root = join(import.meta.dirname, '../..');

export interface Running {
  readonly pid: number;
  stop(): Promise<void>;
}

export interface LocalLambda extends Running {
  readonly url: string;
  /** Of the functions, in the order they were given. */
  readonly arns: readonly string[];
}

export interface Engine extends Running {
  readonly name: string;
  readonly ingress: string;
  readonly admin: string;
  /** What it has written to disk, in bytes: for ours the store, without the log. */
  storedBytes(): number;
  /** What the process holds after a garbage collection; of the peer, what is resident. */
  heldBytes(): Promise<number>;
}

export interface BenchFunction {
  readonly name: string;
  /** Path of the source, from the repository's root. */
  readonly entry: string;
  readonly env?: Readonly<Record<string, string>>;
}

const AWS = { AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local', AWS_REGION: 'us-east-1' };

export async function startLambda(functions: readonly BenchFunction[]): Promise<LocalLambda> {
  const settings = {
    functions: functions.map(({ name, entry, env }) => ({
      name,
      entry: join(root, entry),
      timeoutMs: 30_000,
      env: { RESTATE_LOGGING: 'ERROR', ...env },
    })),
    // Two cores are shared by everything, so more environments would only compete.
    maxEnvironments: 4,
    freeze: false,
    logDir: mkdtempSync(join(tmpdir(), 'holdfast-bench-logs-')),
  };
  const child = spawn(process.execPath, [join(root, 'runtime/invoker/emulator/main.ts'), '-'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify(settings));
  const ready = await new Lines(child.stdout, 'the local Lambda').next(line => line.startsWith('{'));
  const started = JSON.parse(ready) as { url: string; functions: { versionArn: string }[] };
  const cleanUp = () => rmSync(settings.logDir, { recursive: true, force: true });
  return { ...running(child, cleanUp), url: started.url, arns: started.functions.map(one => one.versionArn) };
}

export interface Handlers extends Running {
  readonly uri: string;
}

/** Handlers behind HTTP/2, in a process of their own. */
export async function startHandlers(entry: string): Promise<Handlers> {
  const child = spawn(process.execPath, [join(root, entry)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ready = await new Lines(child.stdout, entry).next(line => line.startsWith('{'));
  const { port } = JSON.parse(ready) as { port: number };
  return { ...running(child, () => undefined), uri: `http://127.0.0.1:${port}` };
}

export async function startHoldfast(lambdaUrl: string): Promise<Engine> {
  const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  const probe = ['--expose-gc', '--import', join(import.meta.dirname, 'probe.ts')];
  const child = spawn(process.execPath, [...probe, join(root, 'runtime/server/main.ts')], {
    stdio: ['ignore', 'inherit', 'pipe'],
    env: {
      ...process.env,
      ...AWS,
      AWS_ENDPOINT_URL_LAMBDA: lambdaUrl,
      HOLDFAST_DATA_DIR: dataDir,
      HOLDFAST_INGRESS_PORT: '0',
      HOLDFAST_ADMIN_PORT: '0',
      HOLDFAST_HTTP_ENDPOINTS: 'localhost',
    },
  });
  const lines = new Lines(child.stderr, 'the orchestrator');
  const line = await lines.next(text => text.includes('"server started"'));
  const { ingress, admin } = JSON.parse(line) as { ingress: string; admin: string };
  const cleanUp = () => rmSync(dataDir, { recursive: true, force: true });
  const heldBytes = async (): Promise<number> => {
    const answer = lines.next(text => text.includes('"held"'));
    child.kill('SIGUSR2');
    return (JSON.parse(await answer) as { heldBytes: number }).heldBytes;
  };
  const storedBytes = (): number => filesOf(dataDir, name => name.startsWith('store.'));
  return { ...running(child, cleanUp), name: 'holdfast', ingress, admin, heldBytes, storedBytes };
}

/** The Restate server from its npm package, installed on demand outside the workspace. */
export async function startRestate(lambdaUrl: string, version: string): Promise<Engine> {
  const home = join(tmpdir(), `holdfast-peer-restate-${version}`);
  // The binary itself, not the script that starts it: its CPU time is what is measured.
  const platform = `restate-server-${process.platform}-${process.arch}`;
  const binary = join(home, 'node_modules/@restatedev', platform, 'bin/restate-server');
  if (!existsSync(binary)) {
    mkdirSync(home, { recursive: true });
    execFileSync(
      'npm',
      [
        'install',
        '--prefix',
        home,
        '--no-audit',
        '--no-fund',
        '--ignore-scripts',
        `@restatedev/restate-server@${version}`,
      ],
      {
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    );
  }
  const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-bench-restate-'));
  const [ingressPort, adminPort, nodePort] = [28_080, 29_070, 25_122];
  const child = spawn(binary, ['--base-dir', dataDir, '--node-name', 'bench'], {
    stdio: ['ignore', 'ignore', 'ignore'],
    env: {
      ...process.env,
      ...AWS,
      AWS_ENDPOINT_URL_LAMBDA: lambdaUrl,
      RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingressPort}`,
      RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${adminPort}`,
      RESTATE_BIND_ADDRESS: `127.0.0.1:${nodePort}`,
      RESTATE_LOG_FILTER: 'warn',
      RESTATE_DISABLE_TELEMETRY: 'true',
      DO_NOT_TRACK: '1',
    },
  });
  const admin = `http://127.0.0.1:${adminPort}`;
  await until(async () => (await fetch(`${admin}/health`)).ok, 30_000, 'the Restate server');
  const cleanUp = () => rmSync(dataDir, { recursive: true, force: true });
  const server = running(child, cleanUp);
  return {
    ...server,
    name: 'restate',
    ingress: `http://127.0.0.1:${ingressPort}`,
    admin,
    storedBytes: () => filesOf(dataDir, () => true),
    heldBytes: async () => residentMiB(server.pid) * 2 ** 20,
  };
}

function filesOf(directory: string, wanted: (name: string) => boolean): number {
  let bytes = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && wanted(entry.name)) bytes += statSync(join(entry.parentPath, entry.name)).size;
  }
  return bytes;
}

/** By its ARN or its URI. */
export async function register(engine: Engine, address: string): Promise<void> {
  const body = address.startsWith('arn:') ? { arn: address } : { uri: address };
  await until(
    async () => {
      const response = await fetch(`${engine.admin}/deployments`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      if (!response.ok) throw new Error(`${engine.name} refused ${address}: ${await response.text()}`);
      return true;
    },
    15_000,
    `the registration at ${engine.name}`,
  );
}

/** User and system time of the process with all its threads, in microseconds; the kernel counts in 10 ms. */
export function cpuMicros(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  const ticks = Number(fields[11]) + Number(fields[12]);
  return ticks * 10_000;
}

export function residentMiB(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]);
  return (pages * 4096) / 2 ** 20;
}

function running(child: ChildProcess, cleanUp: () => void): Running {
  const { pid } = child;
  if (pid === undefined) throw new Error('the process did not start');
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()));
  process.once('exit', () => child.kill('SIGKILL'));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await exited;
    clearTimeout(timer);
    cleanUp();
  };
  return { pid, stop };
}

/** Lines of a process: those that somebody waits for, once each, and warnings and errors for the reader. */
class Lines {
  private readonly who: string;
  private readonly waiting = new Set<{
    readonly wanted: (line: string) => boolean;
    readonly resolve: (line: string) => void;
    readonly reject: (error: Error) => void;
  }>();

  constructor(stream: Readable, who: string) {
    this.who = who;
    const lines = createInterface({ input: stream });
    lines.on('line', line => this.see(line));
    lines.once('close', () => {
      for (const { reject } of this.waiting) reject(new Error(`${this.who} ended before it answered`));
    });
  }

  next(wanted: (line: string) => boolean): Promise<string> {
    return new Promise((resolve, reject) => this.waiting.add({ wanted, resolve, reject }));
  }

  private see(line: string): void {
    for (const waiter of this.waiting) {
      if (!waiter.wanted(line)) continue;
      this.waiting.delete(waiter);
      waiter.resolve(line);
      return;
    }
    if (line.includes('"level":"warn"') || line.includes('"level":"error"')) console.error(line);
  }
}

async function until(check: () => Promise<boolean>, timeoutMs: number, who: string): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      if (await check()) return;
    } catch (error) {
      if (performance.now() > deadline) throw new Error(`${who} is not ready`, { cause: error });
    }
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}
