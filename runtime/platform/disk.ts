/**
 * The disk port: synchronous file access as the log needs it. Synchronous, because the log's writer is alone on
 * its thread (or runs in the simulator) and has nothing else to do while the disk works.
 *
 * Errors of the device are `Error`s with a string `code` (`EIO`, `ENOSPC`, ...), as Node's are. After an error of
 * `writeAt` or `sync` the content of the file is unknown until it has been read from the device again: nobody may
 * write to or sync that file any more.
 */

export interface DiskFile {
  size(): number;
  /** Fills `into` from `offset` on, as far as one call gets; the number of bytes, 0 at the end of the file. */
  readAt(into: Uint8Array, offset: number): number;
  /** Writes from `bytes` at `offset`, as far as one call gets; the number of bytes, at least 1. */
  writeAt(bytes: Uint8Array, offset: number): number;
  /** Returns when everything written to this file survives a power loss. */
  sync(): void;
  truncate(size: number): void;
  close(): void;
}

/**
 * `read`: an existing file. `create`: a new file (an old one of the name is emptied), durable by `sync`.
 * `createDurable`: a new file whose every `writeAt` has reached the device when it returns.
 */
export type OpenMode = 'read' | 'create' | 'createDurable';

export interface Disk {
  /** Parents included, durably; no error where it exists. */
  makeDirectory(path: string): void;
  /** Names (not paths) of the entries, sorted. */
  list(directory: string): readonly string[];
  open(path: string, mode: OpenMode): DiskFile;
  /** Atomic; an existing `to` is replaced. */
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** Returns when the directory's names (created, renamed, removed) survive a power loss. */
  syncDirectory(path: string): void;
}

/** The device's word on an error (`EIO`, `ENOSPC`, ...); undefined for anything that is not a device error. */
export function diskErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  // Node's own codes (ERR_ASSERTION, ...) and ours have an underscore; the system's have none.
  return /^E[A-Z0-9]+$/.test(error.code) ? error.code : undefined;
}

/** Writes all of `bytes`, however many calls that takes. */
export function writeFully(file: DiskFile, bytes: Uint8Array, offset: number): void {
  let written = file.writeAt(bytes, offset);
  while (written < bytes.length) written += file.writeAt(bytes.subarray(written), offset + written);
}

/** Reads until `into` is full or the file ends; the number of bytes. */
export function readFully(file: DiskFile, into: Uint8Array, offset: number): number {
  let total = 0;
  while (total < into.length) {
    const count = file.readAt(total === 0 ? into : into.subarray(total), offset + total);
    if (count === 0) break;
    total += count;
  }
  return total;
}
