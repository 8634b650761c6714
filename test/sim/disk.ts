/**
 * A simulated disk with a write-back cache: what was not made durable is lost, kept or torn by a crash, sector by
 * sector; and faults on demand. Deterministic: every choice comes from the injected `random`.
 *
 * The model. A file has two contents: what the device has and what a read sees (the page cache). `sync`, or a write
 * to a file opened `createDurable`, makes the device agree. `crash()` is a power loss: sectors that differ are each
 * kept, dropped or torn; names not synced may be gone, in the order they were made. `exit()` is the death of the
 * process alone: the cache stays. A write under way at a crash is partly applied. A torn sector has a prefix of its
 * new bytes and a suffix of its old ones, so bytes that the write did not change survive it.
 *
 * Invariants: after `crash` or `exit` no handle opened before does anything but throw. Every fault that strikes is
 * counted under its name.
 */

import type { Disk, DiskFile, OpenMode } from '../../runtime/platform/disk.ts';
import { type Content, Inode, SECTOR_BYTES } from './disk-content.ts';

export type DiskFault =
  | 'crash'
  | 'crashInOperation'
  | 'exit'
  | 'tornSector'
  | 'lostSector'
  | 'lostName'
  | 'shortWrite'
  | 'writeError'
  | 'syncError'
  | 'readError'
  | 'noSpace'
  | 'bitRot'
  | 'misdirectedWrite';

/** Thrown by the operation that a crash strikes and by everything a dead process still tries. Not a device error. */
export class SimulatedCrash extends Error {
  override readonly name = 'SimulatedCrash';
}

const deviceError = (code: string) => Object.assign(new Error(`${code}: simulated`), { code });

/** What strikes from now on; probabilities per operation. */
export interface DiskFaults {
  shortWrite: number;
  writeError: number;
  syncError: number;
  misdirectedWrite: number;
  /** Bytes the files may hold together. */
  capacityBytes: number;
  /** Crash in the n-th mutating operation from now. */
  crashInOperations: number;
}

const noFaults = (): DiskFaults => ({
  shortWrite: 0,
  writeError: 0,
  syncError: 0,
  misdirectedWrite: 0,
  capacityBytes: Number.POSITIVE_INFINITY,
  crashInOperations: Number.POSITIVE_INFINITY,
});

type NameChange = (names: Map<string, Inode>) => void;

export class SimDisk implements Disk {
  readonly faults: DiskFaults = noFaults();
  readonly counts = new Map<DiskFault, number>();
  readonly #random: () => number;
  /** Names as the device has them, as the process sees them, and the changes between, oldest first. */
  readonly #deviceNames = new Map<string, Inode>();
  readonly #names = new Map<string, Inode>();
  #nameChanges: NameChange[] = [];
  #generation = 0;

