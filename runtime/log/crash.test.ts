import { expect, test, vi } from 'vitest';
import { type Disk, type DiskFile, diskErrorCode } from '../platform/disk.ts';
import { openInlineLog } from './inline-log.ts';
import * as recovery from './recover.ts';
import * as format from './segment-format.ts';
import * as reader from './segment-reader.ts';
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
  readonly wrap?: (disk: Disk) => Disk;
  /** Replacements for exports of a module, by its file. */
  readonly replace?: Readonly<Record<string, object>>;
  readonly isHarmless?: boolean;
}

const replaceRecover = (
  change: (found: recovery.Recovery) => Partial<recovery.Recovery>,
): Readonly<Record<string, object>> => ({
  './recover.ts': {
    ...recovery,
    recover: (...parameters: Parameters<typeof recovery.recover>) => {
      const found = recovery.recover(...parameters);
      return { ...found, ...change(found) };
    },
  },
});

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
    replace: replaceRecover(({ durable, tail }) => ({ durable: durable + tail.length, tail: [] })),
  },
  'the tail is cut instead of copied': { run: 'run', replace: replaceRecover(() => ({ tail: [] })) },
  'epochs are not remembered': { run: 'run', replace: replaceRecover(() => ({ epoch: 1 })) },
  'payloads are not checked': {
    run: 'runDamaged',
    replace: { './segment-format.ts': { ...format, payloadIsValid: () => true } },
  },
  'what follows a damaged record is not looked at': {
    run: 'runDamaged',
    replace: {
      './segment-reader.ts': { ...reader, readRemainder: () => ({ watermark: -1, clean: true }) },
    },
  },
};

test.for(Object.entries(mutations))('planted and found: %s', async ([, mutation]) => {
  vi.resetModules();
  const { run, wrap = sameDisk, replace = {}, isHarmless = false } = mutation;
  for (const [file, exports] of Object.entries(replace)) vi.doMock(file, () => exports);
  try {
    const mutant = await import('./inline-log.ts');
    const found = firstViolation({ openInlineLog: mutant.openInlineLog, wrap }, run);
    expect(found === undefined, found).toBe(isHarmless);
  } finally {
    for (const file of Object.keys(replace)) vi.doUnmock(file);
    vi.resetModules();
  }
});

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
