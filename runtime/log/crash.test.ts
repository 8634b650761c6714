import { expect, test, vi } from 'vitest';
import { type Disk, type DiskFile, diskErrorCode } from '../platform/disk.ts';
import { openInlineLog } from './inline-log.ts';
import * as recovery from './recover.ts';
import * as format from './segment-format.ts';
import { faultCounts, History, type Subject } from './testing/lives.ts';

const SEEDS = 300;
const subject: Subject = { openInlineLog, wrap: disk => disk };

test('acknowledged records survive every crash; the rest is a prefix of what was appended', () => {
  const histories: History[] = [];
  for (let seed = 1; seed <= SEEDS; seed++) {
    const history = new History(seed, subject);
    histories.push(history);
    atSeed(seed, () => history.run());
  }
  const counts = faultCounts(histories);
  const expected = ['crash', 'crashInOperation', 'exit', 'tornSector', 'lostSector', 'lostName'] as const;
  for (const fault of [...expected, 'shortWrite', 'writeError', 'noSpace'] as const) {
    expect(counts.get(fault) ?? 0, fault).toBeGreaterThan(0);
  }
});

test('rot and misdirected writes below the watermark are named, or harmless, never a silent loss', () => {
  const histories: History[] = [];
  for (let seed = 1; seed <= SEEDS; seed++) {
    const history = new History(seed, subject);
    histories.push(history);
    atSeed(seed, () => history.runDamaged());
  }
  const counts = faultCounts(histories);
  expect(counts.get('bitRot')).toBeGreaterThan(0);
  expect(counts.get('misdirectedWrite')).toBeGreaterThan(0);
});

/** Names the seed of whatever `run` throws. */
function atSeed(seed: number, run: () => void): void {
  try {
    run();
  } catch (cause) {
    throw new Error(`seed ${seed}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

/** A disk whose files are changed by `change`. */
const withFiles =
  (change: (file: DiskFile) => Partial<DiskFile>) =>
  (disk: Disk): Disk => ({
    ...delegate(disk),
    open: (path, mode) => {
      const file = disk.open(path, mode);
      return { ...file, ...change(file) };
    },
  });

const delegate = (disk: Disk): Disk => ({
  makeDirectory: path => disk.makeDirectory(path),
  list: directory => disk.list(directory),
  open: (path, mode) => disk.open(path, mode),
  rename: (from, to) => disk.rename(from, to),
  remove: path => disk.remove(path),
  syncDirectory: path => disk.syncDirectory(path),
});

const sameDisk = (disk: Disk): Disk => disk;

interface Mutation {
  readonly run: 'run' | 'runDamaged';
  readonly isHarmless?: boolean;
  readonly wrap?: (disk: Disk) => Disk;
  readonly recover?: Partial<typeof recovery>;
  readonly format?: Partial<typeof format>;
}

/** Guards broken on purpose. Each must be found, or the search above proves nothing about it. */
const mutations: Readonly<Record<string, Mutation>> = {
  // The control: the way a mutant is made breaks nothing by itself.
  'nothing, so nothing': { run: 'run', isHarmless: true },
  'no O_DSYNC': {
    run: 'run',
    wrap: disk => ({
      ...delegate(disk),
      open: (path, mode) => disk.open(path, mode === 'createDurable' ? 'create' : mode),
    }),
  },
  'names are not synced': {
    run: 'run',
    wrap: disk => ({ ...delegate(disk), syncDirectory: () => undefined }),
  },
  'a short write is taken for a whole one': {
    run: 'run',
    wrap: withFiles(file => ({
      writeAt: (bytes, offset) => {
        file.writeAt(bytes, offset);
        return bytes.length;
      },
    })),
  },
  'a failed write is taken for done': {
    run: 'run',
    wrap: withFiles(file => ({
      writeAt: (bytes, offset) => {
        try {
          return file.writeAt(bytes, offset);
        } catch (error) {
          if (diskErrorCode(error) !== 'EIO') throw error;
          return bytes.length;
        }
      },
    })),
  },
  'the tail is acted on without being copied': {
    run: 'run',
    recover: {
      recover: (...parameters) => {
        const found = recovery.recover(...parameters);
        return { ...found, durable: found.durable + found.tail.length, tail: [] };
      },
    },
  },
  'the tail is cut instead of copied': {
    run: 'run',
    recover: { recover: (...parameters) => ({ ...recovery.recover(...parameters), tail: [] }) },
  },
  'epochs are not remembered': {
    run: 'run',
    recover: { recover: (...parameters) => ({ ...recovery.recover(...parameters), epoch: 1 }) },
  },
};

/** Mutations of what runs underneath recovery; their modules are replaced before it is loaded. */
const formatMutations: Readonly<Record<string, Mutation>> = {
  'payloads are not checked': { run: 'runDamaged', format: { payloadIsValid: () => true } },
  'watermarks are not looked at': {
    run: 'runDamaged',
    format: {
      decodeFrame: (...parameters) => {
        const frame = format.decodeFrame(...parameters);
        return frame === undefined ? undefined : { ...frame, watermark: 0 };
      },
    },
  },
};

test.for(Object.entries({ ...mutations, ...formatMutations }))(
  'planted and found: %s',
  async ([, mutation]) => {
    vi.resetModules();
    if (mutation.recover !== undefined)
      vi.doMock('./recover.ts', () => ({ ...recovery, ...mutation.recover }));
    if (mutation.format !== undefined)
      vi.doMock('./segment-format.ts', () => ({ ...format, ...mutation.format }));
    try {
      const mutant = await import('./inline-log.ts');
      const planted = { openInlineLog: mutant.openInlineLog, wrap: mutation.wrap ?? sameDisk };
      const found = firstViolation(planted, mutation.run);
      if (mutation.isHarmless === true) expect(found).toBeUndefined();
      else expect(found).toBeDefined();
      console.log(found);
    } finally {
      vi.doUnmock('./recover.ts');
      vi.doUnmock('./segment-format.ts');
      vi.resetModules();
    }
  },
);

/** What the first unlucky seed says: a broken promise, or damage where nothing was damaged. */
function firstViolation(planted: Subject, run: 'run' | 'runDamaged'): string | undefined {
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      new History(seed, planted)[run]();
    } catch (error) {
      return `seed ${seed}: ${error instanceof Error ? error.message : error}`;
    }
  }
  return undefined;
}
