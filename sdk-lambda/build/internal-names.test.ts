/** The names that the build shortens are our own: of nothing that Node has, and never looked up as texts. */
import { globSync, readFileSync } from 'node:fs';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import { transformSync } from 'esbuild';
import { expect, test } from 'vitest';
import { INTERNAL_NAMES } from './internal-names.ts';
import { repository } from './package-source.ts';

/** Without types and comments. */
const sources = globSync(['sdk-lambda/**/*.ts', 'protocol/*.ts'], { cwd: repository })
  .filter(file => !/\.(test|testkit)\.ts$|\/build\//.test(file))
  .map(file => transformSync(readFileSync(join(repository, file), 'utf8'), { loader: 'ts' }).code)
  .join('\n');

/** What the constructors of these have, and what they make. */
function namesOf(...owners: readonly object[]): ReadonlySet<string> {
  const names = new Set<string>();
  const values = owners.flatMap(owner => Object.values(Object.getOwnPropertyDescriptors(owner)));
  for (const { value } of values) {
    if (value === null || !/object|function/.test(typeof value)) continue;
    for (let object = value; object; object = Object.getPrototypeOf(object))
      for (const name of Object.getOwnPropertyNames(object)) names.add(name);
    for (let object = value.prototype; object; object = Object.getPrototypeOf(object))
      for (const name of Object.getOwnPropertyNames(object)) names.add(name);
  }
  return names;
}

test('each is used, is no text, and is a name of nothing else', () => {
  const taken = namesOf(globalThis, http, http2, zlib);
  expect(taken.has('getReader') && taken.has('setHeader') && taken.has('aborted')).toBe(true);
  const faults = INTERNAL_NAMES.flatMap(name => [
    ...(new RegExp(`\\b${name}\\b`).test(sources) ? [] : [`${name}: nothing is called so`]),
    ...(new RegExp(`(['"\`])${name}\\1`).test(sources) ? [`${name}: is a text as well`] : []),
    ...(taken.has(name) ? [`${name}: is a name of Node's`] : []),
  ]);
  expect(faults).toEqual([]);
  expect(INTERNAL_NAMES).toEqual([...new Set(INTERNAL_NAMES)].sort());
});
