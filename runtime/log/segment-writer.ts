/**
 * Writes a log directory: one write per batch, each durable when `write` returns.
 *
 * Synchronous over the Disk port: it runs on a thread of its own in production (segment-worker.ts) and in-process in
 * the simulator (inline-log.ts).
 *
 * Invariants: one write at a time, so a frame's watermark is simply what was durable before its batch. Every opening
 * begins a segment under an epoch of its own. A segment gets its name only when its header, and the tail copied into
 * it, are on the device. After any failed write nothing more is written. The file is zero-filled ahead of the
 * records (the *runway*): overwriting allocated blocks costs one device flush where growing a file costs more, and a
 * full disk shows while there is still room.
 */

import assert from 'node:assert/strict';
import { type Disk, type DiskFile, diskErrorCode, writeFully } from '../platform/disk.ts';
import { failed } from './errors.ts';
import type { Position } from './log.ts';
import { recover } from './recover.ts';
import {
  encodeFrame,
  encodeSegmentHeader,
  type FrameBuffer,
  frameBuffer,
  frameBytes,
  KIND_MARK,
  KIND_RECORD,
  RECORD_BYTES_MAX,
  SEGMENT_HEADER_BYTES,
  segmentName,
  UNPUBLISHED_NAME,
} from './segment-format.ts';

export interface SegmentSettings {
  readonly directory: string;
  readonly partition: number;
  /** A new segment begins when the next write would go past this; one larger write gets a segment for itself. */
  readonly segmentBytes: number;
  /** How far to zero-fill ahead of the records; also what is left to write when the disk is found full. */
  readonly runwayBytes: number;
  /** 16 random bytes, drawn for this opening. */
  readonly opening: Uint8Array;
}

/** One zero-filling write; an append waits for at most one of them. */
const SLICE_BYTES = 256 * 1024;
/** Written with the header of a fresh segment, so that the first appends do not grow the file. */
const FIRST_RUNWAY_BYTES = 16 * 1024;
/** The staging buffer grows by doubling up to here; what is larger gets a buffer for once. */
const STAGING_BYTES_MAX = 1024 * 1024;
const STAGING_BYTES_MIN = 16 * 1024;
const NO_BYTES = new Uint8Array(0);
const SLICE_OF_ZEROS = new Uint8Array(SLICE_BYTES);
const OUT_OF_SPACE: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT']);

/** A file and how far it is allocated, with zeros past the records. */
interface Runway {
  readonly file: DiskFile;
  allocated: number;
}

export class SegmentWriter {
  readonly epoch: number;
  readonly #disk: Disk;
  readonly #settings: SegmentSettings;
  #staging = frameBuffer(STAGING_BYTES_MIN);
  #number: number;
  #durable: Position;
  #current: Runway | undefined;
  #seed = 0;
  /** Where the next frame goes. */
  #offset = 0;
  /** The segment after the current one, zero-filled under no name yet. */
  #next: Runway | undefined;
  #filling = true;
  #spaceLow = false;
  /** The durable position that a mark on disk, or the header, states. */
  #marked: Position;
  #isFailed = false;

  /** Recovers the log and begins a fresh segment. Throws `HF_LOG_DAMAGED`, `HF_LOG_VERSION`, `HF_LOG_FAILED`. */
  constructor(disk: Disk, settings: SegmentSettings) {
    this.#disk = disk;
    this.#settings = settings;
    const { directory, partition } = settings;
    try {
      disk.makeDirectory(directory);
      const recovery = recover(disk, directory, partition);
      if (disk.list(directory).includes(UNPUBLISHED_NAME)) disk.remove(this.#path(UNPUBLISHED_NAME));
      this.epoch = recovery.epoch + 1;
      this.#number = recovery.number;
      this.#durable = recovery.durable;
      this.#marked = recovery.durable;
      this.#begin(recovery.tail);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** Position of the last durable record. */
  get durable(): Position {
    return this.#durable;
  }

  /** The disk itself says that everything durable is. */
  get isMarked(): boolean {
    return this.#marked === this.#durable;
  }

  /** The disk was full at the last attempt to fill ahead. */
  get isSpaceLow(): boolean {
    return this.#spaceLow;
  }

  /** Appends `records` with one write. They are durable when it returns; throws `HF_LOG_FAILED`. */
  write(records: readonly Uint8Array[]): void {
    let total = 0;
    for (const record of records) {
      assert(record.length <= RECORD_BYTES_MAX, 'a record is larger than RECORD_BYTES_MAX');
      total += frameBytes(record.length);
    }
    this.#guarded(() => {
      const isEmpty = this.#offset === SEGMENT_HEADER_BYTES;
      if (!isEmpty && this.#offset + total > this.#settings.segmentBytes) this.#begin([]);
      const staging = this.#stagingFor(total);
      this.#encode(records, this.#durable + 1, staging, 0, this.#offset);
      this.#put(staging.bytes.subarray(0, total));
      this.#offset += total;
      this.#durable += records.length;
    });
  }

  /**
   * States on disk that everything is durable, for when no next record does so soon: without it, rot in the very
   * last write could not be told from a torn one.
   */
  mark(): void {
    if (this.isMarked) return;
    this.#guarded(() => {
      const length = encodeFrame(
        this.#staging,
        0,
        this.#seed,
        this.#offset,
        KIND_MARK,
        this.#durable + 1,
        0,
        NO_BYTES,
      );
      this.#put(this.#staging.bytes.subarray(0, length));
      this.#marked = this.#durable;
    });
  }

