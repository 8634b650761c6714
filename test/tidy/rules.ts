/** The rules that the tidy test enforces. Every ban names the replacement, every exception its reason. */

/** Module: which of ours it may import. A module is the longest listed path that a file lies under. */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  'runtime/core': [],
  'runtime/platform': [],
  'runtime/format': ['runtime/core', 'protocol', 'runtime/platform/error.ts'],
  'runtime/log': ['runtime/platform'],
  'runtime/store': ['runtime/platform'],
  'runtime/objects': ['runtime/platform'],
  'runtime/timers': ['runtime/core', 'runtime/platform'],
  // `format` reads an answer the same way when it arrives and when its record is replayed.
  'runtime/invoker': ['protocol', 'runtime/core', 'runtime/format', 'runtime/objects', 'runtime/platform'],
  // A server of its own that speaks Lambda's API: it knows nothing of the orchestrator.
  'runtime/invoker/emulator': ['runtime/platform/error.ts'],
  'runtime/partition': [
    'protocol',
    'runtime/core',
    'runtime/format',
    'runtime/invoker',
    'runtime/log',
    'runtime/platform',
    'runtime/store',
    'runtime/timers',
  ],
  'runtime/ingress': ['protocol', 'runtime/core', 'runtime/partition/engine.ts', 'runtime/platform'],
  'runtime/admin': ['protocol', 'runtime/core', 'runtime/partition/engine.ts', 'runtime/platform'],
  'runtime/server': ['protocol', 'runtime'],
  'runtime/cli': ['protocol', 'runtime'],
  'sdk-lambda': ['protocol'],
  // Handlers import the SDK; the demo drives real processes as the end-to-end tests do.
  examples: ['sdk-lambda', 'examples', 'test/e2e/harness'],
};

export interface Ban {
  readonly name: string;
  readonly pattern: RegExp;
  readonly instead: string;
}

export const BANS: readonly Ban[] = [
  { name: 'wall clock', pattern: /\bDate\.now\(|\bnew Date\(\)/, instead: 'Clock of platform/ports.ts' },
  {
    name: 'monotonic clock',
    pattern: /\bperformance\.now\(|\bprocess\.hrtime/,
    instead: 'Clock of platform/ports.ts',
  },
  {
    name: 'timer',
    pattern: /(?<![.\w])(setTimeout|setInterval|setImmediate)\(/,
    instead: 'Timers of platform/ports.ts',
  },
  {
    name: 'randomness',
    pattern: /\bMath\.random\(|\brandomBytes\(|\brandomUUID\(|\bgetRandomValues\(|\brandomInt\(/,
    instead: 'Random of platform/ports.ts, or a seed in the record',
  },
  {
    name: 'I/O',
    pattern:
      /from 'node:(fs|fs\/promises|net|http|http2|https|tls|dgram|child_process|worker_threads|sqlite|cluster|dns|process)'/,
    instead: 'a port in platform/',
  },
  { name: 'HTTP client', pattern: /from 'undici'/, instead: 'platform/http-client.ts' },
  { name: 'console', pattern: /(?<![.\w])console\.\w+\(/, instead: 'Logger of platform/ports.ts' },
  {
    name: 'process exit',
    pattern: /\bprocess\.(exit|kill|on)\(/,
    instead: 'onFailure; only server/ and bootstraps end the process',
  },
];

export interface Exception {
  /** Path prefix. */
  readonly path: string;
  readonly bans: readonly string[] | 'all';
  readonly reason: string;
}

export const EXCEPTIONS: readonly Exception[] = [
  { path: 'runtime/platform/', bans: 'all', reason: 'the one place where the outside is reached' },
  {
    path: 'runtime/invoker/emulator/',
    bans: 'all',
    reason: 'a double of AWS Lambda: a server and child processes, used in development and tests only',
  },
  {
    path: 'runtime/log/segment-worker.ts',
    bans: ['I/O'],
    reason: 'hosts the segment writer in its own thread',
  },
  { path: 'runtime/log/ring.ts', bans: ['I/O'], reason: 'the memory that the two threads share' },
  { path: 'runtime/log/file-log.ts', bans: ['I/O'], reason: 'starts that thread' },
  {
    path: 'runtime/store/sqlite-',
    bans: ['I/O'],
    reason: 'the SQLite store, its worker thread and its schema',
  },
  { path: 'runtime/cli/dev.ts', bans: ['process exit'], reason: 'the process itself' },
  { path: 'runtime/server/main.ts', bans: ['I/O', 'process exit', 'console'], reason: 'the process itself' },
];

/** Codes of errors: ours, and those of the service protocol. */
export const ERROR_CODE = /\b(HF_[A-Z0-9_]+|RT\d{4}|META\d{4})\b/g;
