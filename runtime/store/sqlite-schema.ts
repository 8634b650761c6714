/**
 * The store's file: what is in it, and how a connection to it is opened.
 *
 * Invariants: a file is recognised by its application id before anything in it is changed; `opening` counts the
 * openings, and only the newest may write (S1); `crc` covers key and value of its row, because SQLite itself
 * checks nothing of the sort.
 */

import { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { CodedError } from '../platform/error.ts';

/** 'HFst'. */
const APPLICATION_ID = 0x48467374;
const SCHEMA_VERSION = 1;
/** How long SQLite waits for another process that is just finishing a transaction. */
const BUSY_MS_MAX = 10_000;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL, crc INTEGER NOT NULL)
    WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS opening (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL);
  INSERT OR IGNORE INTO opening VALUES (1, 0);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** Signed, so that SQLite stores four bytes. */
export function rowChecksum(key: Uint8Array, value: Uint8Array): number {
  return crc32(value, crc32(key)) | 0;
}

/** The one connection that writes, and the number of this opening. Used in the writer thread only. */
export function openForWriting(path: string): { readonly database: DatabaseSync; readonly opening: number } {
  const database = new DatabaseSync(path, { timeout: BUSY_MS_MAX, returnArrays: true });
  try {
    const isNew = recognise(database, path);
    const [mode] = one(database, 'PRAGMA journal_mode = WAL');
    if (mode !== 'wal') {
      const advice = 'put it on a local volume: SQLite cannot share memory over this file system';
      throw new CodedError('HF_STORE_UNAVAILABLE', `store ${path}: ${advice}`);
    }
    // FULL: a commit is synced before it is acknowledged. The writer checkpoints by itself, after it has
    // acknowledged. The large cache keeps a big transaction from spilling pages into the WAL more than once.
    database.exec(`
      PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = 0;
      PRAGMA journal_size_limit = 67108864;
      PRAGMA cache_size = -32768;
      PRAGMA cell_size_check = ON;
      BEGIN IMMEDIATE;
    `);
    if (isNew) database.exec(SCHEMA);
    const [opening] = one(database, 'UPDATE opening SET number = number + 1 RETURNING number');
    database.exec('COMMIT');
    return { database, opening: Number(opening) };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** A connection that reads. It never commits and is closed first, so it never checkpoints. */
export function openForReading(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS_MAX, returnArrays: true });
  database.exec('PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -8192; PRAGMA cell_size_check = ON;');
  return database;
}

/** Whether the file is still empty; throws if it is not ours. */
function recognise(database: DatabaseSync, path: string): boolean {
  const [applicationId] = one(database, 'PRAGMA application_id');
  const [version] = one(database, 'PRAGMA user_version');
  const [objects] = one(database, 'SELECT count(*) FROM sqlite_schema');
  if (applicationId === 0 && version === 0 && objects === 0) return true;
  if (applicationId !== APPLICATION_ID) {
    const advice = 'it is the database of another program: choose another data directory';
    throw new CodedError('HF_STORE_FOREIGN', `store ${path}: ${advice}`);
  }
  if (version !== SCHEMA_VERSION) {
    throw new CodedError(
      'HF_STORE_VERSION',
      `store ${path} has version ${version}, this release reads ${SCHEMA_VERSION}: run the release that wrote it`,
    );
  }
  return false;
}

function one(database: DatabaseSync, sql: string): readonly unknown[] {
  return Object.values(database.prepare(sql).get() ?? {});
}
