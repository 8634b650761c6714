/** The real disk, over node:fs. */

import fs from 'node:fs';
import path from 'node:path';
import type { Disk, DiskFile, OpenMode } from './disk.ts';

/**
 * On Linux `O_DSYNC` makes a write durable in one system call. Elsewhere it does not reach past the device's own
 * cache (macOS) or does not exist (Windows); `fsync`, which libuv maps to the full flush there, follows the write.
 */
const hasDurableWrites = process.platform === 'linux';

const { O_CREAT, O_RDONLY, O_RDWR, O_TRUNC } = fs.constants;
const FLAGS: Readonly<Record<OpenMode, number>> = {
  read: O_RDONLY,
  create: O_RDWR | O_CREAT | O_TRUNC,
  createDurable: O_RDWR | O_CREAT | O_TRUNC | (hasDurableWrites ? fs.constants.O_DSYNC : 0),
};

class NodeFile implements DiskFile {
  readonly #fd: number;
  readonly #syncEachWrite: boolean;

  constructor(name: string, mode: OpenMode) {
    this.#fd = fs.openSync(name, FLAGS[mode], 0o600);
    this.#syncEachWrite = mode === 'createDurable' && !hasDurableWrites;
  }

  size(): number {
    return fs.fstatSync(this.#fd).size;
  }

  readAt(into: Uint8Array, offset: number): number {
    return fs.readSync(this.#fd, into, 0, into.length, offset);
  }

  writeAt(bytes: Uint8Array, offset: number): number {
    const written = fs.writeSync(this.#fd, bytes, 0, bytes.length, offset);
    if (this.#syncEachWrite) fs.fsyncSync(this.#fd);
    return written;
  }

  sync(): void {
    fs.fsyncSync(this.#fd);
  }

  truncate(size: number): void {
    fs.ftruncateSync(this.#fd, size);
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}

export const nodeDisk: Disk = {
  makeDirectory: name => {
    const first = fs.mkdirSync(name, { recursive: true, mode: 0o700 });
    if (first === undefined) return;
    // Every name created is in its parent; the parent of the first one existed before.
    for (let made = path.resolve(name); made.length >= first.length; made = path.dirname(made)) {
      syncDirectory(path.dirname(made));
    }
  },
  list: directory => fs.readdirSync(directory).sort(),
  open: (name, mode) => new NodeFile(name, mode),
  rename: (from, to) => fs.renameSync(from, to),
  remove: name => fs.rmSync(name),
  syncDirectory,
};

function syncDirectory(name: string): void {
  // Windows cannot open a directory for flushing; NTFS journals its names.
  if (process.platform === 'win32') return;
  const fd = fs.openSync(name, O_RDONLY);
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
