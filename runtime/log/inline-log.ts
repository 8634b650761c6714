/**
 * The segmented log without its thread: the real format, writer and recovery over any Disk, with the turns of an
 * injected `defer`. For the simulator and for tests.
 *
 * Invariants: L1 a newer opening of the same directory on the same disk fences this one. In production the directory
 * lock makes two openings impossible; in the simulator two leaders are the point.
 */

import type { Disk } from '../platform/disk.ts';
import { DeferredLog, type DeferredLogOptions } from './deferred-log.ts';
import type { Log } from './log.ts';
import { readLog } from './recover.ts';
import { type SegmentSettings, SegmentWriter } from './segment-writer.ts';

/** The newest epoch opened, per disk and directory. */
const newestEpochs = new WeakMap<Disk, Map<string, number>>();

/** Throws `HF_LOG_DAMAGED`, `HF_LOG_VERSION`, `HF_LOG_FAILED`. */
export function openInlineLog(disk: Disk, settings: SegmentSettings, options: DeferredLogOptions): Log {
  const { directory, partition } = settings;
  const writer = new SegmentWriter(disk, settings);
  const newest = newestEpochs.get(disk) ?? new Map<string, number>();
  newestEpochs.set(disk, newest.set(directory, writer.epoch));
  return new DeferredLog(
    {
      epoch: writer.epoch,
      get durable() {
        return writer.durable;
      },
      get isSuperseded() {
        return newest.get(directory) !== writer.epoch;
      },
      write: records => writer.write(records),
      read: (from, through) => readLog(disk, directory, partition, from, through),
      idle: () => {
        if (writer.prepare(false)) return true;
        writer.mark();
        return false;
      },
      close: () => writer.close(),
    },
    options,
  );
}
