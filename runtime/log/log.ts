/**
 * The log port: the only input of a partition, and what an acknowledgement means.
 *
 * Invariants: L1 positions are dense and start at 1, an acknowledged append survives, nothing is appended under
 * an epoch older than the newest one opened. L2 recovery cuts only above the last durable record; damage below
 * it stops the start with a coded error that names file and offset. L3 after a failed write or fsync nothing is
 * acknowledged any more and `onFailure` is told, upon which the process exits.
 */

/** 1 for the first record; dense. 0 means "before the first". */
export type Position = number;

export interface LogRecord {
  readonly position: Position;
  readonly bytes: Uint8Array;
}

export interface Log {
  /** Strictly greater than the epoch of every earlier opening of the same log. */
  readonly epoch: number;
  /** Position of the last durable record. */
  readonly durable: Position;
  /**
   * Appends records in order and calls `onDurable` with the position of the first one when all of them are
   * durable; calls come in append order, in a turn of their own. The caller gives the bytes away. Appends that
   * wait are written together (group commit). Throws `HF_LOG_FENCED` when a newer epoch has been opened and
   * `HF_LOG_FAILED` after a failed write.
   */
  append(records: readonly Uint8Array[], onDurable: (first: Position) => void): void;
  /** The durable records from `from` on, in order, read synchronously; used at start. */
  read(from: Position): Iterable<LogRecord>;
  /** Writes what is queued, then releases files and threads. */
  close(): Promise<void>;
}

export interface LogOptions {
  /** Called once, when nothing can be acknowledged any more. */
  readonly onFailure: (error: Error) => void;
}