  /**
   * Fills ahead by one slice, if due; whether more is. While records wait (`busy`), only when the runway is
   * nearly used up.
   */
  prepare(busy: boolean): boolean {
    const { runwayBytes } = this.#settings;
    const left = this.#runwayLeft();
    if (left >= runwayBytes) this.#filling = false;
    // In bouts, from half empty to full: a slice per append would double the flushes.
    else if (left < runwayBytes / 2) this.#filling = true;
    if (!this.#filling || (busy && left >= runwayBytes / 4)) return false;
    this.#guarded(() => {
      try {
        this.#fillSlice(runwayBytes - left);
        this.#spaceLow = false;
      } catch (error) {
        if (!OUT_OF_SPACE.has(diskErrorCode(error))) throw error;
        this.#spaceLow = true;
      }
    });
    return !this.#spaceLow;
  }

  /** Leaves the zeros behind the records and the prepared segment to the file system again. */
  close(): void {
    if (this.#current === undefined) return;
    if (!this.#isFailed) {
      this.mark();
      const end = this.#offset + frameBytes(0);
      this.#guarded(() => {
        this.#current?.file.truncate(end);
        if (this.#next !== undefined) this.#disk.remove(this.#path(UNPUBLISHED_NAME));
      });
    }
    this.#current.file.close();
    this.#next?.file.close();
    this.#current = undefined;
    this.#next = undefined;
  }

  #path(name: string): string {
    return `${this.#settings.directory}/${name}`;
  }

  /** Publishes the segment after the current one and turns to it; `tail` are recovered records it begins with. */
  #begin(tail: readonly Uint8Array[]): void {
    const first = this.#durable + 1;
    const { partition, opening, directory } = this.#settings;
    this.#durable += tail.length;
    this.#number += 1;
    const { bytes: header, seed } = encodeSegmentHeader({
      partition,
      opening,
      number: this.#number,
      epoch: this.epoch,
      first,
      durable: this.#durable,
    });
    const end = tail.reduce((sum, record) => sum + frameBytes(record.length), SEGMENT_HEADER_BYTES);
    const runway = this.#next ?? this.#create();
    this.#next = undefined;
    const start = frameBuffer(Math.max(end, runway.allocated === 0 ? FIRST_RUNWAY_BYTES : 0));
    start.bytes.set(header);
    this.#seed = seed;
    this.#encode(tail, first, start, SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES);
    writeFully(runway.file, start.bytes, 0);
    runway.allocated = Math.max(runway.allocated, start.bytes.length);
    this.#disk.rename(this.#path(UNPUBLISHED_NAME), this.#path(segmentName(this.#number)));
    this.#disk.syncDirectory(directory);
    this.#current?.file.close();
    this.#current = runway;
    this.#offset = end;
    this.#marked = this.#durable;
  }

  #create(): Runway {
    return { file: this.#disk.open(this.#path(UNPUBLISHED_NAME), 'createDurable'), allocated: 0 };
  }

  #stagingFor(total: number): FrameBuffer {
    if (total > STAGING_BYTES_MAX) return frameBuffer(total);
    if (total > this.#staging.bytes.length) {
      let size = this.#staging.bytes.length;
      while (size < total) size *= 2;
      this.#staging = frameBuffer(size);
    }
    return this.#staging;
  }

  /** Encodes records at `at` of a buffer, to be written at `offset` in one write or before the segment is named. */
  #encode(
    records: readonly Uint8Array[],
    first: Position,
    into: FrameBuffer,
    at: number,
    offset: number,
  ): void {
    let done = 0;
    let ordinal = 0;
    for (const record of records) {
      const position = first + ordinal;
      done += encodeFrame(into, at + done, this.#seed, offset + done, KIND_RECORD, position, ordinal, record);
      ordinal += 1;
    }
  }

  /** Writes at the current end. */
  #put(bytes: Uint8Array): void {
    const current = this.#open();
    writeFully(current.file, bytes, this.#offset);
    current.allocated = Math.max(current.allocated, this.#offset + bytes.length);
  }

  #open(): Runway {
    assert(this.#current !== undefined, 'the segment writer is closed');
    return this.#current;
  }

  #runwayLeft(): number {
    const inNext = this.#next === undefined ? 0 : Math.max(0, this.#next.allocated - SEGMENT_HEADER_BYTES);
    return this.#open().allocated - this.#offset + inNext;
  }

  /** Zeros in the current segment up to its nominal size, then in the next one. */
  #fillSlice(missing: number): void {
    const current = this.#open();
    const room = this.#settings.segmentBytes - current.allocated;
    if (room <= 0) this.#next ??= this.#create();
    const target = room > 0 ? current : this.#next;
    assert(target !== undefined);
    const length = Math.min(SLICE_BYTES, missing, room > 0 ? room : SLICE_BYTES);
    writeFully(target.file, SLICE_OF_ZEROS.subarray(0, length), target.allocated);
    target.allocated += length;
  }

  #guarded(act: () => void): void {
    assert(!this.#isFailed, 'the segment writer has failed');
    try {
      act();
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** A device error becomes the coded one; anything else passes. */
  #fail(error: unknown): unknown {
    this.#isFailed = true;
    return diskErrorCode(error) === undefined ? error : failed(error);
  }
}
