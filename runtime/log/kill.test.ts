import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openFileLog } from './file-log.ts';
import { testOptions } from './testing/file-options.ts';

const appender = fileURLToPath(new URL('./testing/appender.ts', import.meta.url));

/** Runs the appender until it has acknowledged `count` more records, kills it, and returns the last position told. */
async function appendAndKill(directory: string, count: number): Promise<number> {
  const child = spawn(process.execPath, [appender, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  let output = '';
  let lines = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    lines += text.split('\n').length - 1;
    if (lines >= count) child.kill('SIGKILL');
  });
  await exited;
  if (!child.stdout.readableEnded) await once(child.stdout, 'end');
  return Number(output.slice(0, output.lastIndexOf('\n')).split('\n').at(-1));
}

test('a log whose owner was killed opens at once and has every acknowledged record', async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-kill-'));
  let before = 0;
  for (let round = 0; round < 3; round++) {
    const told = await appendAndKill(directory, 3000);
    expect(told).toBeGreaterThanOrEqual(before + 3000);
    const log = await openFileLog(testOptions(directory));
    expect(log.durable).toBeGreaterThanOrEqual(told);
    let expected = 1;
    for (const { position, bytes } of log.read(1)) {
      const text = `record ${expected} ${'.'.repeat(expected % 700)}`;
      if (position !== expected || Buffer.from(bytes).toString() !== text) {
        throw new Error(`record ${expected} is not what was appended`);
      }
      expected += 1;
    }
    expect(expected - 1).toBe(log.durable);
    before = log.durable;
    await log.close();
  }
  fs.rmSync(directory, { recursive: true });
});

test('while one process has the log, another is told who and where', async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-kill-'));
  const child = spawn(process.execPath, [appender, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  await once(child.stdout, 'data');
  await expect(openFileLog(testOptions(directory))).rejects.toMatchObject({
    code: 'HF_LOG_LOCKED',
    message: expect.stringContaining(directory),
  });
  child.stdout.resume();
  child.kill('SIGKILL');
  await exited;
  await (await openFileLog(testOptions(directory))).close();
  fs.rmSync(directory, { recursive: true });
});
