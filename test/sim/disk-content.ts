/** What a file of the simulated disk holds: bytes as a read sees them, and as the device has them. */

export const SECTOR_BYTES = 512;

/** Bytes that grow. */
export class Content {
  bytes = new Uint8Array(0);
  size = 0;

  resize(size: number): void {
    if (size > this.bytes.length) {
      const grown = new Uint8Array(Math.max(size, this.bytes.length * 2));
      grown.set(this.bytes.subarray(0, this.size));
      this.bytes = grown;
    } else {
      this.bytes.fill(0, size, Math.max(size, this.size));
    }
    this.size = size;
  }

  write(bytes: Uint8Array, offset: number): void {
    if (offset + bytes.length > this.size) this.resize(offset + bytes.length);
    this.bytes.set(bytes, offset);
  }

  copyFrom(other: Content): void {
    this.bytes = other.bytes.slice(0, other.size);
    this.size = other.size;
  }
}

export class Inode {
  readonly seen = new Content();
  readonly device = new Content();
  /** Sectors where the two may differ. */
  readonly dirty = new Set<number>();
  /** Offsets the device does not read any more. */
  readonly unreadable = new Set<number>();

  markDirty(offset: number, length: number): void {
    const last = Math.floor((offset + Math.max(length, 1) - 1) / SECTOR_BYTES);
    for (let sector = Math.floor(offset / SECTOR_BYTES); sector <= last; sector++) this.dirty.add(sector);
  }
}
