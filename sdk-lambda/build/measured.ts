/** What the built package costs those who bundle it: the size that the goal is about, measured as they would. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { buildPackage } from './build.ts';
import { packageSource } from './package-source.ts';

/** A folder in which the built package, without its types, is installed. */
export interface BuiltProject {
  readonly folder: string;
  remove(): void;
}

export async function builtProject(): Promise<BuiltProject> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-built-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    await buildPackage(join(folder, 'node_modules', packageSource().name), { types: false });
  } catch (error) {
    remove();
    throw error;
  }
  return { folder, remove };
}

export const EMPTY_HANDLER = `
  import { createEndpointHandler, service } from '@holdfast/sdk-lambda';
  export const handler = createEndpointHandler({ services: [service({ name: 'S', handlers: { h: async () => {} } })] });`;

export interface BundleOptions {
  readonly external?: readonly string[];
  readonly banner?: string;
}

/** Of code, with what it imports found from `folder`; as one minified module for Lambda. */
export async function bundleOf(
  code: string,
  folder: string,
  { external = [], banner = '' }: BundleOptions = {},
): Promise<Uint8Array> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: folder },
    bundle: true,
    minify: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: [...external],
    banner: { js: banner },
    logLevel: 'error',
  });
  return outputFiles[0]?.contents ?? new Uint8Array();
}

export const gzipBytes = (contents: Uint8Array): number => gzipSync(contents, { level: 9 }).length;
