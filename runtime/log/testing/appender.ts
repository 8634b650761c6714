/**
 * A process that appends until it is killed, and prints the last position it was told is durable.
 * Usage: node appender.ts <directory>
 */

import fs from 'node:fs';
import { openFileLog } from '../file-log.ts';
import { testOptions } from './file-options.ts';

const directory = process.argv[2];
if (directory === undefined) throw new Error('usage: appender.ts <directory>');

/** Synchronous, so that the parent has read it, or nobody has been told; a full pipe is waited for. */
function print(line: string): void {
  for (;;) {
    try {
      fs.writeSync(1, line);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
  }
}

const log = await openFileLog(testOptions(directory));

let next = log.durable + 1;
const appendOne = (): void => {
  const own = next;
  next += 1;
  log.append([new TextEncoder().encode(`record ${own} ${'.'.repeat(own % 700)}`)], first => {
    if (first !== own) throw new Error(`acknowledged at ${first}, expected ${own}`);
    print(`${first}\n`);
    appendOne();
  });
};
for (let inFlight = 0; inFlight < 32; inFlight++) appendOne();
