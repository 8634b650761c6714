/** What a browser gets: only this, and nothing that it does not have. */

import { createContext, runInContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

/** Minified, of a bundle that has the client and the options of its requests. */
const BYTES_MAX = 8 * 1024;

async function bundled(contents: string, format: 'esm' | 'iife') {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    platform: 'browser',
    format,
    globalName: 'bundle',
    logLevel: 'silent',
  });
  const parts = Object.entries(Object.values(metafile.outputs)[0]?.inputs ?? {});
  return {
    code: outputFiles[0]?.text ?? '',
    parts: parts.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path),
  };
}

test('it is small', async () => {
  const { code, parts } = await bundled(`export { connect, rpc } from './index.ts'`, 'esm');
  console.log(
    `client of the ingress: ${code.length} B minified, ${gzipSync(code, { level: 9 }).length} B gzip`,
  );
  expect(code.length).toBeLessThan(BYTES_MAX);
  // Of the rest of the SDK what it shares with handlers: serdes, durations, errors of usage.
  expect(parts.filter(path => !/clients\/|serde|duration|coded-error|protocol\/|stdin/.test(path))).toEqual(
    [],
  );
});

test('it runs with the globals of a browser', async () => {
  const { code } = await bundled(`export * from './index.ts'`, 'iife');
  const requests: Request[] = [];
  const browser = createContext({
    ...{
      AbortController,
      DOMException,
      Headers,
      TextDecoder,
      TextEncoder,
      URL,
      performance,
      clearTimeout,
      setTimeout,
    },
    location: { href: 'https://shop.example/' },
    fetch: async (url: string, init: RequestInit) => {
      requests.push(new Request(url, init));
      return requests.length === 1
        ? new Response('', { status: 503, headers: { 'retry-after': '0' } })
        : Response.json('Hello');
    },
  });
  runInContext(code, browser);
  const call = `bundle.connect({ url: '/', retry: { initialInterval: 1 } }).serviceClient({ name: 'Greeter' })
    .greet('x', bundle.rpc.opts({ idempotencyKey: 'k', timeout: 5000 }))`;
  expect(await runInContext(call, browser)).toBe('Hello');
  expect(requests.map(({ url }) => url)).toEqual(Array(2).fill('https://shop.example/Greeter/greet'));
});
