/**
 * The bytes of a segment file, version 1. All integers are little-endian.
 *
 *   segment  header (4096 bytes, so that no later write touches its page), then frames, 8-byte aligned, then zeros
 *   header   magic[8] version:u32 crc:u32 partition:u32 number:u32 epoch:u64 first:u64 durable:u64 opening[16]
 *   frame    headerCrc:u32 payloadCrc:u32 length:u32 ordinal:u32 position:u64 magic[3] kind:u8 payload zeros
 *
 * `first` is the position of the segment's first record, `durable` the last position that was durable, here or in
 * an earlier segment, before the segment got its name. `ordinal` counts the records of one write from 0, and one
 * write is made at a time, so `position - ordinal - 1` was durable when the frame was written: its *watermark*.
 *
 * A record (kind 1) carries bytes. A mark (kind 2) carries none: it stands where the next record would go and says
 * that everything before its position is durable. The next record overwrites it.
 *
 * Invariants: F1 these bytes decode forever. A frame's checksum is seeded with the checksum of its segment's header
 * (partition, number, epoch, random id of the opening) and its own offset, and covers its position and the
 * checksum of its payload: a frame that is valid where it stands was written there, by the opening that owns the
 * segment, and is not a stale, misdirected or forged one. Its header is valid or not independently of its payload.
 */

import { crc32 } from 'node:zlib';
import type { Position } from './log.ts';

export const FORMAT_VERSION = 1;
export const SEGMENT_HEADER_BYTES = 4096;
export const FRAME_HEADER_BYTES = 28;
/** The most a record may hold; a longer length in a valid frame is a writer's bug. */
export const RECORD_BYTES_MAX = 64 * 1024 * 1024;
export const OPENING_ID_BYTES = 16;

const SEGMENT_MAGIC = Buffer.from('HFSEGLOG', 'latin1');
const SEGMENT_HEADER_USED = 64;
/** Searched for when looking for frames past a damaged one. */
export const FRAME_MAGIC = Buffer.from([0xf7, 0x48, 0x46]);
export const FRAME_MAGIC_OFFSET = 24;
export const KIND_RECORD = 1;
export const KIND_MARK = 2;

export interface SegmentHeader {
  readonly partition: number;
  /** 1 for the first segment of a log; dense. */
  readonly number: number;
  readonly epoch: number;
  readonly first: Position;
  readonly durable: Position;
  /** Random, drawn once per opening. */
  readonly opening: Uint8Array;
}

export interface Frame {
  readonly kind: number;
  readonly length: number;
  readonly position: Position;
  /** Everything up to here was durable when the frame was written. */
  readonly watermark: Position;
  readonly payloadCrc: number;
}

export type HeaderResult =
  | { readonly status: 'valid'; readonly header: SegmentHeader; readonly seed: number }
  | { readonly status: 'damaged' }
  | { readonly status: 'unknownVersion'; readonly version: number };

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const TWO_TO_32 = 0x1_0000_0000;

function setU64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % TWO_TO_32, true);
  view.setUint32(offset + 4, Math.floor(value / TWO_TO_32), true);
}

const getU64 = (view: DataView, offset: number): number =>
  view.getUint32(offset + 4, true) * TWO_TO_32 + view.getUint32(offset, true);

/** A header page, and the seed of the checksums of the segment's frames. */
export function encodeSegmentHeader(header: SegmentHeader): { bytes: Uint8Array; seed: number } {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const view = viewOf(bytes);
  bytes.set(SEGMENT_MAGIC, 0);
  view.setUint32(8, FORMAT_VERSION, true);
  view.setUint32(16, header.partition, true);
  view.setUint32(20, header.number, true);
  setU64(view, 24, header.epoch);
  setU64(view, 32, header.first);
  setU64(view, 40, header.durable);
  bytes.set(header.opening, 48);
  const seed = headerSeed(bytes);
  view.setUint32(12, seed, true);
  return { bytes, seed };
}

/** Covers the used part but for the checksum's own field. */
export const headerSeed = (bytes: Uint8Array): number =>
  crc32(bytes.subarray(16, SEGMENT_HEADER_USED), crc32(bytes.subarray(0, 12)));

