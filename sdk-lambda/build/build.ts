/**
 * Builds what is published of the SDK into a folder, which is a package: `npm publish <folder>`, `npm pack <folder>`.
 *
 * The workspace's package exports sources and is private; the built one exports code and types. A folder of its own,
 * and no `publishConfig`: npm does not replace `exports` by it.
 */
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildJavaScript } from './javascript.ts';
import { publishedManifest } from './manifest.ts';
import { entriesOf, packageSource, repository, sdkFolder } from './package-source.ts';
import { buildTypes } from './types.ts';

const ERRORS = 'docs/errors';

export interface BuildSettings {
  /** What measures the code has no use for them, and they take the longest. @default true */
  readonly types?: boolean;
}

/** Replaces the folder. */
export async function buildPackage(folder: string, { types = true }: BuildSettings = {}): Promise<void> {
  const source = packageSource();
  const entries = entriesOf(source);
  const files = new Map([...(await buildJavaScript(entries)), ...(types ? buildTypes(entries) : [])]);
  files.set('package.json', `${JSON.stringify(publishedManifest(source), undefined, 2)}\n`);
  rmSync(folder, { recursive: true, force: true });
  for (const [name, contents] of files) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, contents);
  }
  copyFileSync(join(sdkFolder, 'README.md'), join(folder, 'README.md'));
  copyFileSync(join(repository, 'LICENSE'), join(folder, 'LICENSE'));
  // Messages name them.
  const pages = readdirSync(join(repository, ERRORS)).filter(page => /^HF_(SDK|PROTOCOL)_/.test(page));
  mkdirSync(join(folder, ERRORS), { recursive: true });
  for (const page of pages) copyFileSync(join(repository, ERRORS, page), join(folder, ERRORS, page));
}
