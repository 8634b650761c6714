/**
 * `npm run bench:sdk`: what the SDK costs a function, next to the SDKs that it is compared with, in one run: bytes of an
 * empty handler, the time that importing it adds to a start of Node, time and memory to replay completed steps.
 * Then the goals. Ours is the built package, not its sources.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtProject } from '../../sdk-lambda/build/measured.ts';
import type { Replayed } from './sdk-replay.ts';
import { prepare, type Subject } from './sdk-subjects.ts';

const STARTS = 20;
const STEPS = [1_000, 10_000];
/** Processes that replay, in turn; the best of them counts. */
const REPLAY_ROUNDS = 3;

interface Cost {
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** Medians, less those of an empty module. */
interface Import extends Cost {
  readonly name: string;
}

/** What a process prints. The official SDK's log would get in between. */
function inNode(...args: readonly string[]): unknown {
  const env = { ...process.env, RESTATE_LOGGING: 'ERROR' };
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', env }));
}

/** In a fresh process; plain JavaScript, because stripping types would load half of Node before. */
const IMPORT = `
  const cpu = process.cpuUsage(), from = performance.now();
  await import(process.argv[1]);
  const wallMs = performance.now() - from, { user, system } = process.cpuUsage(cpu);
  console.log(JSON.stringify({ wallMs, cpuMs: (user + system) / 1000 }));`;

function measureImports(subjects: readonly Subject[], into: string): readonly Import[] {
  const bare = join(into, 'bare.mjs');
  writeFileSync(bare, 'export const handler = async () => {};');
  const rows = [{ name: 'bare', path: bare }, ...subjects.map(({ name, empty }) => ({ name, path: empty }))];
  const samples = rows.map(() => [] as Cost[]);
  // One start more, so that files are in the page cache.
  for (let start = -1; start < STARTS; start++) {
    for (const [i, { path }] of rows.entries()) {
      const out = inNode('--input-type=module', '-e', IMPORT, path);
      if (start >= 0) samples[i]?.push(out as Cost);
    }
  }
  const medians = samples.map(of => ({
    wallMs: median(of.map(({ wallMs }) => wallMs)),
    cpuMs: median(of.map(({ cpuMs }) => cpuMs)),
  }));
  const [base = { wallMs: 0, cpuMs: 0 }, ...others] = medians;
  return others.map(({ wallMs, cpuMs }, i) => ({
    name: subjects[i]?.name ?? '',
    wallMs: wallMs - base.wallMs,
    cpuMs: cpuMs - base.cpuMs,
  }));
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

type Replays = ReadonlyMap<string, readonly Replayed[]>;

function measureReplays(subjects: readonly Subject[]): Replays {
  const best = new Map<string, readonly Replayed[]>();
  const script = join(import.meta.dirname, 'sdk-replay.ts');
  for (let round = 0; round < REPLAY_ROUNDS; round++) {
    for (const { name, steps } of subjects) {
      if (steps === undefined) continue;
      const measured = STEPS.map(count => inNode(script, steps, String(count)) as Replayed);
      const before = best.get(name);
      best.set(
        name,
        measured.map((now, i) => better(now, before?.[i])),
      );
    }
  }
  return best;
}

const better = (now: Replayed, before: Replayed = now): Replayed => ({
  steps: now.steps,
  firstMs: Math.min(now.firstMs, before.firstMs),
  bestMs: Math.min(now.bestMs, before.bestMs),
  peakMiB: Math.min(now.peakMiB, before.peakMiB),
});

function printSizes(subjects: readonly Subject[]): void {
  print('empty handler', ['minified B', 'gzip B']);
  for (const { name, minifiedBytes, gzipBytes } of subjects)
    print(name, [minifiedBytes, gzipBytes].map(count));
}

function printImports(imports: readonly Import[]): void {
  print(`\nimport over bare Node, ${STARTS} starts`, ['wall ms', 'CPU ms']);
  for (const { name, wallMs, cpuMs } of imports) print(name, [wallMs, cpuMs].map(ms));
}

function printReplays(replays: Replays): void {
  print('\nreplay of completed steps', ['steps', 'first ms', 'best ms', 'peak MiB']);
  for (const [name, of] of replays)
    for (const { steps, firstMs, bestMs, peakMiB } of of)
      print(name, [count(steps), ...[firstMs, bestMs, peakMiB].map(ms)]);
}

function printGoals(subjects: readonly Subject[], imports: readonly Import[], replays: Replays): void {
  const [own] = subjects;
  const [small, large] = replays.get(own?.name ?? '') ?? [];
  if (!own || !small || !large) throw new Error('our own SDK was not measured');
  const goals: readonly (readonly [string, number, number])[] = [
    ['minified bytes', own.minifiedBytes, 45_000],
    ['gzip bytes', own.gzipBytes, 15_000],
    // Others who use the machine lengthen the wall time only.
    ['import over bare Node, ms', Math.min(imports[0]?.wallMs ?? 0, imports[0]?.cpuMs ?? 0), 6],
    ['replay of 1,000 steps, best ms', small.bestMs, 15],
    ['replay of 10,000 steps, best ms', large.bestMs, 150],
    // Linear, but for caches that grow too small; what is quadratic takes a hundred times as long.
    ['ten times the steps, times as long', large.bestMs / small.bestMs, 25],
  ];
  console.log();
  for (const [name, value, below] of goals)
    print(name, [
      Number.isInteger(value) ? count(value) : ms(value),
      `< ${count(below)}`,
      value < below ? 'met' : 'NOT MET',
    ]);
}

function count(value: number): string {
  return value.toLocaleString('en');
}

function ms(value: number): string {
  return value.toFixed(1);
}

function print(name: string, cells: readonly string[]): void {
  console.log(name.padEnd(42) + cells.map(cell => cell.padStart(12)).join(''));
}

const built = await builtProject();
const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-sdk-'));
try {
  const subjects = await prepare(built.folder, folder);
  printSizes(subjects);
  const imports = measureImports(subjects, folder);
  printImports(imports);
  const replays = measureReplays(subjects);
  printReplays(replays);
  printGoals(subjects, imports, replays);
} finally {
  rmSync(folder, { recursive: true, force: true });
  built.remove();
}
