/**
 * Child processes and temporary folders that never outlive the process that asked for them.
 *
 * Invariants:
 * - A process is killed by its own pid, never by a name.
 * - When this process ends, in whatever way it can still notice, its children and folders are gone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const children = new Set<ChildProcess>();
const folders = new Set<string>();

function sweep(): void {
  for (const child of children) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

const FATAL_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
let guarded = false;

/** `exit` covers a return, a throw and `process.exit`; a signal that nobody handles ends a process without it. */
function guard(): void {
  if (guarded) return;
  guarded = true;
  process.once('exit', sweep);
  for (const signal of FATAL_SIGNALS) {
    process.once(signal, () => {
      // Somebody else's handler decides when to end; then `exit` comes.
      if (process.listenerCount(signal) > 0) return;
      sweep();
      process.kill(process.pid, signal);
    });
  }
}

export interface TempDir {
  readonly path: string;
  remove(): void;
}

export function tempDir(prefix: string): TempDir {
  guard();
  const path = mkdtempSync(join(tmpdir(), `${prefix}-`));
  folders.add(path);
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true });
      folders.delete(path);
    },
  };
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunningProcess {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** The last lines it wrote, standard output and error in the order they arrived. */
  lastLines(): readonly string[];
  /** Sends a signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<Exit>;
}

export interface ProcessOptions {
  /** Arguments of `node`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Written to its standard input, which is then closed. */
  readonly input?: string;
  readonly onLine: (line: string, stream: 'stdout' | 'stderr') => void;
}

const LINES_KEPT = 50;

export function startProcess({ args, env, input, onLine }: ProcessOptions): RunningProcess {
  guard();
  const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  children.add(child);
  const kept: string[] = [];
  for (const stream of ['stdout', 'stderr'] as const) {
    createInterface({ input: child[stream] }).on('line', line => {
      kept.push(line);
      if (kept.length > LINES_KEPT) kept.shift();
      onLine(line, stream);
    });
  }
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      children.delete(child);
      resolve({ code, signal });
    });
  });
  // A child that is gone before it has read its input says so through `exited`.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input ?? '');
  return {
    pid: child.pid ?? -1,
    exited,
    lastLines: () => kept,
    end: signal => {
      child.kill(signal);
      return exited;
    },
  };
}
