/**
 * The log of the `memory` profile: real in everything but that it dies with its storage object. Opening the same
 * storage again is a restart.
 */

import { DeferredLog, type DeferredLogOptions } from './deferred-log.ts';
import type { Log, LogRecord, Position } from './log.ts';

/** What survives an instance of the log: the epoch of the newest opening, and the durable records. */
export class MemoryLogStorage {
  epoch = 0;
  readonly records: Uint8Array[] = [];
}

export function openMemoryLog(storage: MemoryLogStorage, options: DeferredLogOptions): Log {
  storage.epoch += 1;
  const epoch = storage.epoch;
  return new DeferredLog(
    {
      epoch,
      get durable() {
        return storage.records.length;
      },
      get isSuperseded() {
        return storage.epoch > epoch;
      },
      write: records => void storage.records.push(...records),
      read: (from, through) => readStorage(storage, from, through),
      idle: () => false,
      close: () => undefined,
    },
    options,
  );
}

function* readStorage(storage: MemoryLogStorage, from: Position, through: Position): Generator<LogRecord> {
  for (let position = Math.max(from, 1); position <= through; position++) {
    const bytes = storage.records[position - 1];
    if (bytes !== undefined) yield { position, bytes };
  }
}