  /** `random` is uniform in [0, 1). */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** Power loss, now. */
  crash(): void {
    this.#count('crash');
    const kept = Math.floor(this.#random() * (this.#nameChanges.length + 1));
    for (const [index, change] of this.#nameChanges.entries()) {
      if (index < kept) change(this.#deviceNames);
      else this.#count('lostName');
    }
    this.#nameChanges = [];
    // In the order of their names' first use, not by identity: deterministic.
    const inodes = new Set([...this.#names.values(), ...this.#deviceNames.values()]);
    for (const inode of inodes) this.#settle(inode);
    this.#names.clear();
    for (const [name, inode] of this.#deviceNames) this.#names.set(name, inode);
    this.#restart();
  }

  /** The process dies; the machine, and with it the page cache, lives. */
  exit(): void {
    this.#count('exit');
    this.#restart();
  }

  /** Turns all faults off. */
  heal(): void {
    Object.assign(this.faults, noFaults());
  }

  /** Flips one bit of the byte at `offset`, on the device and in what is read. */
  rot(path: string, offset: number): void {
    const inode = this.#inode(path);
    this.#count('bitRot');
    const mask = 1 << Math.floor(this.#random() * 8);
    for (const content of [inode.seen, inode.device]) {
      const byte = content.bytes[offset];
      if (byte !== undefined && offset < content.size) content.bytes[offset] = byte ^ mask;
    }
  }

  /** Reads that touch `offset` fail from now on. */
  makeUnreadable(path: string, offset: number): void {
    this.#inode(path).unreadable.add(offset);
  }

  /** What a read sees now; for checkers. */
  contentOf(path: string): Uint8Array {
    const { seen } = this.#inode(path);
    return seen.bytes.slice(0, seen.size);
  }

  /** Replaces a file's content, durably; for building a scene. */
  plant(path: string, bytes: Uint8Array): void {
    const inode = this.#names.get(path) ?? new Inode();
    for (const content of [inode.seen, inode.device]) {
      content.resize(0);
      content.write(bytes, 0);
    }
    this.#names.set(path, inode);
    this.#deviceNames.set(path, inode);
  }

  makeDirectory(): void {}

  list(directory: string): readonly string[] {
    const prefix = `${directory}/`;
    const names = [...this.#names.keys()].filter(name => name.startsWith(prefix));
    return names.map(name => name.slice(prefix.length)).sort();
  }

  open(path: string, mode: OpenMode): DiskFile {
    if (mode === 'read') return this.#handle(this.#inode(path), false);
    this.#operate();
    const inode = new Inode();
    this.#changeNames(names => names.set(path, inode));
    return this.#handle(inode, mode === 'createDurable');
  }

  rename(from: string, to: string): void {
    this.#operate();
    const inode = this.#inode(from);
    this.#changeNames(names => {
      // A replayed change is of no effect where an earlier one was lost.
      if (names.get(from) !== inode) return;
      names.delete(from);
      names.set(to, inode);
    });
  }

  remove(path: string): void {
    this.#operate();
    const inode = this.#inode(path);
    this.#changeNames(names => {
      if (names.get(path) === inode) names.delete(path);
    });
  }

  /** Flushes all directories: nobody relies on another one staying unflushed. */
  syncDirectory(): void {
    this.#operate();
    for (const change of this.#nameChanges) change(this.#deviceNames);
    this.#nameChanges = [];
  }

  #handle(inode: Inode, isDurable: boolean): DiskFile {
    const generation = this.#generation;
    const alive = () => {
      if (generation !== this.#generation)
        throw new SimulatedCrash('the process that opened this file is dead');
    };
    return {
      size: () => {
        alive();
        return inode.seen.size;
      },
      readAt: (into, offset) => {
        alive();
        return this.#read(inode, into, offset);
      },
      writeAt: (bytes, offset) => {
        alive();
        return this.#write(inode, isDurable, bytes, offset);
      },
      sync: () => {
        alive();
        this.#sync(inode);
      },
      truncate: size => {
        alive();
        this.#operate();
        inode.seen.resize(size);
        // Truncation reaches the device with the file's metadata, in order.
        inode.device.resize(Math.min(size, inode.device.size));
      },
      close: () => undefined,
    };
  }

  #read(inode: Inode, into: Uint8Array, offset: number): number {
    for (const bad of inode.unreadable) {
      if (bad < offset || bad >= offset + into.length) continue;
      this.#count('readError');
      throw deviceError('EIO');
    }
    const { bytes, size } = inode.seen;
    const length = Math.max(0, Math.min(into.length, size - offset));
    into.set(bytes.subarray(offset, offset + length));
    return length;
  }

  #write(inode: Inode, isDurable: boolean, bytes: Uint8Array, offset: number): number {
    const { faults } = this;
    const isCrash = this.#isLastOperation();
    if (this.#strikes('writeError', faults.writeError)) {
      // Pages are dropped or marked clean, as the kernel likes: what is read need not be what the device has.
      this.#applyPartly(inode.device, bytes, offset);
      if (this.#random() < 0.5) inode.seen.write(bytes, offset);
      else this.#applyPartly(inode.seen, bytes, offset);
      throw deviceError('EIO');
    }
    let written = bytes;
    if (bytes.length > 1 && this.#strikes('shortWrite', faults.shortWrite)) {
      written = bytes.subarray(0, 1 + Math.floor(this.#random() * (bytes.length - 1)));
    }
    const growth = Math.max(0, offset + written.length - inode.seen.size);
    if (growth > 0 && this.#usedBytes() + growth > faults.capacityBytes) {
      this.#count('noSpace');
      throw deviceError('ENOSPC');
    }
    if (this.#strikes('misdirectedWrite', faults.misdirectedWrite)) {
      return this.#misdirect(written);
    }
    inode.seen.write(written, offset);
    if (isCrash) {
      this.#applyPartly(inode.device, written, offset);
      inode.markDirty(offset, written.length);
      this.#crashHere();
    }
    if (isDurable) inode.device.write(written, offset);
    else inode.markDirty(offset, written.length);
    return written.length;
  }

  #sync(inode: Inode): void {
    if (this.#strikes('syncError', this.faults.syncError)) {
      this.#settleSectors(inode);
      inode.dirty.clear();
      throw deviceError('EIO');
    }
    if (this.#isLastOperation()) this.#crashHere();
    inode.device.copyFrom(inode.seen);
    inode.dirty.clear();
  }

  /** The device puts the bytes somewhere else, and says it is done. */
  #misdirect(bytes: Uint8Array): number {
    const inodes = [...this.#names.values()];
    const target = inodes[Math.floor(this.#random() * inodes.length)];
    if (target === undefined) return bytes.length;
    const sectors = Math.max(1, Math.floor(target.device.size / SECTOR_BYTES));
    const offset = Math.floor(this.#random() * sectors) * SECTOR_BYTES;
    const room = Math.max(0, target.seen.size - offset);
    for (const content of [target.seen, target.device]) content.write(bytes.subarray(0, room), offset);
    return bytes.length;
  }

  /** Counts a mutating operation that is not a write; a crash strikes before it takes effect. */
  #operate(): void {
    if (this.#isLastOperation()) this.#crashHere();
  }

  #isLastOperation(): boolean {
    this.faults.crashInOperations -= 1;
    return this.faults.crashInOperations === 0;
  }

  #crashHere(): never {
    this.#count('crashInOperation');
    this.crash();
    throw new SimulatedCrash('power loss');
  }

  #changeNames(change: NameChange): void {
    change(this.#names);
    this.#nameChanges.push(change);
  }

  /** A crash decides about every sector that the device may not have. */
  #settle(inode: Inode): void {
    this.#settleSectors(inode);
    inode.dirty.clear();
    inode.seen.copyFrom(inode.device);
  }

  #settleSectors(inode: Inode): void {
    for (const sector of inode.dirty) {
      const start = sector * SECTOR_BYTES;
      const end = Math.min(start + SECTOR_BYTES, inode.seen.size);
      if (end > start) this.#applySector(inode.device, inode.seen.bytes.subarray(start, end), start);
    }
  }

  /** Applies a write sector by sector: whole, not at all, or torn. */
  #applyPartly(content: Content, bytes: Uint8Array, offset: number): void {
    let start = 0;
    while (start < bytes.length) {
      const end = Math.min(bytes.length, start + SECTOR_BYTES - ((offset + start) % SECTOR_BYTES));
      this.#applySector(content, bytes.subarray(start, end), offset + start);
      start = end;
    }
  }

  #applySector(content: Content, bytes: Uint8Array, offset: number): void {
    const fate = this.#random();
    if (fate < 0.4) content.write(bytes, offset);
    else if (fate < 0.8) this.#count('lostSector');
    else {
      this.#count('tornSector');
      content.write(bytes.subarray(0, Math.floor(this.#random() * bytes.length)), offset);
    }
  }

  #usedBytes(): number {
    let used = 0;
    for (const { seen } of this.#names.values()) used += seen.size;
    return used;
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw deviceError('ENOENT');
    return inode;
  }

  #restart(): void {
    this.#generation += 1;
    this.faults.crashInOperations = Number.POSITIVE_INFINITY;
  }

  #strikes(fault: DiskFault, probability: number): boolean {
    // Draws only when the fault is on, so that switching one on does not shift the others' choices.
    if (probability === 0 || this.#random() >= probability) return false;
    this.#count(fault);
    return true;
  }

  #count(fault: DiskFault): void {
    this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1);
  }
}
