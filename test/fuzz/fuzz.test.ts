/** Every input that was a finding once, and a moment of each target; `main.ts` goes on for as long as it is told. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mutateFrames } from './mutate-frames.ts';
import { Fuzzer } from './runner.ts';
import { Finding, type Target, type Verdict } from './target.ts';
import { openTarget, TARGETS } from './targets/index.ts';

const SEED = 20261121;
const DURATION_MS = 800;
const names = Object.keys(TARGETS);
const folder = new URL('./regressions/', import.meta.url);

const regressions = names.flatMap(name => {
  const own = new URL(`${name}/`, folder);
  return existsSync(own) ? readdirSync(own).map(file => [name, file, new URL(file, own)] as const) : [];
});

async function fuzz(target: Target, durationMs: number) {
  const { findings, accepted, inputs } = await new Fuzzer({
    target,
    seed: SEED,
    durationMs,
    findingsMax: 1,
  }).run();
  await target.close?.();
  return { findings: findings.map(({ error }) => error), accepted, inputs };
}

test.each(regressions)('%s: %s', async (name, _file, url) => {
  const target = await openTarget(name);
  // Beside seeds that are accepted: what is found is mostly to be refused.
  const seeds = [...target.seeds, readFileSync(url)];
  expect(await fuzz({ ...target, seeds, mutate: (_, input) => input }, 20)).toMatchObject({
    findings: [],
  });
});

test.each(names)('%s', async name => {
  const { findings, accepted, inputs } = await fuzz(await openTarget(name), DURATION_MS);
  expect(findings).toEqual([]);
  expect(accepted).toBeGreaterThan(0);
  expect(inputs).toBeGreaterThan(accepted);
});

/** The fuzzer itself: what it must notice. */
const PLANTED: Readonly<Record<string, (input: Uint8Array) => void>> = {
  'an error that nobody expects': input => {
    if (input.includes(0x80)) throw new TypeError('planted');
  },
  'an error where nobody waits for it': input => {
    if (input.includes(0x80))
      process.nextTick(() => {
        throw new TypeError('planted');
      });
  },
  'a pass that takes too long': () => {
    for (const start = process.threadCpuUsage().user; process.threadCpuUsage().user - start < 120_000; );
  },
  'a prototype that has changed': input => {
    if (input.includes(0x80)) Object.assign(Object.prototype, { planted: true });
  },
};

test.each(Object.entries(PLANTED))('the fuzzer finds %s', async (_what, plant) => {
  const target: Target = {
    seeds: [Uint8Array.of(0, 3, 0, 0, 0, 0, 0, 0)],
    mutate: mutateFrames,
    async pass(input): Promise<Verdict> {
      plant(input);
      await new Promise(resolve => setImmediate(resolve));
      return 'accepted';
    },
  };
  const { findings } = await fuzz(target, 300).finally(() => {
    Reflect.deleteProperty(Object.prototype, 'planted');
  });
  expect(findings.length).toBeGreaterThan(0);
  expect(findings[0]).toSatisfy(error => error instanceof Finding || (error as Error).message === 'planted');
});
