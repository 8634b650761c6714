/** The other process of `sqlite-store.test.ts`: writes `crashBatch(1)`, ... and prints what became of them. */

import { crashBatch } from './crash-batch.ts';
import { openSqliteStore } from './sqlite-store.ts';

/** Some writes are always under way, so that the kill finds one. */
const IN_FLIGHT = 4;

const store = await openSqliteStore({ path: String(process.argv[2]) });
const inFlight: Promise<unknown>[] = [];
for (let n = 1; ; n++) {
  inFlight.push(
    store.write(crashBatch(n)).then(
      () => process.stdout.write(`acknowledged ${n}\n`),
      error => process.stdout.write(`rejected ${n} ${error.code}\n`),
    ),
  );
  if (inFlight.length === IN_FLIGHT) await inFlight.shift();
}
