import { expect, test } from 'vitest';
import { SimDisk } from '../../test/sim/disk.ts';
import type { Disk, DiskFile } from '../platform/disk.ts';
import { segmentName, UNPUBLISHED_NAME } from './segment-format.ts';
import { SegmentWriter } from './segment-writer.ts';
import { seeded } from './testing/seeded.ts';

const KIB = 1024;

/** A writer, and the sizes of the writes that reach its files. */
function scene(segmentBytes = 64 * KIB, runwayBytes = 32 * KIB) {
  const disk = new SimDisk(seeded(1));
  const writes: number[] = [];
  const recording: Disk = {
    makeDirectory: () => undefined,
    list: directory => disk.list(directory),
    open: (path, mode) => {
      const file = disk.open(path, mode);
      const writeAt: DiskFile['writeAt'] = (bytes, offset) => {
        writes.push(bytes.length);
        return file.writeAt(bytes, offset);
      };
      return { ...file, writeAt };
    },
    rename: (from, to) => disk.rename(from, to),
    remove: path => disk.remove(path),
    syncDirectory: () => disk.syncDirectory(),
  };
  const writer = new SegmentWriter(recording, {
    directory: 'log',
    partition: 0,
    segmentBytes,
    runwayBytes,
    opening: new Uint8Array(16),
  });
  writes.length = 0;
  return { disk, writes, writer };
}

const fill = (writer: SegmentWriter): void => {
  while (writer.prepare(false));
};

test('a batch is one write; filling ahead comes in bouts, from half empty to full', () => {
  const { writer, writes } = scene();
  fill(writer);
  writes.length = 0;
  writer.write([new Uint8Array(100), new Uint8Array(200), new Uint8Array(300)]);
  expect(writes).toEqual([128 + 232 + 328]);
  expect(writer.prepare(false)).toBe(false);
  writer.write([new Uint8Array(17 * KIB)]);
  expect(writer.prepare(true)).toBe(false);
  fill(writer);
  expect(writes.length).toBe(3);
});

test('the next segment is filled before it is needed, and begun without growing it', () => {
  const { disk, writer, writes } = scene();
  for (let index = 0; index < 3; index++) {
    writer.write([new Uint8Array(19 * KIB)]);
    fill(writer);
  }
  expect(disk.list('log')).toEqual([segmentName(1), UNPUBLISHED_NAME]);
  const before = disk.contentOf(`log/${UNPUBLISHED_NAME}`).length;
  writes.length = 0;
  writer.write([new Uint8Array(19 * KIB)]);
  expect(writes.length).toBe(2);
  expect(disk.list('log')).toEqual([segmentName(1), segmentName(2)]);
  expect(disk.contentOf(`log/${segmentName(2)}`).length).toBe(before);
});

test('a full disk shows while half the runway is left; space that comes back is used; used up is a failure', () => {
  const { disk, writer } = scene();
  fill(writer);
  disk.faults.capacityBytes = 36 * KIB;
  writer.write([new Uint8Array(17 * KIB)]);
  fill(writer);
  expect(writer.isSpaceLow).toBe(true);
  writer.write([new Uint8Array(KIB)]);
  disk.heal();
  fill(writer);
  expect(writer.isSpaceLow).toBe(false);
  disk.faults.capacityBytes = 0;
  let written = 0;
  const writeOn = () => {
    for (;;) {
      writer.write([new Uint8Array(KIB)]);
      written += 1;
    }
  };
  expect(writeOn).toThrow(expect.objectContaining({ code: 'HF_LOG_FAILED' }));
  expect(written).toBeGreaterThan(20);
  expect(() => writer.write([new Uint8Array(1)])).toThrow('has failed');
});

test('a closed log keeps no zeros', () => {
  const { disk, writer } = scene();
  writer.write([new Uint8Array(100)]);
  fill(writer);
  writer.close();
  expect(disk.list('log')).toEqual([segmentName(1)]);
  expect(disk.contentOf(`log/${segmentName(1)}`).length).toBe(4096 + 128 + 32);
});
