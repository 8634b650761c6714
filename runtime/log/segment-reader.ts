/**
 * Reads one segment file: its header, its records in order, and what stands behind the place where they stop.
 * Reads in chunks; memory is bounded by the chunk and the largest record. Judges nothing: recover.ts does.
 */

import assert from 'node:assert/strict';
import { type Disk, type DiskFile, diskErrorCode, readFully } from '../platform/disk.ts';
import { damaged } from './errors.ts';
import type { Position } from './log.ts';
import {
  decodeFrame,
  decodeSegmentHeader,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  FRAME_MAGIC_OFFSET,
  type Frame,
  frameBytes,
  type HeaderResult,
  KIND_MARK,
  KIND_RECORD,
  payloadIsValid,
  RECORD_BYTES_MAX,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
} from './segment-format.ts';

const CHUNK_BYTES = 1024 * 1024;

export interface Segment {
  readonly path: string;
  readonly header: SegmentHeader;
  readonly seed: number;
}

export interface Place {
  readonly position: Position;
  readonly offset: number;
}

/** A record; `payload` is valid until the next one is asked for. */
export interface RecordView extends Place {
  readonly payload: Uint8Array;
  readonly watermark: Position;
}

/** Why a segment's records stop, and the place where the next one would stand. */
export interface Stop extends Place {
  /** `limit`: the last wanted record was read. `absent`: no valid record. `foreign`: a valid frame that is wrong here. */
  readonly reason: 'limit' | 'absent' | 'foreign';
}

/** What stands from a stop to the end of the file. */
export interface Remainder {
  /** The highest watermark that a valid frame states; -1 without any. */
  readonly watermark: Position;
  /** Nothing but zeros and at most a mark. */
  readonly clean: boolean;
}

/** A sliding window over a file; turns a read error into a coded one that names the place. */
class Window {
  readonly #file: DiskFile;
  readonly #path: string;
  #bytes: Uint8Array<ArrayBuffer>;
  view: DataView;
  #start = 0;
  #length = 0;

