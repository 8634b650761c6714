import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { appendDurably, logConformance } from './conformance.ts';
import { openFileLog } from './file-log.ts';
import type { Log } from './log.ts';
import { testOptions } from './testing/file-options.ts';

const MIB = 1024 * 1024;

logConformance('segmented log over files', async () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-log-'));
  const opened: Log[] = [];
  let life = 0;
  const directory = () => path.join(root, `life-${life}`);
  return {
    open: async options => {
      const log = await openFileLog({ ...testOptions(directory()), ...options });
      opened.push(log);
      return log;
    },
    // The image that a crash leaves, elsewhere: the instances of this process cannot be killed one by one.
    crash: async () => {
      const before = directory();
      life += 1;
      const isSegment = (name: string) => !name.endsWith('/lock');
      fs.cpSync(before, directory(), { recursive: true, filter: isSegment });
    },
    secondOpening: 'refused',
    dispose: async () => {
      for (const log of opened) await log.close().catch(isClosedTwice);
      fs.rmSync(root, { recursive: true });
    },
  };
});

function isClosedTwice(error: unknown): void {
  if (!(error instanceof Error) || error.message !== 'closed twice') throw error;
}

test('a failed write acknowledges nothing, tells once, and refuses what follows', async () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-log-'));
  const failures: Error[] = [];
  const log = await openFileLog({ ...testOptions(root), onFailure: error => failures.push(error) });
  await appendDurably(log, 'a');
  // The next segment cannot be begun: its name is taken by a directory.
  fs.mkdirSync(path.join(root, '0000000002.segment'));
  const acknowledged: number[] = [];
  const large = new Uint8Array(2 * MIB);
  await new Promise<void>(resolve => {
    log.append([large], first => acknowledged.push(first));
    log.append([new Uint8Array(1)], first => acknowledged.push(first));
    const check = () => (failures.length > 0 ? resolve() : setTimeout(check, 5));
    check();
  });
  expect(() => log.append([new Uint8Array(1)], () => undefined)).toThrow(
    expect.objectContaining({ code: 'HF_LOG_FAILED' }),
  );
  await log.close();
  expect(acknowledged).toEqual([]);
  expect(failures).toMatchObject([{ code: 'HF_LOG_FAILED' }]);
  fs.rmSync(root, { recursive: true });
});
