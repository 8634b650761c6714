/** The rules of the house that no compiler checks: import directions, banned globals, pages for error codes, links. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { BANS, ERROR_CODE, EXCEPTIONS, MAY_IMPORT } from './rules.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const SOURCE_ROOTS = ['protocol', 'runtime', 'sdk-lambda', 'examples'];
const PACKAGES: Readonly<Record<string, string>> = {
  '@holdfast/protocol': 'protocol',
  '@holdfast/runtime': 'runtime',
  '@holdfast/sdk-lambda': 'sdk-lambda',
};

function* files(folder: string, ending: string): Generator<string> {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!['node_modules', 'vectors', 'golden', 'dist'].includes(entry.name) && !entry.name.startsWith('.'))
        yield* files(path, ending);
    } else if (entry.name.endsWith(ending)) yield path;
  }
}

/** What ships: no tests, no conformance suites (which tests import), no processes that tests start. */
const isShipped = (path: string): boolean =>
  !/\.(test|testkit|child|bench|types)\.ts$|conformance|\/test(ing|s)?\//.test(path);
const sources = SOURCE_ROOTS.flatMap(folder => [...files(folder, '.ts')]).filter(isShipped);
const text = (path: string): string => readFileSync(join(root, path), 'utf8');
/** Code without comments; strings stay. Good enough for patterns that name calls. */
const code = (path: string): string =>
  text(path).replace(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*$/gm, match => match.replace(/[^\n]/g, ' '));

const moduleOf = (path: string): string | undefined =>
  Object.keys(MAY_IMPORT)
    .filter(name => path === name || path.startsWith(`${name}/`))
    .sort((a, b) => b.length - a.length)[0];

function imported(path: string): string[] {
  const specifiers = [...code(path).matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(
    match => match[1] ?? '',
  );
  return specifiers.flatMap(specifier => {
    if (specifier.startsWith('.')) return [posix.join(posix.dirname(path), specifier)];
    const name = Object.keys(PACKAGES).find(
      candidate => specifier === candidate || specifier.startsWith(`${candidate}/`),
    );
    return name === undefined ? [] : [PACKAGES[name] as string];
  });
}

test('there is something to check', () => {
  expect(sources.length).toBeGreaterThan(50);
});

test('modules import only what lies below them', () => {
  const wrong = sources.flatMap(path => {
    const own = moduleOf(path);
    return imported(path)
      .filter(target => {
        const theirs = moduleOf(target);
        if (own === undefined || theirs === own) return false;
        return !(MAY_IMPORT[own] ?? []).some(
          allowed => target === allowed || target.startsWith(`${allowed}/`) || theirs === allowed,
        );
      })
      .map(target => `${path} imports ${target}`);
  });
  expect(wrong).toEqual([]);
});

test('clock, timers, randomness and I/O stay in platform/', () => {
  const found: string[] = [];
  for (const path of sources.filter(
    source => source.startsWith('runtime/') || source.startsWith('protocol/'),
  )) {
    const excepted = EXCEPTIONS.filter(exception => path.startsWith(exception.path));
    for (const { name, pattern, instead } of BANS) {
      if (excepted.some(({ bans }) => bans === 'all' || bans.includes(name))) continue;
      for (const [index, line] of code(path).split('\n').entries()) {
        if (pattern.test(line)) found.push(`${path}:${index + 1}: ${name}; use ${instead}: ${line.trim()}`);
      }
    }
  }
  expect(found).toEqual([]);
});

test('every exception to a ban is still needed', () => {
  const unused = EXCEPTIONS.filter(({ path }) => !sources.some(source => source.startsWith(path)));
  expect(unused.map(({ path }) => path)).toEqual([]);
});

test('every error code has its page, and every page its code', () => {
  const codes = new Set(
    sources.flatMap(path => [...code(path).matchAll(ERROR_CODE)].map(match => match[1] as string)),
  );
  const pages = new Set([...files('docs/errors', '.md')].map(path => posix.basename(path, '.md')));
  pages.delete('README');
  expect(
    [...codes].filter(name => !pages.has(name)),
    'codes without a page',
  ).toEqual([]);
  expect(
    [...pages].filter(name => !codes.has(name)),
    'pages without a code',
  ).toEqual([]);
  for (const page of pages) {
    const content = text(`docs/errors/${page}.md`);
    expect(content, page).toMatch(new RegExp(`^# ${page}\\n`));
    expect(content, page).toMatch(/^## To fix it$/m);
  }
});

test('links in the documentation lead somewhere', () => {
  const documents = [...['docs', ...SOURCE_ROOTS].flatMap(folder => [...files(folder, '.md')]), 'README.md'];
  const dead = documents.flatMap(path =>
    [...text(path).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map(match => match[1] as string)
      .filter(link => !/^[a-z]+:/.test(link))
      .filter(link => !existsSync(join(root, dirname(path), link)))
      .map(link => `${path}: ${link}`),
  );
  expect(dead).toEqual([]);
});

test('nothing names the machine it was written on', () => {
  const named = [...SOURCE_ROOTS, 'docs', 'test']
    .flatMap(folder => [...files(folder, '.ts'), ...files(folder, '.md')])
    .filter(path => /(^|[^\w.])\/(work|root|home)\/\w/m.test(text(path)))
    .map(path => relative(root, join(root, path)));
  expect(named).toEqual([]);
});
