/** The page on the life of an invocation holds what is drawn from the table; `vitest run <this file> --update` draws it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { BEGIN, END, lifecycle } from './testing/diagram.ts';

const page = fileURLToPath(new URL('../../docs/invocation-lifecycle.md', import.meta.url));

test('the diagram in the documentation is the table of transitions', async () => {
  const text = readFileSync(page, 'utf8');
  const [before, rest] = text.split(BEGIN);
  const after = rest?.split(END)[1];
  expect(after, 'the markers of the generated part').toBeDefined();
  await expect(`${before}${BEGIN}\n${lifecycle()}${END}${after}`).toMatchFileSnapshot(page);
});
