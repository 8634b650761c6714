/**
 * The package's types: the declarations of every module that an entry's types mention, with their docstrings, once for
 * ESM (`.d.ts`) and once for CommonJS (`.d.cts`). Those of the protocol lie beside them: the package depends on nothing.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import type { Files } from './javascript.ts';
import { repository } from './package-source.ts';

/** In the built folder. */
export const TYPES = 'types';
const SDK = 'sdk-lambda';
const PROTOCOL = '@holdfast/protocol';
const PROTOCOL_INDEX = 'protocol/index';
/** One error of a compiler can fill a screen. */
const COMPLAINT_CHARS_MAX = 2000;
const SPECIFIER = /(\bfrom |\bimport\()(['"])([^'"]+)\2/g;

export function buildTypes(entries: readonly string[]): Files {
  const emitted = mkdtempSync(join(tmpdir(), 'holdfast-types-'));
  try {
    emit(entries, emitted);
    const files = new Map<string, string>();
    const modules = reachable(entries, module => readFileSync(join(emitted, `${module}.d.ts`), 'utf8'));
    for (const [module, text] of modules) {
      files.set(`${published(module)}.d.ts`, rewritten(text, module, '.js'));
      files.set(`${published(module)}.d.cts`, rewritten(text, module, '.cjs'));
    }
    return files;
  } finally {
    rmSync(emitted, { recursive: true, force: true });
  }
}

/** Where the declarations of a module lie in the built folder, without their ending. */
const published = (module: string): string =>
  posix.join(TYPES, module.startsWith(`${SDK}/`) ? module.slice(SDK.length + 1) : module);

export const typesOf = (entry: string): string => published(`${SDK}/${entry}`);

function emit(entries: readonly string[], outDir: string): void {
  const config = join(outDir, 'tsconfig.json');
  const compilerOptions = {
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    outDir,
    rootDir: repository,
    // As a source: of what is found as a package nothing is emitted.
    paths: { [PROTOCOL]: [join(repository, `${PROTOCOL_INDEX}.ts`)] },
    types: ['node'],
    typeRoots: [join(repository, 'node_modules/@types')],
  };
  const files = entries.map(entry => join(repository, SDK, `${entry}.ts`));
  writeFileSync(
    config,
    JSON.stringify({ extends: join(repository, 'tsconfig.base.json'), compilerOptions, files }),
  );
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  try {
    execFileSync(process.execPath, [tsc, '-p', config], { encoding: 'utf8', cwd: repository });
  } catch (error) {
    const said = String((error as { stdout?: unknown }).stdout);
    throw new Error(`the types do not build:\n${said.slice(0, COMPLAINT_CHARS_MAX)}`);
  }
}

/** Modules by their path in the repository, without ending. */
function reachable(
  entries: readonly string[],
  read: (module: string) => string,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const queue = entries.map(entry => `${SDK}/${entry}`);
  for (const module of queue) {
    if (found.has(module)) continue;
    const text = read(module);
    found.set(module, text);
    for (const [, , , specifier = ''] of text.matchAll(SPECIFIER)) {
      const target = moduleOf(specifier, module);
      if (target !== undefined) queue.push(target);
      else if (!specifier.startsWith('node:')) throw new Error(`the types of ${module} need ${specifier}`);
    }
  }
  return found;
}

/** Undefined if it is none of ours. */
function moduleOf(specifier: string, from: string): string | undefined {
  if (specifier === PROTOCOL) return PROTOCOL_INDEX;
  if (!specifier.startsWith('.')) return undefined;
  return posix.join(posix.dirname(from), specifier).replace(/\.ts$/, '');
}

function rewritten(text: string, module: string, ending: string): string {
  const own = published(module);
  return text.replace(SPECIFIER, (found, keyword: string, quote: string, specifier: string) => {
    const target = moduleOf(specifier, module);
    if (target === undefined) return found;
    const path = posix.relative(posix.dirname(own), published(target));
    return `${keyword}${quote}${path.startsWith('.') ? path : `./${path}`}${ending}${quote}`;
  });
}
