/** How many descriptors, files and connections together, the operating system lets this process have. */
import { readFileSync } from 'node:fs';

/** Node raises the soft limit to the hard one when it starts. Only Linux says what that is; elsewhere there is none. */
export function descriptorsMax(): number {
  if (process.platform !== 'linux') return Number.POSITIVE_INFINITY;
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
  return limit === null ? Number.POSITIVE_INFINITY : Number(limit[1]);
}
