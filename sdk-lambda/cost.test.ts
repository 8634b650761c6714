/** What the SDK costs a function: its size when bundled, and the time to replay a long journal. */
import { fileURLToPath } from 'node:url';
import { encodeFrame } from '@holdfast/protocol';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { type Context, RestatePromise, service } from './index.ts';
import { attempt, json } from './journal.testkit.ts';

const BUNDLE_BYTES_MAX = 47_000;

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

/** Each waits for one thing more than its journal has. */
const waiting = service({
  name: 'Waiting',
  handlers: {
    steps: async (ctx: Context) => {
      for (;;) await ctx.run('step', () => 0);
    },
    signals: async (ctx: Context, count: number) => {
      await RestatePromise.all(Array.from({ length: count + 1 }, () => ctx.signal('a')));
    },
  },
});

const journals = {
  steps: (id: number) => [
    encodeFrame('RunCommand', { resultCompletionId: id, name: 'step' }),
    encodeFrame('RunCompletion', { completionId: id, value: json(id) }),
  ],
  signals: (id: number) => [encodeFrame('SignalNotification', { signalName: 'a', value: json(id) })],
};

async function replayMs(handler: keyof typeof journals, count: number): Promise<number> {
  const entries = Array.from({ length: count }, (_, i) => journals[handler](i + 1)).flat();
  const before = process.hrtime.bigint();
  const { terminator } = await attempt(waiting, handler, { entries, input: json(count) });
  expect(terminator.name).toBe('Suspension');
  return Number(process.hrtime.bigint() - before) / 1e6;
}

test.each(['steps', 'signals'] as const)(
  'replay of %s is linear, and a thousand take milliseconds',
  async handler => {
    const best = async (count: number) => {
      let least = Number.POSITIVE_INFINITY;
      for (let i = 0; i < 8; i++) least = Math.min(least, await replayMs(handler, count));
      return least;
    };
    await best(1000);
    const [small, large] = [await best(1000), await best(10_000)];
    console.info(`replay of 1,000 ${handler}: ${small.toFixed(2)} ms; of 10,000: ${large.toFixed(2)} ms`);
    expect(small).toBeLessThan(15);
    // What is quadratic takes seconds.
    expect(large).toBeLessThan(Math.max(small * 30, 300));
  },
);
