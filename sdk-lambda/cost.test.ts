/** What the SDK costs a function: the size of the built package in its bundle, and the time to replay a long journal. */
import { encodeFrame } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { builtProject, bundleOf, EMPTY_HANDLER, gzipBytes } from './build/measured.ts';
import { type Context, RestatePromise, service } from './index.ts';
import { attempt, json } from './journal.testkit.ts';

/** What users get, minified with their handler: esbuild's output, and what Lambda stores and loads of it. */
const MINIFIED_BYTES_MAX = 45_000;
const GZIP_BYTES_MAX = 18_900;
/** Loaded at each cold start. `crypto` would take longer than all of the SDK, `zlib` almost as long. */
const BUILTINS = new Set(['node:async_hooks']);

test('an empty handler bundles small, and loads little of Node', async () => {
  const project = await builtProject();
  try {
    const bundle = await bundleOf(EMPTY_HANDLER, project.folder);
    console.info(`empty handler, minified: ${bundle.length} bytes; gzip: ${gzipBytes(bundle)}`);
    expect(bundle.length).toBeGreaterThan(1000);
    expect(bundle.length).toBeLessThan(MINIFIED_BYTES_MAX);
    expect(gzipBytes(bundle)).toBeLessThan(GZIP_BYTES_MAX);
    const imported = new TextDecoder().decode(bundle).matchAll(/\bfrom"([^"]+)"/g);
    expect([...imported].map(([, name = '']) => name).filter(name => !BUILTINS.has(name))).toEqual([]);
  } finally {
    project.remove();
  }
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
