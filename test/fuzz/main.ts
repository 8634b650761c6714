/**
 * `node test/fuzz/main.ts <target> [--minutes n] [--seed n] [--findings folder] [--no-coverage]`. Exit code 1: there
 * is a finding; its input is written to the folder and becomes a file in `regressions/` once it is understood.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startCoverage } from './coverage.ts';
import { Fuzzer, type FuzzFinding, type FuzzReport } from './runner.ts';
import { openTarget } from './targets/index.ts';
import { startWatchdog } from './watchdog.ts';

const HANG_MS = 60_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    findings: { type: 'string', default: join(tmpdir(), 'holdfast-fuzz') },
    'no-coverage': { type: 'boolean', default: false },
  },
});
const name = positionals[0] ?? '';
const folder = join(values.findings, name);
mkdirSync(folder, { recursive: true });

const start = performance.now();
const print = ({ inputs, accepted, corpus, slowestMs, heapGrowthBytes, findings }: FuzzReport): void => {
  const seconds = (performance.now() - start) / 1000;
  const heap = (heapGrowthBytes / 1024 / 1024).toFixed(1);
  console.log(
    `${name} seed ${values.seed} ${seconds.toFixed(0)} s: ${inputs} inputs (${Math.round(inputs / seconds)}/s, ` +
      `${accepted} accepted), corpus ${corpus}, ${coverage?.size ?? 'unknown'} characters reached, slowest ${slowestMs} ms, ` +
      `heap ${heap} MiB, findings ${findings.length}`,
  );
};

const keep = ({ input, error }: FuzzFinding): void => {
  const path = join(folder, createHash('sha1').update(input).digest('hex').slice(0, 12));
  writeFileSync(path, input);
  console.log(`FINDING ${path}\n${error instanceof Error ? error.stack : String(error)}`);
};

const coverage = values['no-coverage'] ? undefined : startCoverage();
const target = await openTarget(name);
const watchdog = startWatchdog(join(folder, 'hang'), HANG_MS);
const fuzzer = new Fuzzer({
  target,
  seed: Number(values.seed),
  durationMs: Number(values.minutes) * 60_000,
  onInput: input => watchdog.onInput(input),
  onProgress: print,
  onFinding: keep,
  ...(coverage === undefined ? {} : { coverage }),
});
const report = await fuzzer.run();
print(report);
coverage?.stop();
await watchdog.stop();
await target.close?.();
process.exitCode = report.findings.length > 0 ? 1 : 0;
