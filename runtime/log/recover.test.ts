import { expect, test } from 'vitest';
import { SimDisk } from '../../test/sim/disk.ts';
import { readLog, recover } from './recover.ts';
import {
  decodeSegmentHeader,
  encodeFrame,
  encodeSegmentHeader,
  frameBuffer,
  frameBytes,
  headerSeed,
  KIND_RECORD,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
} from './segment-format.ts';
import { SegmentWriter } from './segment-writer.ts';
import { seeded } from './testing/seeded.ts';

const DIRECTORY = 'log';
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A log directory to be spoiled. Records are one letter, so frame n of a segment stands at `frameAt(n)`. */
class Scene {
  readonly disk = new SimDisk(seeded(7));
  #openings = 0;

  /** One opening that writes each string as one batch of one-letter records, then dies. */
  life(...batches: string[]): SegmentWriter {
    this.#openings += 1;
    const writer = new SegmentWriter(this.disk, {
      directory: DIRECTORY,
      partition: 3,
      segmentBytes: 8192,
      runwayBytes: 4096,
      opening: new Uint8Array(16).fill(this.#openings),
    });
    for (const batch of batches) writer.write([...batch].map(letter => encoder.encode(letter)));
    return writer;
  }

  edit(number: number, change: (bytes: Uint8Array) => Uint8Array | undefined): void {
    const bytes = this.disk.contentOf(pathOf(number));
    this.disk.plant(pathOf(number), change(bytes) ?? bytes);
  }

  /** Flips a bit. */
  smash(number: number, offset: number): void {
    this.disk.rot(pathOf(number), offset);
  }

  editHeader(number: number, change: Partial<SegmentHeader>): void {
    this.edit(number, bytes => {
      const result = decodeSegmentHeader(bytes);
      if (result.status !== 'valid') throw new Error('the header to be edited is not valid');
      bytes.set(encodeSegmentHeader({ ...result.header, ...change }).bytes);
      return bytes;
    });
  }

  putFrame(number: number, frame: number, position: number, letter: string, seed?: number): void {
    this.edit(number, bytes => {
      const result = decodeSegmentHeader(bytes);
      if (result.status !== 'valid') throw new Error('the header is not valid');
      const buffer = frameBuffer(FRAME);
      const payload = encoder.encode(letter);
      encodeFrame(buffer, 0, seed ?? result.seed, frameAt(frame), KIND_RECORD, position, 0, payload);
      bytes.set(buffer.bytes, frameAt(frame));
      return bytes;
    });
  }

  verdict(): string {
    try {
      const { durable, tail, torn } = recover(this.disk, DIRECTORY, 3);
      const texts = [...readLog(this.disk, DIRECTORY, 3, 1, durable)].map(({ bytes }) =>
        decoder.decode(bytes),
      );
      const unproven = tail.map(bytes => decoder.decode(bytes));
      return `${texts.join('')}|${unproven.join('')}${torn ? ' torn' : ''}`;
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error)) throw error;
      const place = /^log\/0*(\d+)\.segment is damaged at byte (\d+)/.exec(error.message);
      return `${error.code} ${place === null ? '' : `${place[1]}@${place[2]}`}`.trim();
    }
  }
}

const FRAME = frameBytes(1);
const frameAt = (index: number): number => SEGMENT_HEADER_BYTES + index * FRAME;
const payloadAt = (index: number): number => frameAt(index) + 28;
const pathOf = (number: number): string => `${DIRECTORY}/${segmentName(number)}`;
const damagedAt = (number: number, offset: number): string => `HF_LOG_DAMAGED ${number}@${offset}`;

