/**
 * Planted bugs: changes to the source text of production code, made as it is loaded, so that it has no hooks for
 * tests. The simulator's power is shown by finding each of them.
 */

import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { KEYED_MUTANTS } from './mutants/keyed.ts';
import { LIVE_MUTANTS } from './mutants/live.ts';
import type { Mutant } from './mutants/mutant.ts';
import { OPERATED_MUTANTS } from './mutants/operated.ts';
import { PLAIN_MUTANTS } from './mutants/plain.ts';

const ROOT = new URL('../../', import.meta.url);

export const MUTANTS: readonly Mutant[] = [
  ...PLAIN_MUTANTS,
  ...KEYED_MUTANTS,
  ...OPERATED_MUTANTS,
  ...LIVE_MUTANTS,
];

/** The changed text; throws when the text to change is not there once. */
function mutate({ name, edits }: Mutant, file: string): string {
  let text = readFileSync(new URL(file, ROOT), 'utf8');
  for (const [find, replace] of edits[file] ?? []) {
    const times = text.split(find).length - 1;
    if (times !== 1) {
      throw new Error(
        `the mutant '${name}' does not fit ${file} any more: the text '${find}' is there ${times} times; ` +
          'adapt test/sim/mutants/ to the change',
      );
    }
    text = text.replace(find, () => replace);
  }
  return text;
}

/** The mutants that do not fit the code any more, and why. */
export function misfits(): readonly string[] {
  return MUTANTS.flatMap(mutant => {
    try {
      for (const file of Object.keys(mutant.edits)) mutate(mutant, file);
      return [];
    } catch (error) {
      return [(error as Error).message];
    }
  });
}

/** From now on the mutant's files are loaded with the bug in them. */
export function plant(name: string): void {
  const mutant = MUTANTS.find(candidate => candidate.name === name);
  if (mutant === undefined) throw new Error(`there is no mutant '${name}'`);
  const sources = new Map(
    Object.keys(mutant.edits).map(file => [new URL(file, ROOT).href, mutate(mutant, file)]),
  );
  registerHooks({
    load: (url, context, nextLoad) => {
      const source = sources.get(url);
      const loaded = nextLoad(url, context);
      return source === undefined ? loaded : { ...loaded, source };
    },
  });
}
