/**
 * An empty project that has installed the packed package, and nothing else: what a user has.
 *
 * Invariant: nothing in the project resolves to a file of this repository, but for the types of Node, which a
 * compilation is told where to find.
 */
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { buildPackage } from '../../sdk-lambda/build/build.ts';

export interface Project {
  readonly folder: string;
  /** Names in the tarball, sorted. */
  readonly packed: readonly string[];
  readonly manifest: Manifest;
  /** Path of what was written. */
  write(name: string, text: string): string;
  /** Standard output; rejects with standard error. */
  run(node: string, ...args: readonly string[]): Promise<string>;
  /** What the compiler says of these files; empty if it has no complaint. */
  typecheck(files: readonly string[], options: object): Promise<string>;
  remove(): void;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

const repository = join(import.meta.dirname, '../..');
const run = promisify(execFile);

export async function installedProject(): Promise<Project> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-project-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const built = join(folder, '.built');
    await buildPackage(built);
    const tarball = pack(built, folder);
    rmSync(built, { recursive: true });
    cpSync(join(import.meta.dirname, 'fixtures'), folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "name": "project", "private": true }\n');
    npm(['install', '--offline', '--no-audit', '--no-fund', join(folder, tarball.filename)], folder);
    const installed = join(folder, 'node_modules/@holdfast/sdk-lambda');
    return {
      folder,
      packed: tarball.files.map(({ path }) => path).sort(),
      manifest: JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Manifest,
      write(name, text) {
        const path = join(folder, name);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, text);
        return path;
      },
      async run(node, ...args) {
        const { stdout } = await run(node, args, { cwd: folder, env: { PATH: process.env['PATH'] } });
        return stdout;
      },
      typecheck: (files, options) => typecheck(folder, files, options),
      remove,
    };
  } catch (error) {
    remove();
    throw error;
  }
}

interface Tarball {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

function pack(built: string, into: string): Tarball {
  const out = npm(['pack', '--json', '--pack-destination', into, built], into);
  const [tarball] = JSON.parse(out) as Tarball[];
  if (tarball === undefined) throw new Error('npm packed nothing');
  return tarball;
}

const npm = (args: readonly string[], cwd: string): string =>
  execFileSync('npm', [...args, '--loglevel=error'], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });

async function typecheck(folder: string, files: readonly string[], options: object): Promise<string> {
  const config = join(mkdtempSync(join(folder, 'types-')), 'tsconfig.json');
  const compilerOptions = {
    noEmit: true,
    strict: true,
    target: 'es2022',
    skipLibCheck: true,
    exactOptionalPropertyTypes: true,
    types: ['node'],
    typeRoots: [join(repository, 'node_modules/@types')],
    ...options,
  };
  writeFileSync(config, JSON.stringify({ compilerOptions, files: files.map(file => join(folder, file)) }));
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  try {
    await run(process.execPath, [tsc, '-p', config], { cwd: folder });
    return '';
  } catch (error) {
    return String((error as { stdout?: unknown }).stdout);
  }
}