/** Row of the table in recover.ts, what happened, and "known durable|tail" or the error. */
const rows: readonly (readonly [
  row: string,
  story: string,
  tell: (scene: Scene) => void,
  verdict: string,
])[] = [
  ['N1', 'an empty directory', () => undefined, '|'],
  ['N2', 'a segment without a name', s => s.disk.plant('log/next.unpublished', encoder.encode('junk')), '|'],
  [
    'N3',
    'the first file is gone',
    s => [s.life('a'), s.life('b'), s.disk.remove(pathOf(1))],
    damagedAt(1, 0),
  ],
  [
    'N3',
    'a middle file is gone',
    s => [s.life('a'), s.life('b'), s.life('c'), s.disk.remove(pathOf(2))],
    damagedAt(2, 0),
  ],
  ['H1', 'rot in a header', s => [s.life('a'), s.smash(1, 33)], damagedAt(1, 0)],
  ['H1', 'rot in the magic', s => [s.life('a'), s.smash(1, 0)], damagedAt(1, 0)],
  [
    'H1',
    'a file cut inside its header',
    s => [s.life('a'), s.edit(1, b => b.subarray(0, 100))],
    damagedAt(1, 0),
  ],
  ['H2', 'a newer format', s => [s.life('a'), s.edit(1, asVersion2)], 'HF_LOG_VERSION'],
  ['H3', "another partition's file", s => [s.life('a'), s.editHeader(1, { partition: 4 })], damagedAt(1, 0)],
  ['H3', 'a file under another number', s => [s.life('a'), s.editHeader(1, { number: 2 })], damagedAt(1, 0)],
  [
    'H4',
    'an epoch that goes back',
    s => [s.life('a'), s.life('b'), s.editHeader(2, { epoch: 0 })],
    damagedAt(2, 0),
  ],
  [
    'H4',
    'a first position that nothing leads to',
    s => [s.life('a'), s.editHeader(1, { first: 9, durable: 8 })],
    damagedAt(1, 0),
  ],
  ['R1', 'two writes; only the first is known to be durable', s => s.life('a', 'b'), 'a|b'],
  ['R1', 'three writes, one of several records', s => s.life('a', 'bcd', 'ef'), 'abcd|ef'],
  ['R2', 'the tail is read where it was copied to', s => [s.life('a', 'bc'), s.life('d')], 'abc|d'],
  [
    'R2',
    'what was cut does not come back',
    s => [s.life('a', 'bc'), s.smash(1, payloadAt(2)), s.life('d', 'e'), s.smash(1, payloadAt(2))],
    'abd|e',
  ],
  [
    'R3',
    'a valid frame of another position',
    s => [s.life('a', 'b'), s.putFrame(1, 1, 7, 'x')],
    damagedAt(1, frameAt(1)),
  ],
  [
    'R4',
    'rot in an older segment',
    s => [s.life('a', 'b'), s.life('c'), s.smash(1, payloadAt(0))],
    damagedAt(1, frameAt(0)),
  ],
  [
    'R5',
    'rot in a copied tail',
    s => [s.life('a'), s.life(), s.smash(2, payloadAt(0))],
    damagedAt(2, frameAt(0)),
  ],
  [
    'R6',
    'rot before the last write',
    s => [s.life('a', 'b', 'c'), s.smash(1, payloadAt(1))],
    damagedAt(1, frameAt(1)),
  ],
  [
    'R6',
    'rot in a length',
    s => [s.life('a', 'b', 'c'), s.smash(1, frameAt(0) + 8)],
    damagedAt(1, frameAt(0)),
  ],
  [
    'R6',
    'a lost write before the last one',
    s => [s.life('a', 'b', 'c'), s.edit(1, zero(1))],
    damagedAt(1, frameAt(1)),
  ],
  [
    'R6',
    'a later header is proof even where its payload is torn',
    s => [s.life('a', 'b', 'c'), s.smash(1, payloadAt(1)), s.smash(1, payloadAt(2))],
    damagedAt(1, frameAt(1)),
  ],
  [
    'R6',
    'rot in the last write, marked',
    s => [s.life('a', 'b').mark(), s.smash(1, payloadAt(1))],
    damagedAt(1, frameAt(1)),
  ],
  [
    'R6',
    'a closed log cut short',
    s => [s.life('a', 'b').close(), s.edit(1, zero(1))],
    damagedAt(1, frameAt(1)),
  ],
  ['R7', 'a torn last write', s => [s.life('a', 'b'), s.smash(1, payloadAt(1))], 'a| torn'],
  ['R7', 'a write torn in the middle', s => [s.life('a', 'bcd'), s.smash(1, payloadAt(2))], 'a|b torn'],
  ['R7', 'a torn first write', s => [s.life('abc'), s.smash(1, frameAt(0))], '| torn'],
  [
    'R7',
    "another segment's frame, at the right place",
    s => [s.life('a', 'b'), s.putFrame(1, 1, 2, 'x', 12345)],
    '|a torn',
  ],
  ['R8', 'zeros', s => [s.life('a', 'b'), s.edit(1, zero(1))], '|a'],
  ['R8', 'the end of the file', s => [s.life('a', 'b'), s.edit(1, b => b.slice(0, frameAt(2)))], 'a|b'],
  ['R8', 'a mark', s => s.life('a', 'b').mark(), 'ab|'],
  ['R8', 'a mark, then another write over it', s => [s.life('a', 'b'), s.life().mark()], 'ab|'],
  ['R8', 'closed', s => s.life('a', 'b').close(), 'ab|'],
  [
    'D1',
    'an unreadable place',
    s => [s.life('a', 'b'), s.disk.makeUnreadable(pathOf(1), frameAt(1))],
    damagedAt(1, frameAt(1)),
  ],
];

const zero = (frame: number) => (bytes: Uint8Array) => bytes.fill(0, frameAt(frame), frameAt(frame + 1));

function asVersion2(bytes: Uint8Array): Uint8Array {
  const { view, bytes: copy } = frameBuffer(bytes.length);
  copy.set(bytes);
  view.setUint32(8, 2, true);
  view.setUint32(12, headerSeed(copy), true);
  return copy;
}

test.for(rows)('%s: %s', ([, , tell, verdict]) => {
  const scene = new Scene();
  tell(scene);
  expect(scene.verdict()).toBe(verdict);
});

test('recovery changes nothing when it finds damage', () => {
  const scene = new Scene();
  scene.life('a', 'b', 'c');
  scene.smash(1, payloadAt(1));
  const before = scene.disk.contentOf(pathOf(1));
  expect(() => scene.life()).toThrow(expect.objectContaining({ code: 'HF_LOG_DAMAGED' }));
  expect(scene.disk.list(DIRECTORY)).toEqual([segmentName(1)]);
  expect(scene.disk.contentOf(pathOf(1))).toEqual(before);
});
