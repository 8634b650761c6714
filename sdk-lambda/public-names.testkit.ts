/**
 * Test helper: what the entry points export, read from the sources, and where it is declared. The sources are formatted by
 * one formatter, so that a declaration begins at the start of a line, its members two blanks from it.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface Declaration {
  readonly name: string;
  readonly file: string;
  /** From 0, of the line that declares it. */
  readonly line: number;
}

const sources = new Map<string, readonly string[]>();
export function linesOf(file: string): readonly string[] {
  const lines = sources.get(file) ?? readFileSync(file, 'utf8').split('\n');
  sources.set(file, lines);
  return lines;
}

/** The names that a file exports, with the file and the name that each has where it comes from. */
export function exportsOf(
  file: string,
): ReadonlyMap<string, { readonly file: string; readonly local: string }> {
  const text = linesOf(file).join('\n');
  const found = new Map<string, { file: string; local: string }>();
  for (const [, from = ''] of text.matchAll(/^export \* from '(.+)';/gm))
    for (const [name, origin] of exportsOf(join(dirname(file), from))) found.set(name, origin);
  for (const [, name = '', from = ''] of text.matchAll(/^export (?:type )?\* as (\w+) from '(.+)';/gm))
    found.set(name, { file: join(dirname(file), from), local: '*' });
  for (const [, list = '', from] of text.matchAll(/^export (?:type )?\{([^}]*)\}(?: from '(.+)')?;/gm))
    for (const { local, name } of namesIn(list))
      found.set(
        name,
        from ? { file: join(dirname(file), from), local } : (importOf(file, local) ?? { file, local }),
      );
  for (const [, name = ''] of text.matchAll(DECLARED)) found.set(name, { file, local: name });
  return found;
}
const KEYWORD = '(?:async function|abstract class|function|class|interface|type|const)';
const DECLARED = new RegExp(`^export (?:declare )?${KEYWORD} (\\w+)`, 'gm');

function namesIn(list: string): readonly { readonly local: string; readonly name: string }[] {
  const items = list.split(',').map(item => item.trim().replace(/^type /, ''));
  return items
    .filter(item => item !== '')
    .map(item => {
      const [local = '', name = local] = item.split(' as ');
      return { local, name };
    });
}

function importOf(file: string, wanted: string): { file: string; local: string } | undefined {
  const text = linesOf(file).join('\n');
  for (const [, list = '', from = ''] of text.matchAll(/^import (?:type )?\{([^}]*)\} from '(\..+)';/gm))
    for (const { local, name } of namesIn(list))
      if (name === wanted) return { file: join(dirname(file), from), local };
  return undefined;
}

/** All declarations of a name, for types and values may share one; and of what they extend, which readers see as well. */
export function declarationsOf(file: string, local: string): readonly Declaration[] {
  const lines = linesOf(file);
  const pattern = new RegExp(`^(?:export )?(?:declare )?${KEYWORD} ${local}\\b`);
  const own = lines.flatMap((text, line) => (pattern.test(text) ? [{ name: local, file, line }] : []));
  if (own.length === 0) {
    const origin = importOf(file, local);
    return origin ? declarationsOf(origin.file, origin.local) : [];
  }
  // Overloads have their text once, before the first.
  const first = own.filter(
    ({ line }, index) =>
      index === 0 ||
      !/\bfunction\b/.test(lines[line] ?? '') ||
      !/\bfunction\b/.test(lines[own[0]?.line ?? 0] ?? ''),
  );
  const parents = own.flatMap(({ line }) => {
    if (!/^(?:export )?(?:abstract )?(?:interface|class) /.test(lines[line] ?? '')) return [];
    const head = lines
      .slice(line, lines.findIndex((text, at) => at >= line && /\{\}?$/.test(text)) + 1)
      .join(' ');
    const clause = / extends (.*?)\{/.exec(withoutArguments(head))?.[1] ?? '';
    const names = clause.split(/,| implements /).map(parent => parent.trim());
    return names.filter(parent => parent !== '').flatMap(parent => declarationsOf(file, parent));
  });
  return [...first, ...parents];
}

/** `A<B<C>>` is `A`. */
function withoutArguments(text: string): string {
  const shorter = text.replace(/<[^<>]*>/g, '');
  return shorter === text ? text : withoutArguments(shorter);
}

/** Lines of members that are visible to users, of a declaration whose body is in braces. */
export function membersOf({ file, line }: Declaration): readonly number[] {
  const lines = linesOf(file);
  const kind = /^(?:export )?(?:declare )?(?:abstract )?(\w+)/.exec(lines[line] ?? '')?.[1];
  if (kind === 'function' || kind === 'async') return [];
  const open = lines.findIndex((text, at) => at >= line && /[{;,]$/.test(text));
  // Not the body of a function.
  if (open < 0 || !/\{$/.test(lines[open] ?? '') || /=> \{$/.test(lines[open] ?? '')) return [];
  const close = lines.findIndex((text, at) => at > open && /^\}/.test(text));
  const members: number[] = [];
  let before = '';
  for (let at = open + 1; at < close; at++) {
    const text = lines[at] ?? '';
    const name = /^ {2}(?:readonly |static |override |abstract |get |set )*(\w+)\??[(<:,]/.exec(text)?.[1];
    const hidden = /^ {2}(?:protected|private|#|constructor|declare)/.test(text);
    // Overloads again, and what overrides a member of the language.
    if (name !== undefined && !hidden && name !== before && !/^ {2}(?:override|readonly \[)/.test(text))
      members.push(at);
    if (name !== undefined) before = name;
  }
  return members;
}

/** Whether a doc comment ends right above, but for what the linter is told. */
export function isDocumented(file: string, line: number): boolean {
  const lines = linesOf(file);
  let above = line - 1;
  while (/^\s*\/\/ /.test(lines[above] ?? '')) above--;
  return /\*\/$/.test(lines[above] ?? '') && !/^\/\*\*.*\*\/$/.test(above === 0 ? (lines[0] ?? '') : '');
}
