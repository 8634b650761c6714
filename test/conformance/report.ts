/** What became of the matrix, as text. */

import { SDK_NAMES, type Setting } from '../e2e/behaviours/dimensions.ts';
import type { Row } from '../e2e/behaviours/play.ts';
import { absence, cellName, settingName, variantsOf } from './matrix.ts';
import type { Outcome } from './run.ts';

const PASSED = '✓';
const FAILED = '✗';
const ABSENT = '·';

const LEGEND = [
  `Each column has four marks: eager state undisturbed, eager state with the orchestrator killed in the middle, lazy`,
  `state undisturbed, lazy state with it killed. ${PASSED} passed, ${FAILED} failed, ${ABSENT} there is no such combination.`,
];

/** By row, setting and SDK, with a legend. */
export function matrix(
  rows: readonly Row[],
  settings: readonly Setting[],
  outcomes: readonly Outcome[],
): string {
  const marks = new Map<string, string>();
  for (const { cell, error } of outcomes) marks.set(cellName(cell), error === undefined ? PASSED : FAILED);
  const columns = settings.flatMap(setting => SDK_NAMES.map(sdk => ({ setting, sdk })));
  const width = Math.max(...rows.map(({ name }) => name.length));
  const heads = columns.map(({ setting, sdk }) => `${settingName(setting)} ${sdk}`);
  const lines = rows.map(row => {
    const cells = columns.map(({ setting, sdk }, i) => {
      const text = variantsOf(setting, [sdk])
        .map(variant =>
          absence({ row, variant }) === undefined ? (marks.get(cellName({ row, variant })) ?? '?') : ABSENT,
        )
        .join('');
      return text.padEnd(heads[i]?.length ?? 0);
    });
    return [row.name.padEnd(width), ...cells].join('  ').trimEnd();
  });
  return [...LEGEND, '', [''.padEnd(width), ...heads].join('  '), ...lines].join('\n');
}

export const absences = (absent: ReadonlyMap<string, number>): string =>
  [...absent]
    .map(([reason, count]) => `${String(count).padStart(6)} combinations do not exist: ${reason}`)
    .join('\n');

/** Each failure with its cause; the same cause of many cells once. */
export function failures(outcomes: readonly Outcome[]): string {
  const byCause = new Map<string, string[]>();
  for (const { cell, error } of outcomes) {
    if (error === undefined) continue;
    const cause = describe(error);
    byCause.set(cause, [...(byCause.get(cause) ?? []), cellName(cell)]);
  }
  return [...byCause]
    .map(([cause, names]) =>
      [...names.map(name => `failed: ${name}`), cause.replaceAll(/^/gm, '    ')].join('\n'),
    )
    .join('\n');
}

export function totals(outcomes: readonly Outcome[]): string {
  const failed = outcomes.filter(({ error }) => error !== undefined).length;
  return `${outcomes.length - failed} passed, ${failed} failed`;
}

/** With both values in full, where two are compared. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { actual, expected } = error as { actual?: unknown; expected?: unknown };
  const line = /behaviours\/rows\/\S+?:\d+/.exec(error.stack ?? '')?.[0] ?? '';
  if (actual === undefined && expected === undefined) return `${error.message} ${line}`;
  return `${error.message} ${line}\n  is       ${JSON.stringify(actual)}\n  expected ${JSON.stringify(expected)}`;
}
