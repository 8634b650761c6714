import { expect, test } from 'vitest';
import { seeded } from '../../runtime/log/testing/seeded.ts';
import { type DiskFault, SimDisk, SimulatedCrash } from './disk.ts';

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
const valuesIn = (content: Uint8Array): ReadonlySet<number> => new Set(content);

/** What happens to 100 sectors of ones over durable zeros. */
function scene(seed: number, mode: 'create' | 'createDurable') {
  const disk = new SimDisk(seeded(seed));
  const file = disk.open('d/f', mode);
  file.writeAt(bytes(51_200, 2), 0);
  file.sync();
  disk.syncDirectory();
  return { disk, file };
}

test('a power loss keeps, drops and tears unsynced sectors; a write to a durable file is whole', () => {
  const buffered = scene(1, 'create');
  buffered.file.writeAt(bytes(51_200, 1), 0);
  buffered.disk.crash();
  expect(valuesIn(buffered.disk.contentOf('d/f'))).toEqual(new Set([1, 2]));
  expect(buffered.disk.counts.get('tornSector')).toBeGreaterThan(0);
  expect(buffered.disk.counts.get('lostSector')).toBeGreaterThan(0);

  const durable = scene(1, 'createDurable');
  durable.file.writeAt(bytes(51_200, 1), 0);
  durable.disk.crash();
  expect(valuesIn(durable.disk.contentOf('d/f'))).toEqual(new Set([1]));
});

test('the death of the process alone loses nothing', () => {
  const { disk, file } = scene(1, 'create');
  file.writeAt(bytes(51_200, 1), 0);
  disk.exit();
  expect(valuesIn(disk.contentOf('d/f'))).toEqual(new Set([1]));
  expect(() => file.writeAt(bytes(1, 1), 0)).toThrow(SimulatedCrash);
});

test('a crash in a durable write applies a part of it', () => {
  const { disk, file } = scene(3, 'createDurable');
  disk.faults.crashInOperations = 1;
  expect(() => file.writeAt(bytes(51_200, 1), 0)).toThrow(SimulatedCrash);
  expect(valuesIn(disk.contentOf('d/f'))).toEqual(new Set([1, 2]));
});

test('names not synced are lost or kept in order', () => {
  const outcomes = new Set<string>();
  for (let seed = 1; seed < 50; seed++) {
    const disk = new SimDisk(seeded(seed));
    disk.open('d/a', 'create');
    disk.rename('d/a', 'd/b');
    disk.crash();
    outcomes.add(disk.list('d').join());
  }
  expect(outcomes).toEqual(new Set(['', 'a', 'b']));
});

test('after a failed write, what is read need not be what the device has', () => {
  let differed = 0;
  for (let seed = 1; seed < 20; seed++) {
    const { disk, file } = scene(seed, 'createDurable');
    disk.faults.writeError = 1;
    expect(() => file.writeAt(bytes(51_200, 1), 0)).toThrow(expect.objectContaining({ code: 'EIO' }));
    const seen = disk.contentOf('d/f');
    disk.crash();
    if (Buffer.compare(seen, disk.contentOf('d/f')) !== 0) differed += 1;
  }
  expect(differed).toBeGreaterThan(10);
});

const faultRows: readonly (readonly [DiskFault, (disk: SimDisk) => unknown])[] = [
  ['shortWrite', disk => [Object.assign(disk.faults, { shortWrite: 1 }), write(disk)]],
  [
    'syncError',
    disk => [Object.assign(disk.faults, { syncError: 1 }), attempt(() => disk.open('d/g', 'create').sync())],
  ],
  ['noSpace', disk => [Object.assign(disk.faults, { capacityBytes: 0 }), write(disk)]],
  ['misdirectedWrite', disk => [Object.assign(disk.faults, { misdirectedWrite: 1 }), write(disk)]],
  ['bitRot', disk => disk.rot('d/f', 5)],
  [
    'readError',
    disk => [disk.makeUnreadable('d/f', 5), attempt(() => disk.open('d/f', 'read').readAt(bytes(9, 0), 0))],
  ],
];

const write = (disk: SimDisk) => attempt(() => disk.open('d/g', 'createDurable').writeAt(bytes(2000, 1), 0));

/** What it throws, if it does. */
function attempt(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}

test.for(faultRows)('%s strikes on demand and is counted', ([fault, cause]) => {
  const { disk } = scene(1, 'create');
  cause(disk);
  expect([...disk.counts]).toEqual([[fault, 1]]);
});

test('the same seed gives the same disk', () => {
  const run = () => {
    const { disk, file } = scene(9, 'create');
    file.writeAt(bytes(51_200, 1), 0);
    disk.crash();
    return disk.contentOf('d/f');
  };
  expect(Buffer.compare(run(), run())).toBe(0);
});
