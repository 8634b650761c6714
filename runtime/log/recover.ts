/**
 * What a log directory means after a crash: where the log ends, or that it is damaged.
 *
 * A checksum alone cannot tell a torn tail, which a crash leaves and which is cut, from rot in the middle, which
 * must never be cut. The difference is what else is there: every frame states a *watermark*, the last position that
 * was durable when it was written, every segment header states one (`durable`), and a segment is only begun when
 * all before its `first` position is durable. Below any of them, a missing record is damage.
 *
 * The truth table. p is the position that comes next, o where its frame should stand.
 *
 * | row | what is found                                                                  | verdict              |
 * | --- | ------------------------------------------------------------------------------ | -------------------- |
 * | N1  | no segment                                                                     | a new log            |
 * | N2  | a file without its name yet (`next.unpublished`)                               | ignored, removed     |
 * | N3  | a number is missing between 1 and the newest                                   | damaged: that file   |
 * | H1  | a header that is not valid: it was durable before the file got its name        | damaged at 0         |
 * | H2  | a valid header of a newer format                                               | HF_LOG_VERSION       |
 * | H3  | a header of another partition or number: misplaced file or write               | damaged at 0         |
 * | H4  | epoch, `first` or `durable` goes backwards, or does not begin at 1             | damaged at 0         |
 * | R1  | a valid record p at o                                                          | taken                |
 * | R2  | p is the next segment's `first`: whatever follows was cut or copied there      | on to the next       |
 * | R3  | a valid frame at o that is not p                                               | damaged at o         |
 * | R4  | no valid record, p is below the next segment's `first`                         | damaged at o         |
 * | R5  | newest segment, no valid record, p is at or below its header's `durable`       | damaged at o         |
 * | R6  | newest segment, no valid record, a later frame states a watermark of p or more | damaged at o         |
 * | R7  | newest segment, none of the above, bytes that are not zero                     | torn: cut before p   |
 * | R8  | newest segment, none of the above, zeros, at most a mark                       | the end: p - 1       |
 * | D1  | the device does not read some place                                            | damaged there        |
 *
 * R7 keeps the records of a torn write that precede p: nobody was told about them, they may exist or not.
 *
 * Invariants: L2. No segment is ever written after its process died: the log goes on in a fresh segment, so bytes
 * behind a cut are never reached again (R2). The records above the highest watermark (the *tail*) may be in the
 * page cache and not on the device, if the predecessor died of a failed write; they are copied to the fresh segment
 * before anybody acts on them. The fresh segment gets its name after they are durable there, or R2 would drop them.
 */

import assert from 'node:assert/strict';
import type { Disk } from '../platform/disk.ts';
import { damaged, unknownVersion } from './errors.ts';
import type { LogRecord, Position } from './log.ts';
import { SEGMENT_HEADER_BYTES, segmentName, segmentNumber } from './segment-format.ts';
import {
  type Place,
  readHeader,
  readRecords,
  readRemainder,
  type Segment,
  type Stop,
} from './segment-reader.ts';

export interface Recovery {
  /** Of the newest opening; 0 for a new log. */
  readonly epoch: number;
  /** Of the newest segment; 0 for a new log. */
  readonly number: number;
  /** Everything up to here is known to be on the device. */
  readonly durable: Position;
  /** The records after `durable`. */
  readonly tail: readonly Uint8Array[];
  /** Whether something was cut. */
  readonly torn: boolean;
}

/**
 * Finds the end of the log in `directory`. Reads all headers and the newest segment; the records of older ones are
 * verified when they are read. Changes nothing. Throws `HF_LOG_DAMAGED`, `HF_LOG_VERSION`.
 */
export function recover(disk: Disk, directory: string, partition: number): Recovery {
  const newest = listSegments(disk, directory, partition).at(-1);
  if (newest === undefined) return { epoch: 0, number: 0, durable: 0, tail: [], torn: false }; // N1

  let durable = newest.header.durable;
  // Where the newest write begins; what precedes it was durable when it was made.
  let write: Place = { position: newest.header.first, offset: SEGMENT_HEADER_BYTES };
  const records = readRecords(disk, newest, Number.MAX_SAFE_INTEGER);
  let next = records.next();
  for (; next.done !== true; next = records.next()) {
    const { position, offset, watermark } = next.value; // R1
    durable = Math.max(durable, watermark);
    if (position === watermark + 1) write = { position, offset };
  }
  const { torn, watermark } = judgeEnd(disk, newest, next.value);
  durable = Math.max(durable, watermark);
  const end = next.value.position - 1;
  const tail = durable < end ? copyRecords(disk, newest, end, write) : [];
  assert(durable + tail.length === end, 'the tail is the newest write');
  const { epoch, number } = newest.header;
  return { epoch, number, durable, tail, torn };
}