export function decodeSegmentHeader(bytes: Uint8Array): HeaderResult {
  if (bytes.length < SEGMENT_HEADER_BYTES) return { status: 'damaged' };
  if (SEGMENT_MAGIC.compare(bytes, 0, SEGMENT_MAGIC.length) !== 0) return { status: 'damaged' };
  const view = viewOf(bytes);
  const version = view.getUint32(8, true);
  const seed = headerSeed(bytes);
  // The layout up to the checksum is the same in every version to come.
  if (view.getUint32(12, true) !== seed) return { status: 'damaged' };
  if (version !== FORMAT_VERSION) return { status: 'unknownVersion', version };
  return {
    status: 'valid',
    seed,
    header: {
      partition: view.getUint32(16, true),
      number: view.getUint32(20, true),
      epoch: getU64(view, 24),
      first: getU64(view, 32),
      durable: getU64(view, 40),
      opening: bytes.slice(48, 48 + OPENING_ID_BYTES),
    },
  };
}

export const frameBytes = (length: number): number => (FRAME_HEADER_BYTES + length + 7) & ~7;

/**
 * Offsets stay below 2^53, the seed has 32 bits. Two offsets in one segment never give the same seed (below
 * 4 GiB), and a CRC with another start value always differs for the same bytes.
 */
const frameSeed = (segmentSeed: number, offset: number): number => (segmentSeed ^ offset) >>> 0;

/** What `encodeFrame` needs of a buffer; both views are over the same bytes. */
export interface FrameBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

export const frameBuffer = (size: number): FrameBuffer => {
  const bytes = new Uint8Array(size);
  return { bytes, view: viewOf(bytes) };
};

/** Writes one frame at `at` of the buffer, which will stand at `offset` of the segment; returns its length. */
export function encodeFrame(
  into: FrameBuffer,
  at: number,
  segmentSeed: number,
  offset: number,
  kind: number,
  position: Position,
  ordinal: number,
  payload: Uint8Array,
): number {
  const { bytes, view } = into;
  const start = at + FRAME_HEADER_BYTES;
  const end = start + payload.length;
  const total = frameBytes(payload.length);
  bytes.set(payload, start);
  bytes.fill(0, end, at + total);
  view.setUint32(at + 4, crc32(bytes.subarray(start, end)), true);
  view.setUint32(at + 8, payload.length, true);
  view.setUint32(at + 12, ordinal, true);
  setU64(view, at + 16, position);
  bytes.set(FRAME_MAGIC, at + FRAME_MAGIC_OFFSET);
  bytes[at + FRAME_MAGIC_OFFSET + 3] = kind;
  view.setUint32(at, crc32(bytes.subarray(at + 4, start), frameSeed(segmentSeed, offset)), true);
  return total;
}

/** The frame whose header stands in `bytes` at `at`, read from `offset` of the segment; undefined if not valid. */
export function decodeFrame(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  segmentSeed: number,
  offset: number,
): Frame | undefined {
  if (at + FRAME_HEADER_BYTES > bytes.length) return undefined;
  const kind = bytes[at + FRAME_MAGIC_OFFSET + 3];
  if (bytes[at + FRAME_MAGIC_OFFSET] !== FRAME_MAGIC[0] || kind === undefined) return undefined;
  const crc = crc32(bytes.subarray(at + 4, at + FRAME_HEADER_BYTES), frameSeed(segmentSeed, offset));
  if (crc !== view.getUint32(at, true)) return undefined;
  const position = getU64(view, at + 16);
  return {
    kind,
    length: view.getUint32(at + 8, true),
    position,
    watermark: position - view.getUint32(at + 12, true) - 1,
    payloadCrc: view.getUint32(at + 4, true),
  };
}

export const payloadIsValid = (frame: Frame, payload: Uint8Array): boolean =>
  payload.length === frame.length && crc32(payload) === frame.payloadCrc;

/** Sorts by number. */
export const segmentName = (number: number): string => `${String(number).padStart(10, '0')}.segment`;

/** A segment without a name yet: removed when found at the start. */
export const UNPUBLISHED_NAME = 'next.unpublished';

export function segmentNumber(name: string): number | undefined {
  const match = /^(\d{10,})\.segment$/.exec(name);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}
