/** What users import tells what it is: each exported declaration has a doc comment, and each of its members. */
import { relative } from 'node:path';
import { expect, test } from 'vitest';
import { declarationsOf, exportsOf, isDocumented, linesOf, membersOf } from './public-names.testkit.ts';

const FOLDER = import.meta.dirname;

test.each(['index.ts', 'node.ts', 'fetch.ts'])('everything that %s exports is documented', entry => {
  const names = exportsOf(`${FOLDER}/${entry}`);
  expect(names.size).toBeGreaterThan(80);
  const bare = [...names].flatMap(([name, { file, local }]) => {
    const locals = local === '*' ? [...exportsOf(file).values()].map(origin => origin.local) : [local];
    const declarations = locals.flatMap(each => declarationsOf(file, each));
    if (declarations.length === 0) return [`${name} is not found`];
    return declarations.flatMap(declaration =>
      [declaration.line, ...membersOf(declaration)]
        .filter(line => !isDocumented(declaration.file, line))
        .map(
          line =>
            `${relative(FOLDER, declaration.file)}:${line + 1} ${linesOf(declaration.file)[line]?.trim()}`,
        ),
    );
  });
  expect([...new Set(bare)]).toEqual([]);
});
