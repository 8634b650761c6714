import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lockDirectory } from './directory-lock.ts';
import { diskErrorCode, readFully, writeFully } from './disk.ts';
import { nodeDisk } from './node-disk.ts';

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-disk-'));
afterAll(() => fs.rmSync(root, { recursive: true }));

test('files are written, read back past their end, cut, renamed and removed', () => {
  const directory = path.join(root, 'a', 'b');
  nodeDisk.makeDirectory(directory);
  nodeDisk.makeDirectory(directory);
  for (const mode of ['create', 'createDurable'] as const) {
    const file = nodeDisk.open(path.join(directory, mode), mode);
    writeFully(file, Buffer.from('hello world'), 0);
    file.sync();
    const into = new Uint8Array(20);
    expect(readFully(file, into, 6)).toBe(5);
    expect(Buffer.from(into.subarray(0, 5)).toString()).toBe('world');
    file.truncate(5);
    expect(file.size()).toBe(5);
    file.close();
  }
  nodeDisk.rename(path.join(directory, 'create'), path.join(directory, 'renamed'));
  nodeDisk.remove(path.join(directory, 'createDurable'));
  nodeDisk.syncDirectory(directory);
  expect(nodeDisk.list(directory)).toEqual(['renamed']);
});

test('a device error keeps its code; others have none', () => {
  const codeOf = (act: () => unknown) => {
    try {
      act();
    } catch (error) {
      return diskErrorCode(error);
    }
    return 'none thrown';
  };
  expect(codeOf(() => nodeDisk.open(path.join(root, 'missing'), 'read'))).toBe('ENOENT');
  expect(codeOf(() => nodeDisk.open('\0', 'read'))).toBeUndefined();
});

test('a directory has one owner until it is released', () => {
  const first = lockDirectory(root);
  expect(first).toBeDefined();
  expect(lockDirectory(root)).toBeUndefined();
  first?.release();
  const second = lockDirectory(root);
  expect(second).toBeDefined();
  second?.release();
});