function copyRecords(disk: Disk, segment: Segment, limit: Position, from: Place): readonly Uint8Array[] {
  const copies: Uint8Array[] = [];
  for (const { payload } of readRecords(disk, segment, limit, from)) copies.push(payload.slice());
  return copies;
}

/** Rows R3 and R5 to R8: the newest segment stops at `stop`. */
function judgeEnd(disk: Disk, segment: Segment, stop: Stop) {
  const { path, header } = segment;
  const { position, offset } = stop;
  if (stop.reason === 'foreign') throw damaged(path, offset, `it is not record ${position}`); // R3
  if (position <= header.durable) {
    throw damaged(path, offset, `record ${position} is missing, ${header.durable} was durable`); // R5
  }
  const { watermark, clean } = readRemainder(disk, segment, offset);
  if (watermark >= position) {
    throw damaged(path, offset, `record ${position} is missing, a later one says ${watermark} was durable`); // R6
  }
  return { torn: !clean, watermark }; // R7, R8
}

/**
 * The records from `from` to `through`, which are durable, in order. Verifies every segment it touches; throws
 * `HF_LOG_DAMAGED`.
 */
export function* readLog(
  disk: Disk,
  directory: string,
  partition: number,
  from: Position,
  through: Position,
): Generator<LogRecord> {
  const segments = listSegments(disk, directory, partition);
  for (const [index, segment] of segments.entries()) {
    const successor = segments[index + 1]?.header.first ?? Number.MAX_SAFE_INTEGER;
    if (successor <= from) continue;
    if (segment.header.first > through) return;
    const limit = Math.min(through, successor - 1); // R2
    const records = readRecords(disk, segment, limit);
    let next = records.next();
    for (; next.done !== true; next = records.next()) {
      const { position, payload } = next.value;
      if (position >= from) yield { position, bytes: payload.slice() };
    }
    const { reason, position, offset } = next.value;
    if (reason !== 'limit') {
      throw damaged(segment.path, offset, `record ${position} is missing, ${limit} was durable`); // R3, R4
    }
  }
}

/** The segments in order; rows N2 to H4. */
export function listSegments(disk: Disk, directory: string, partition: number): readonly Segment[] {
  const segments: Segment[] = [];
  for (const name of disk.list(directory)) {
    const number = segmentNumber(name);
    if (number === undefined) continue; // N2, and the lock
    const path = `${directory}/${name}`;
    const expected = segments.length + 1;
    if (number !== expected) {
      throw damaged(`${directory}/${segmentName(expected)}`, 0, 'the file is missing'); // N3
    }
    const result = readHeader(disk, path);
    if (result.status === 'damaged') throw damaged(path, 0, 'the header is not valid'); // H1
    if (result.status === 'unknownVersion') throw unknownVersion(path, result.version); // H2
    const segment = { path, header: result.header, seed: result.seed };
    checkOrder(segment, segments.at(-1), { partition, number });
    segments.push(segment);
  }
  return segments;
}

function checkOrder(
  { path, header }: Segment,
  previous: Segment | undefined,
  expected: { readonly partition: number; readonly number: number },
): void {
  if (header.partition !== expected.partition || header.number !== expected.number) {
    const is = `partition ${header.partition} segment ${header.number}`;
    throw damaged(path, 0, `it is ${is}, not partition ${expected.partition} segment ${expected.number}`); // H3
  }
  const before = previous?.header ?? { epoch: 1, first: 1, durable: 0 };
  const inOrder =
    header.epoch >= before.epoch &&
    header.first >= before.first &&
    header.durable >= before.durable &&
    header.first <= header.durable + 1 &&
    (previous !== undefined || header.first === 1);
  if (!inOrder) throw damaged(path, 0, 'its header does not follow from the one before'); // H4
}
