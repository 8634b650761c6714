/**
 * From an entry file to a bundle on disk, and the watch that does it again.
 *
 * Invariants:
 * - A bundle is stored under the hash of its bytes and never written again: published versions keep theirs.
 * - A failed build changes nothing; the last good bundle stays what it is.
 */

import { createHash } from 'node:crypto';
import { existsSync, type FSWatcher, mkdirSync, renameSync, watch, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type BuildContext, build, context, type OutputFile } from 'esbuild';
import { CodedError } from '../../platform/error.ts';

export interface Code {
  /** Base64 SHA-256 of the bundle: Lambda's `CodeSha256`. */
  readonly sha256: string;
  readonly bytes: number;
  readonly modulePath: string;
}

const COMMON = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  charset: 'utf8',
  write: false,
  metafile: true,
  logLevel: 'silent',
} as const;

/** Of the runtimes that a function may be given, for what runs in all of them. */
const OLDEST_RUNTIME = 'node20';
/** `nodejs22.x` as esbuild calls it. */
const targetOf = (runtime: string): string => runtime.replace(/^nodejs(\d+).*$/, 'node$1');

/** Edits come in bursts (write, rename, touch); one build serves them all. */
const DEBOUNCE_MS = 30;

export async function buildBootstrap(dir: string): Promise<string> {
  const source = resolve(import.meta.dirname, 'bootstrap.ts');
  const { outputFiles } = await build({ ...COMMON, target: OLDEST_RUNTIME, entryPoints: [source] });
  const path = join(dir, 'bootstrap.mjs');
  writeWhole(path, outputFiles[0]?.contents ?? new Uint8Array());
  return path;
}

/** Written beside and renamed, so that a process that starts meanwhile never sees half a file. */
export function writeWhole(path: string, contents: Uint8Array | string): void {
  mkdirSync(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}.tmp`;
  writeFileSync(beside, contents);
  renameSync(beside, path);
}

export class Bundler {
  readonly #entry: string;
  readonly #codeDir: string;
  readonly #context: BuildContext<typeof COMMON>;
  #inputs = new Set<string>();
  #failed = false;
  readonly #watched = new Map<string, FSWatcher>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(entry: string, codeDir: string, built: BuildContext<typeof COMMON>) {
    this.#entry = entry;
    this.#codeDir = codeDir;
    this.#context = built;
  }

  static async open(entry: string, codeDir: string, runtime: string): Promise<Bundler> {
    const path = resolve(entry);
    const options = {
      ...COMMON,
      target: targetOf(runtime),
      entryPoints: [path],
      absWorkingDir: dirname(path),
      // As deep as where it is stored, for the map names its sources from there.
      outfile: join(codeDir, 'hash', 'index.mjs'),
      // For `NODE_OPTIONS=--enable-source-maps` in the function's environment variables.
      sourcemap: 'linked' as const,
    };
    return new Bundler(path, codeDir, await context(options));
  }

  async build(): Promise<Code> {
    const result = await this.#context.rebuild().catch((error: Error) => {
      this.#failed = true;
      throw new CodedError(
        'HF_LOCAL_LAMBDA_BUILD',
        `${this.#entry} does not build; mend the source and try again:\n${error.message}`,
        { cause: error },
      );
    });
    this.#failed = false;
    const dir = dirname(this.#entry);
    this.#inputs = new Set(Object.keys(result.metafile.inputs).map(input => resolve(dir, input)));
    return storeCode(this.#codeDir, result.outputFiles);
  }

  /** Calls back with the new bundle, or the error, after each change of a source file. */
  watch(onBuilt: (code: Code) => void, onError: (error: CodedError) => void): void {
    let building = false;
    let stale = false;
    const rebuild = (): void => {
      // esbuild joins a build that is under way, which may have read the file before this change.
      stale = building;
      if (building) return;
      building = true;
      const built = this.build().finally(() => {
        building = false;
        if (stale && !this.#closed) rebuild();
      });
      built.then(
        code => {
          if (this.#closed) return;
          this.#watchDirs(changed);
          onBuilt(code);
        },
        (error: unknown) => {
          if (this.#closed) return;
          if (!(error instanceof CodedError)) throw error;
          onError(error);
        },
      );
    };
    const changed = (path: string): void => {
      // After a failure nobody knows which file the cure comes from: any neighbour may be it.
      if (!this.#failed && !this.#inputs.has(path)) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(rebuild, DEBOUNCE_MS);
    };
    this.#watchDirs(changed);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const watcher of this.#watched.values()) watcher.close();
    await this.#context.dispose();
  }

  /** Folders rather than files: editors replace files, and a watch on the old one would see nothing more. */
  #watchDirs(changed: (path: string) => void): void {
    const dirs = new Set([dirname(this.#entry)]);
    for (const input of this.#inputs) if (!input.includes('node_modules')) dirs.add(dirname(input));
    for (const dir of dirs) {
      if (this.#watched.has(dir) || !existsSync(dir)) continue;
      this.#watched.set(
        dir,
        watch(dir, (_event, file) => {
          if (file !== null) changed(join(dir, file));
        }),
      );
    }
  }
}

function storeCode(codeDir: string, files: readonly OutputFile[]): Code {
  const module = files.find(file => file.path.endsWith('.mjs'));
  if (module === undefined) throw new Error('esbuild wrote no module');
  const hash = createHash('sha256').update(module.contents).digest();
  const dir = join(codeDir, hash.toString('hex'));
  const modulePath = join(dir, 'index.mjs');
  if (!existsSync(modulePath)) {
    const map = files.find(file => file.path.endsWith('.map'));
    if (map !== undefined) writeWhole(`${modulePath}.map`, map.contents);
    writeWhole(modulePath, module.contents);
  }
  return { sha256: hash.toString('base64'), bytes: module.contents.length, modulePath };
}
