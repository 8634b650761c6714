/** What the SDK costs a function: its size when bundled, and the time to replay a long journal. */
import { fileURLToPath } from 'node:url';
import { encodeFrame } from '@holdfast/protocol';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { type Context, service } from './index.ts';
import { attempt, json } from './journal.testkit.ts';

const BUNDLE_BYTES_MAX = 45 * 1024;

test('an empty handler bundles small', async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { createEndpointHandler, service } from '@holdfast/sdk-lambda';
        export const handler = createEndpointHandler({ services: [service({ name: 'S', handlers: { h: async () => {} } })] });`,
      resolveDir: fileURLToPath(new URL('.', import.meta.url)),
    },
    bundle: true,
    minify: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node20',
  });
  const bytes = outputFiles[0]?.contents.length ?? 0;
  console.info(`empty handler, bundled and minified: ${bytes} bytes`);
  expect(bytes).toBeGreaterThan(1000);
  expect(bytes).toBeLessThan(BUNDLE_BYTES_MAX);
});

const steps = service({
  name: 'Steps',
  handlers: {
    h: async (ctx: Context) => {
      for (;;) await ctx.run('step', () => 0);
    },
  },
});

async function replayMs(count: number): Promise<number> {
  const entries: Uint8Array[] = [];
  for (let id = 1; id <= count; id++) {
    entries.push(encodeFrame('RunCommand', { resultCompletionId: id, name: 'step' }));
    entries.push(encodeFrame('RunCompletion', { completionId: id, value: json(id) }));
  }
  const before = process.hrtime.bigint();
  const { terminator } = await attempt(steps, 'h', { entries });
  expect(terminator.name).toBe('Suspension');
  return Number(process.hrtime.bigint() - before) / 1e6;
}

test('replay is linear, and a thousand steps take milliseconds', async () => {
  const best = async (count: number) => {
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 8; i++) least = Math.min(least, await replayMs(count));
    return least;
  };
  await best(1000);
  const [small, large] = [await best(1000), await best(10_000)];
  console.info(`replay of 1,000 steps: ${small.toFixed(2)} ms; of 10,000: ${large.toFixed(2)} ms`);
  expect(small).toBeLessThan(15);
  expect(large).toBeLessThan(small * 30);
});
