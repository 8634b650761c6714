/**
 * The ordered key-value port behind the memtable. Keys compare as unsigned bytes.
 *
 * Invariants: S1 a batch is written whole or not at all, and batches in the order given, so rows and the applied
 * position of one batch are never seen apart. A read sees every batch whose promise has resolved, and may see
 * one that has not resolved yet.
 * S1 over restarts: whoever opened the store last is its only writer; `write` of an earlier opening rejects with
 * `HF_STORE_FENCED`, or a process that was replaced could put its older rows and position over newer ones. After
 * one rejected write every later one rejects too: the owner gives up and starts again from the log.
 */

export interface Write {
  readonly key: Uint8Array;
  /** Absent: the key is deleted. */
  readonly value: Uint8Array | undefined;
}

export interface Store {
  /** Synchronous. Bytes that were read belong to the store: nobody changes them. */
  get(key: Uint8Array): Uint8Array | undefined;
  /** Rows with `from` <= key < `to`, ascending, at most `limit`. Synchronous; a snapshot of the moment. */
  scan(
    from: Uint8Array,
    to: Uint8Array,
    limit?: number,
  ): readonly { readonly key: Uint8Array; readonly value: Uint8Array }[];
  /**
   * Atomic; resolves when it survives a crash of the process and of the host. Of several writes to one key in a
   * batch the last one counts. The caller gives the bytes away.
   */
  write(batch: readonly Write[]): Promise<void>;
  /** Writes what is queued first. No call of any kind may follow. */
  close(): Promise<void>;
}
