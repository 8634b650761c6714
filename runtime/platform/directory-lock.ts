/**
 * One owner per directory, across threads, processes and containers that share a kernel.
 *
 * The lock is SQLite's own on a file of ours: an `fcntl` lock that the kernel drops when the process dies, however
 * it dies, so that a successor gets in at once. Node offers no file locks itself; an abstract unix socket would
 * not be seen from another network namespace (two containers on one volume), and a file with a process id in it
 * outlives its process. See docs/decisions/log-directory-lock.md.
 */

import { DatabaseSync } from 'node:sqlite';

export interface DirectoryLock {
  release(): void;
}

const SQLITE_BUSY = 5;

/** The lock of the existing `directory`, or undefined while somebody else has it. Never waits. */
export function lockDirectory(directory: string): DirectoryLock | undefined {
  const database = new DatabaseSync(`${directory}/lock`, { timeout: 0 });
  try {
    // Nothing is ever written in this transaction; it only holds the lock.
    database.exec('PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
  return { release: () => database.close() };
}
