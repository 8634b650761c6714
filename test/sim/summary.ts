/** A result for people. */

import { KINDS } from './faults.ts';
import type { Many } from './many.ts';

export function summary({ programs, seeds, events, virtualMs, elapsedMs, counts, broken }: Many): string {
  const lines = [
    `${seeds} seeds, ${events} events, ${(virtualMs / 3.6e6).toFixed(1)} h of virtual time in ${(elapsedMs / 1000).toFixed(1)} s`,
  ];
  const kinds = [...new Set([...KINDS, ...Object.keys(counts)])];
  for (const kind of kinds) lines.push(`  ${kind.padEnd(22)} ${String(counts[kind] ?? 0).padStart(8)}`);
  if (broken?.violation !== undefined) {
    const { invariant, message } = broken.violation;
    lines.push('', ...broken.tail, '', `seed ${broken.seed} breaks ${invariant}: ${message}`);
    const mode = programs === 0 ? '' : ` --programs ${programs}`;
    lines.push(`see it whole: node test/sim/main.ts --seed ${broken.seed}${mode} --trace`);
  }
  return lines.join('\n');
}
