/**
 * The package as users get it: built, packed, installed into an empty project; loaded, compiled, bundled there, and run
 * on the local Lambda by each Node that it says it runs on.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { INTERNAL_NAMES } from '../../sdk-lambda/build/internal-names.ts';
import { startStack } from '../e2e/harness/index.ts';
import { type NodeVersion, nodeVersion } from './nodes.ts';
import { installedProject, type Project } from './project.ts';

const MAJORS = [20, 22, 24];
const PACKAGE = '@holdfast/sdk-lambda';

let project: Project;
let nodes: readonly NodeVersion[];
/** Exported paths as they are imported. */
let specifiers: readonly string[];

beforeAll(async () => {
  // Fetching a Node takes its time, once.
  nodes = MAJORS.map(nodeVersion);
  project = await installedProject();
  specifiers = Object.keys(project.manifest.exports)
    .filter(path => path !== './package.json')
    .map(path => `${PACKAGE}${path.slice(1)}`);
}, 300_000);

afterAll(() => project?.remove());

test('it depends on nothing and holds what it exports, its licence and its maps, and no sources', () => {
  const { manifest, packed } = project;
  expect(Object.keys(manifest)).not.toContain('dependencies');
  expect(manifest).toMatchObject({ license: 'Apache-2.0', sideEffects: false, engines: { node: '>=20.16' } });
  expect(manifest['private']).toBeUndefined();
  const files = JSON.stringify(manifest.exports).match(/(?<=")\.\/[^"]+\.c?[jt]s(?=")/g) ?? [];
  expect(files.length).toBeGreaterThan(8);
  expect(packed).toEqual(
    expect.arrayContaining([...files.map(file => file.slice(2)), 'LICENSE', 'README.md']),
  );
  expect(packed.filter(name => /(?<!\.d)\.ts$|tsconfig|testkit|test/.test(name))).toEqual([]);
  for (const code of packed.filter(name => /\.c?js$/.test(name))) {
    expect(packed).toContain(`${code}.map`);
    const { sources, sourcesContent } = JSON.parse(read(`${code}.map`)) as Record<string, string[]>;
    expect(sourcesContent).toHaveLength(sources?.length ?? -1);
    expect(sources?.filter(source => !/^(sdk-lambda|protocol)\/[\w/-]+\.ts$/.test(source))).toEqual([]);
  }
  expect(read('types/context/context.d.cts')).toMatch(/\/\*\*/);
});

test('no name that the build shortens is a member of a type that users see', () => {
  const { packed } = project;
  // What entry points mention of these is opaque: a context's maker, an endpoint's definitions.
  const own =
    /^types\/(protocol|machine|attempt|running|inbox|decoding|runs|future|promise|context\/create|context\/call)\b/;
  const opaque =
    /^(?:export )?(?:declare )?(?:class Definition|interface (?:DefinitionFacts|Caller)) [\s\S]*?^\}/gm;
  const types = packed.filter(name => name.endsWith('.d.ts') && !own.test(name));
  expect(types.length).toBeGreaterThan(20);
  const members = types.flatMap(name => {
    const text = read(name)
      .replace(opaque, '')
      .replace(/^ *(protected|private|\/?\*).*$/gm, '');
    return [...text.matchAll(/^ +(?:(?:readonly|static|abstract|get|set) )*(\w+)\??[<(:]/gm)].map(
      ([, member = '']) => member,
    );
  });
  expect(members).toEqual(expect.arrayContaining(['serviceClient', 'attemptHeaders', 'asTerminalError']));
  expect(INTERNAL_NAMES.filter(name => members.includes(name))).toEqual([]);
});

const read = (name: string): string =>
  readFileSync(join(project.folder, 'node_modules', PACKAGE, name), 'utf8');

test('every Node loads every entry in both formats; within one, and where Node can across them, classes are one', async () => {
  project.write(
    'esm.mjs',
    loads(specifier => `await import('${specifier}')`),
  );
  project.write(
    'cjs.cjs',
    loads(specifier => `require('${specifier}')`),
  );
  // What loaders that know `require` alone take, and Nodes that cannot require ESM.
  const commonJs = specifiers.map(specifier => specifier.replace(PACKAGE, '').slice(1) || 'index');
  project.write(
    'files.cjs',
    `const at = name => require('./node_modules/${PACKAGE}/' + name + '.cjs');
     const [index, fetch] = [at('index'), at('fetch')];
     console.log(index.TerminalError === fetch.TerminalError, ${JSON.stringify(commonJs.filter(name => name !== 'lambda'))}
       .every(name => Object.keys(at(name)).length > 0));`,
  );
  project.write(
    'across.mjs',
    `import { createRequire } from 'node:module';
     import { TerminalError, service } from '${PACKAGE}';
     import { service as named } from './node_modules/${PACKAGE}/index.cjs';
     const required = createRequire(import.meta.url)('${PACKAGE}');
     console.log(required.TerminalError === TerminalError, typeof named);`,
  );
  for (const { binary } of nodes) {
    const all = `${specifiers.length} true\n`;
    const said = ['esm.mjs', 'cjs.cjs', 'across.mjs'].map(file => project.run(binary, file));
    const files = project.run(binary, '--no-experimental-require-module', 'files.cjs');
    expect(await Promise.all([...said, files])).toEqual([all, all, 'true function\n', 'true true\n']);
  }
});

/** Prints how many entries have exports, and whether those that have a TerminalError have the same. */
const loads = (load: (specifier: string) => string): string =>
  `(async () => {
     const all = [${specifiers.map(load)}];
     const classes = new Set(all.map(entry => entry.TerminalError).filter(Boolean));
     console.log(all.filter(entry => Object.keys(entry).length > 0).length, classes.size === 1);
   })();`;

test.each([
  // The declarations themselves are looked at once.
  ['node16', { module: 'node16', skipLibCheck: false }, ['.mts', '.cts']],
  ['nodenext', { module: 'nodenext' }, ['.mts', '.cts']],
  ['bundler', { module: 'esnext', moduleResolution: 'bundler' }, ['.ts']],
])('handlers compile with moduleResolution %s', async (_name, options, endings) => {
  const source = readFileSync(join(project.folder, 'handler.ts'), 'utf8');
  const entries = specifiers.map((specifier, i) => `export * as entry${i} from '${specifier}';\n`).join('');
  for (const ending of endings) {
    project.write(`src/handler${ending}`, source);
    project.write(`src/entries${ending}`, entries);
  }
  const files = endings.flatMap(ending => [`src/handler${ending}`, `src/entries${ending}`]);
  expect(await project.typecheck(files, options)).toBe('');
});

test('a handler runs on the local Lambda: from source and bundled, ESM and CommonJS, on every Node', async () => {
  const mixed = project.write(
    'mixed.cts',
    `import sdk = require('${PACKAGE}'); export * from './handler.ts'; void sdk;`,
  );
  const variants = [
    { name: 'source', entry: join(project.folder, 'handler.ts'), majors: [22, 24] },
    { name: 'esm', entry: await bundled('handler.ts', { format: 'esm' }), majors: [20] },
    {
      name: 'esmMinified',
      entry: await bundled('handler.ts', { format: 'esm', minify: true }),
      majors: [22, 24],
    },
    { name: 'cjs', entry: await bundled('handler.ts', { format: 'cjs' }), majors: [24] },
    { name: 'cjsMinified', entry: await bundled(mixed, { format: 'cjs', minify: true }), majors: [20, 22] },
  ];
  const functions = variants.flatMap(({ name, entry, majors }) =>
    majors.map(major => ({
      name: `${name}${major}`,
      entry,
      runtime: `nodejs${major}.x`,
      env: { SUFFIX: `${name}${major}` },
    })),
  );
  const stack = await startStack({
    functions,
    lambda: {
      kind: 'inProcess',
      runtimes: Object.fromEntries(nodes.map(({ runtime, binary }) => [runtime, binary])),
    },
  });
  try {
    const run = async ({ name }: { readonly name: string }) => {
      const { invocationId } = await stack.ingress.send(`Signup${name}/me/run`, 'a@b.c');
      await stack.ingress.call(`Signup${name}/me/click`, 'secret');
      return (await stack.ingress.attach(invocationId)).body;
    };
    const results = await Promise.all(functions.map(run));
    for (const [i, { runtime }] of functions.entries()) {
      expect(results[i]).toEqual({
        node: expect.stringMatching(`^v${runtime.slice('nodejs'.length, -2)}\\.`),
        length: 5,
        refused: '422 no',
        clicked: 'secret',
        asked: 'a@b.c',
      });
    }
  } finally {
    await stack.stop();
  }
});

async function bundled(entry: string, options: BuildOptions): Promise<string> {
  const outfile = join(
    project.folder,
    `bundle-${options.format}-${options.minify ?? false}.${options.format === 'cjs' ? 'cjs' : 'mjs'}`,
  );
  const { metafile } = await build({
    absWorkingDir: project.folder,
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    target: 'node20',
    outfile,
    ...options,
    metafile: true,
  });
  // One copy, whatever the formats of those who import it.
  const own = Object.keys(metafile.inputs).filter(path => path.startsWith('node_modules/'));
  expect(own.filter(path => !path.endsWith('.js'))).toEqual([]);
  return outfile;
}

test('traces lead to what the user wrote, and with source maps to the SDK as well', async () => {
  project.write(
    'traced.mts',
    `import { service } from '${PACKAGE}';
     const given: string = 'not a name';

     service({ name: given, handlers: {} });`,
  );
  const caught = `process.on('uncaughtException', ({ stack }) => console.log(stack));`;
  const hook = project.write('caught.mjs', caught);
  const { binary } = nodes.at(-1) as NodeVersion;
  const traces = [
    await project.run(binary, '--import', hook, 'traced.mts'),
    await project.run(binary, '--enable-source-maps', '--import', hook, 'traced.mts'),
  ];
  for (const trace of traces) expect(trace).toMatch(/SdkUsageError: "not a name" .*\n[\s\S]*traced\.mts:4:6/);
  expect(traces[1]).toMatch(/sdk-lambda\/definitions\.ts:\d+/);
});

/** All that the entry exports. */
const CLIENT_BYTES_MAX = 9500;

test('what is for browsers needs nothing of Node', async () => {
  for (const specifier of specifiers.filter(name => /\/clients$/.test(name))) {
    const { outputFiles } = await build({
      stdin: { contents: `export * from '${specifier}'`, resolveDir: project.folder },
      bundle: true,
      format: 'esm',
      platform: 'browser',
      minify: true,
      write: false,
      logLevel: 'silent',
    });
    expect(outputFiles[0]?.text).not.toMatch(/node:/);
    // Nothing of what handlers need is in it.
    expect(outputFiles[0]?.contents.length).toBeLessThan(CLIENT_BYTES_MAX);
  }
  expect(existsSync(project.folder)).toBe(true);
});
