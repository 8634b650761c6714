import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { storeConformance } from './conformance.ts';
import { storeError } from './sqlite-errors.ts';
import { openSqliteStore } from './sqlite-store.ts';

const CHILD = join(import.meta.dirname, 'sqlite-store.child.ts');
const newDirectory = () => mkdtempSync(join(tmpdir(), 'holdfast-store-'));
const removeDirectory = (directory: string) => rmSync(directory, { recursive: true, force: true });

/** The lines the child prints; it is killed when the loop over them ends. */
async function* linesOf(child: ChildProcess): AsyncGenerator<string> {
  const exited = once(child, 'exit');
  try {
    if (child.stdout !== null) yield* createInterface(child.stdout);
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
}

storeConformance('the SQLite store', async () => {
  const directory = newDirectory();
  const path = join(directory, 'store.db');
  return {
    open: () => openSqliteStore({ path }),
    remove: async () => removeDirectory(directory),
    crashWhileWriting: async atLeast => {
      let acknowledged = 0;
      const child = spawn(process.execPath, [CHILD, path], { stdio: ['ignore', 'pipe', 'inherit'] });
      for await (const line of linesOf(child)) {
        const [outcome, n] = line.split(' ');
        expect(outcome).toBe('acknowledged');
        acknowledged = Number(n);
        if (acknowledged >= atLeast) break;
      }
      return acknowledged;
    },
  };
});

describe('files that are not a sound store', () => {
  let directory: string;
  let path: string;

  beforeEach(() => {
    directory = newDirectory();
    path = join(directory, 'store.db');
  });

  afterEach(() => removeDirectory(directory));

  const sql = (text: string) => {
    const database = new DatabaseSync(path);
    database.exec(text);
    database.close();
  };
  const written = async (value: Uint8Array) => {
    const store = await openSqliteStore({ path });
    await store.write([{ key: Uint8Array.of(1), value }]);
    await store.close();
  };

  const unsound: [what: string, code: string, make: () => unknown][] = [
    ['is text', 'HF_STORE_DAMAGED', () => writeFileSync(path, 'position: 12\n'.repeat(100))],
    ['is the database of another program', 'HF_STORE_FOREIGN', () => sql('CREATE TABLE t (a)')],
    [
      'was written by a later release',
      'HF_STORE_VERSION',
      async () => {
        await written(Uint8Array.of(1));
        sql('PRAGMA user_version = 9');
      },
    ],
    ['is in a directory that does not exist', 'HF_STORE_UNAVAILABLE', () => removeDirectory(directory)],
  ];

  test.each(unsound)('a file that %s is refused with %s', async (_what, code, make) => {
    await make();
    const before = code === 'HF_STORE_UNAVAILABLE' ? undefined : readFileSync(path);
    await expect(openSqliteStore({ path })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(path),
    });
    if (before !== undefined) expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('a flipped bit in a row is reported, by get and by scan', async () => {
    const value = new Uint8Array(100).fill(0xa5);
    await written(value);
    const file = readFileSync(path);
    const at = file.indexOf(value);
    file.writeUInt8(0xa4, at + 50);
    writeFileSync(path, file);
    const store = await openSqliteStore({ path });
    const damaged = expect.objectContaining({
      code: 'HF_STORE_DAMAGED',
      message: expect.stringContaining(path),
    });
    expect(() => store.get(Uint8Array.of(1))).toThrow(damaged);
    expect(() => store.scan(Uint8Array.of(), Uint8Array.of(9))).toThrow(damaged);
    await store.close();
  });

  test('a volume that takes no more bytes fails this write and every later one', async () => {
    // A limit on file size stands for the full disk; SQLite sees a short or failed write all the same.
    const command = `ulimit -f 200; exec "${process.execPath}" "${CHILD}" "${path}"`;
    const child = spawn('/bin/sh', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] });
    const outcomes: string[] = [];
    let acknowledged = 0;
    for await (const line of linesOf(child)) {
      const [outcome, n, code = ''] = line.split(' ');
      if (outcome === 'acknowledged') acknowledged = Number(n);
      else outcomes.push(code);
      if (outcomes.length === 20) break;
      expect(outcome === 'rejected' || outcomes.length === 0).toBe(true);
    }
    expect(acknowledged).toBeGreaterThan(0);
    expect(new Set(outcomes).size).toBe(1);
    expect(outcomes[0]).toMatch(/^HF_STORE_(FULL|FAILED)$/);
    const store = await openSqliteStore({ path });
    const position = store.get(new TextEncoder().encode('a-position')) ?? new Uint8Array(4);
    expect(new DataView(position.buffer, position.byteOffset).getUint32(0)).toBe(acknowledged);
    await store.close();
  });
});

test.each([
  [13, 'HF_STORE_FULL'],
  [11 | (1 << 8), 'HF_STORE_DAMAGED'],
  [26, 'HF_STORE_DAMAGED'],
  [10 | (3 << 8), 'HF_STORE_FAILED'],
  [8, 'HF_STORE_UNAVAILABLE'],
  [5, 'HF_STORE_UNAVAILABLE'],
])('SQLite result code %i is %s', (errcode, code) => {
  const error = storeError('a.db', Object.assign(new Error('it failed'), { errcode }));
  expect(error).toMatchObject({ code, message: expect.stringMatching(/^store a\.db: it failed .*; /) });
});

test('an error that is not of SQLite stays what it is', () => {
  const bug = new TypeError('a bug');
  expect(storeError('a.db', bug)).toBe(bug);
});
