/**
 * The package's code: each entry as ESM and as CommonJS, minified, with source maps that hold the sources.
 *
 * Invariants:
 * - Between the entries of one format, but for the client, there is one copy of everything: what two of them use lies in a chunk that both
 *   import. CommonJS is made of the very chunks of ESM, file by file, so that it has as many.
 * - Nothing is imported but these files and modules of Node.
 * - Bundlers can drop what a handler does not use: no statement of a module has an effect that it does not declare.
 * - A property that is renamed (`INTERNAL_NAMES`) has the same name in every file: they are bundled at once.
 */
import { build, type OutputFile, transform } from 'esbuild';
import { minify } from 'terser';
import { INTERNAL_NAMES } from './internal-names.ts';
import { fileOf, sdkFolder } from './package-source.ts';

/** Name in the built folder, and contents. */
export type Files = ReadonlyMap<string, string>;

/** Node 20 is the oldest that Lambda runs. */
const TARGET = 'node20';
const LINE_LENGTH = 400;

/** Shares nothing with handlers, and shaken off with what they share it would be twice as large in a page. */
const APART = 'clients/index';

export async function buildJavaScript(entries: readonly string[]): Promise<Files> {
  const modules = new Map([
    ...(await bundle(entries.filter(entry => entry !== APART))),
    ...(await bundle(entries.filter(entry => entry === APART))),
  ]);
  const files = new Map<string, string>();
  for (const [name, { code, map }] of modules) {
    const small = await shrink(name, code, map);
    addWithMap(files, `${name}.js`, small.code, small.map);
    const common = await toCommonJs(name, small, modules);
    addWithMap(files, `${name}.cjs`, common.code, common.map);
  }
  return files;
}

interface Mapped {
  readonly code: string;
  /** A source map, as JSON. */
  readonly map: string;
}

/** Entries and what they share, by name. */
async function bundle(entries: readonly string[]): Promise<ReadonlyMap<string, Mapped>> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: sdkFolder,
    entryPoints: Object.fromEntries(entries.map(entry => [fileOf(entry), `${entry}.ts`])),
    outdir: 'dist',
    chunkNames: 'shared-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: TARGET,
    minify: true,
    mangleProps: new RegExp(`^(${INTERNAL_NAMES.join('|')})$`),
    sourcemap: 'external',
    metafile: true,
    write: false,
    logLevel: 'warning',
  });
  const foreign = Object.values(metafile.outputs)
    .flatMap(({ imports }) => imports)
    .filter(({ path, external }) => external && !path.startsWith('node:'));
  if (foreign.length > 0) throw new Error(`dependencies: ${foreign.map(({ path }) => path)}`);
  const ending = (file: OutputFile, wanted: string) => file.path.endsWith(wanted);
  return new Map(
    outputFiles
      .filter(file => ending(file, '.js'))
      .map(file => {
        const map = outputFiles.find(({ path }) => path === `${file.path}.map`);
        return [nameOf(file.path), { code: file.text, map: inPackage(map?.text ?? '') }];
      }),
  );
}

const nameOf = (path: string): string => /([^/\\]+)\.js$/.exec(path)?.[1] ?? '';

/** Names of sources as they are in the repository, whatever machine built them. */
function inPackage(map: string): string {
  const { sources, ...rest } = JSON.parse(map) as { sources: string[] };
  const named = sources.map(source => {
    const own = source.replace(/^\.\.\//, '');
    return own.startsWith('../')
      ? `protocol/${own.replace(/^(\.\.\/)+(protocol\/)?/, '')}`
      : `sdk-lambda/${own}`;
  });
  return JSON.stringify({ ...rest, sources: named });
}

/** Once more over what esbuild has minified: terser drops and inlines what it does not. */
async function shrink(name: string, code: string, map: string): Promise<Mapped> {
  const result = await minify(code, {
    module: true,
    ecma: 2020,
    // Off: what makes the code shorter and what is stored of it, by gzip, longer.
    compress: { passes: 3, reduce_funcs: false, sequences: false },
    // Node prints the whole line of an error that nobody catches.
    format: { preserve_annotations: true, max_line_len: LINE_LENGTH },
    sourceMap: { content: map, filename: `${name}.js`, asObject: false },
  });
  return { code: result.code ?? '', map: String(result.map) };
}

/**
 * The same module with the same names inside, so that it is the same size. Terser is not run after it: what tells Node
 * the names that a CommonJS module exports looks like dead code.
 */
async function toCommonJs(
  name: string,
  { code, map }: Mapped,
  modules: ReadonlyMap<string, Mapped>,
): Promise<Mapped> {
  const inline = Buffer.from(map).toString('base64');
  const renamed = code.replace(/(from|import)"\.\/([\w-]+)\.js"/g, (found, keyword: string, other: string) =>
    modules.has(other) ? `${keyword}"./${other}.cjs"` : found,
  );
  const result = await transform(`${renamed}\n//# sourceMappingURL=data:application/json;base64,${inline}`, {
    format: 'cjs',
    platform: 'node',
    target: TARGET,
    minify: true,
    lineLimit: LINE_LENGTH,
    sourcemap: 'external',
    sourcefile: `${name}.js`,
  });
  return { code: result.code, map: result.map };
}

function addWithMap(files: Map<string, string>, name: string, code: string, map: string): void {
  files.set(name, `${code.trimEnd()}\n//# sourceMappingURL=${name}.map\n`);
  files.set(`${name}.map`, map);
}