  constructor(file: DiskFile, path: string, chunkBytes = CHUNK_BYTES) {
    this.#file = file;
    this.#path = path;
    this.#bytes = new Uint8Array(chunkBytes);
    this.view = new DataView(this.#bytes.buffer);
  }

  /** How much is read at once; what was loaded is shorter only at the end of the file. */
  get chunkBytes(): number {
    return this.#bytes.length;
  }

  /** The loaded bytes and where `offset` is in them; at least `length` bytes follow unless the file ends. */
  load(offset: number, length: number): { readonly bytes: Uint8Array; readonly at: number } {
    if (offset < this.#start || offset + length > this.#start + this.#length) {
      if (length > this.#bytes.length) {
        this.#bytes = new Uint8Array(length);
        this.view = new DataView(this.#bytes.buffer);
      }
      this.#length = this.#read(offset, length);
      this.#start = offset;
    }
    return { bytes: this.#bytes.subarray(0, this.#length), at: offset - this.#start };
  }

  /** A chunk; where the device fails within it, no more than was asked for, so that the failure has its place. */
  #read(offset: number, length: number): number {
    for (const into of [this.#bytes, this.#bytes.subarray(0, length)]) {
      try {
        return readFully(this.#file, into, offset);
      } catch (error) {
        const code = diskErrorCode(error);
        if (code === undefined) throw error;
        if (into.length === length)
          throw damaged(this.#path, offset, `the device does not read it (${code})`, error);
      }
    }
    throw new assert.AssertionError({ message: 'a window is as long as what is asked of it' });
  }
}

export function readHeader(disk: Disk, path: string): HeaderResult {
  const file = disk.open(path, 'read');
  try {
    return decodeSegmentHeader(
      new Window(file, path, SEGMENT_HEADER_BYTES).load(0, SEGMENT_HEADER_BYTES).bytes,
    );
  } finally {
    file.close();
  }
}

/** The segment's records up to position `limit`, in order, all or those `from` a place on; then where they stop. */
export function* readRecords(
  disk: Disk,
  segment: Segment,
  limit: Position,
  from: Place = { position: segment.header.first, offset: SEGMENT_HEADER_BYTES },
): Generator<RecordView, Stop> {
  const file = disk.open(segment.path, 'read');
  try {
    const window = new Window(file, segment.path, chunkBytesFor(file));
    let { position, offset } = from;
    for (; position <= limit; position++) {
      const head = window.load(offset, FRAME_HEADER_BYTES);
      const frame = decodeFrame(head.bytes, window.view, head.at, segment.seed, offset);
      if (frame === undefined) return { reason: 'absent', position, offset };
      if (isForeign(frame, position)) return { reason: 'foreign', position, offset };
      if (frame.kind === KIND_MARK) return { reason: 'absent', position, offset };
      const { bytes, at } = window.load(offset, FRAME_HEADER_BYTES + frame.length);
      const start = at + FRAME_HEADER_BYTES;
      const payload = bytes.subarray(start, start + frame.length);
      if (!payloadIsValid(frame, payload)) return { reason: 'absent', position, offset };
      yield { position, offset, payload, watermark: frame.watermark };
      offset += frameBytes(frame.length);
    }
    return { reason: 'limit', position, offset };
  } finally {
    file.close();
  }
}

const isForeign = (frame: Frame, position: Position): boolean =>
  frame.position !== position ||
  frame.length > RECORD_BYTES_MAX ||
  (frame.kind !== KIND_RECORD && frame.kind !== KIND_MARK);

/**
 * Looks at everything from a stop on. A valid header counts even where its payload does not: it proves what had
 * been durable when it was written.
 */
export function readRemainder(disk: Disk, segment: Segment, from: number): Remainder {
  const file = disk.open(segment.path, 'read');
  try {
    const window = new Window(file, segment.path, chunkBytesFor(file));
    let watermark = -1;
    let clean = true;
    let markEnd = from;
    let start = from;
    for (;;) {
      const chunk = window.load(start, FRAME_HEADER_BYTES).bytes;
      for (const { frame, offset } of framesIn(chunk, window.view, segment.seed, start)) {
        watermark = Math.max(watermark, frame.watermark);
        if (offset === from && frame.kind === KIND_MARK) markEnd = from + frameBytes(0);
      }
      clean &&= isZero(chunk.subarray(Math.max(0, markEnd - start)));
      if (chunk.length < window.chunkBytes) return { watermark, clean };
      // Chunks overlap by a header, so that none is missed on a seam.
      start += chunk.length - frameBytes(0);
    }
  } finally {
    file.close();
  }
}

/** No larger than a small file needs; a multiple of 8, larger than a header. */
const chunkBytesFor = (file: DiskFile): number =>
  Math.min(CHUNK_BYTES, Math.max(SEGMENT_HEADER_BYTES, (file.size() + 8) & ~7));

/** Every valid frame header in `chunk`, which was read from `start` of the segment. */
function* framesIn(chunk: Uint8Array, view: DataView, seed: number, start: number) {
  const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  let found = buffer.indexOf(FRAME_MAGIC, FRAME_MAGIC_OFFSET);
  for (; found !== -1; found = buffer.indexOf(FRAME_MAGIC, found + 1)) {
    const at = found - FRAME_MAGIC_OFFSET;
    if ((start + at) % 8 !== 0) continue;
    const frame = decodeFrame(chunk, view, at, seed, start + at);
    if (frame !== undefined) yield { frame, offset: start + at };
  }
}

const ZEROS = Buffer.alloc(64 * 1024);

function isZero(bytes: Uint8Array): boolean {
  for (let start = 0; start < bytes.length; start += ZEROS.length) {
    const end = Math.min(start + ZEROS.length, bytes.length);
    if (ZEROS.compare(bytes, start, end, 0, end - start) !== 0) return false;
  }
  return true;
}
