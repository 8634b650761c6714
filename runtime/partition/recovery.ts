/**
 * From what the store and the log hold to the state as of the last durable record. S1: the store says how far its
 * rows reflect the log, so the log is read from there on; a store and a log that do not belong together are refused.
 */
import type { CommandRecord } from '../core/command.ts';
import { META_KEY } from '../core/table.ts';
import { decodeRecord } from '../format/record.ts';
import type { Log, LogRecord } from '../log/log.ts';
import { CodedError } from '../platform/error.ts';
import type { Proposer } from './proposer.ts';
import type { State } from './state.ts';

/** Rows are stored in steps of so many records or bytes, so that a long log needs no more memory. */
const FLUSH_RECORDS = 20_000;
const FLUSH_BYTES = 64 * 2 ** 20;

/** Throws `HF_STORE_AHEAD`, `HF_STORE_MISMATCH` or `HF_FORMAT_DAMAGED`. */
export async function recover(log: Log, state: State, proposer: Proposer): Promise<void> {
  checkTogether(log, state);
  let folded = 0;
  let bytes = 0;
  for (const record of log.read(state.stored.position + 1)) {
    proposer.fold(decode(record), record.position);
    folded += 1;
    bytes += record.bytes.length;
    if (folded < FLUSH_RECORDS && bytes < FLUSH_BYTES) continue;
    await state.flush(proposer.applied);
    folded = 0;
    bytes = 0;
  }
}

function checkTogether(log: Log, state: State): void {
  if (state.stored.position > log.durable) {
    throw new CodedError(
      'HF_STORE_AHEAD',
      `The store reflects record ${state.stored.position}, but the log ends at ${log.durable}: the log was lost or ` +
        'replaced. Restore the log directory that belongs to this store.',
    );
  }
  const secret = state.get('meta', META_KEY)?.idSecret;
  if (secret === undefined) return;
  for (const record of log.read(1)) {
    const { command } = decode(record);
    if (command.type === 'initialize' && isSame(command.idSecret, secret)) return;
    throw new CodedError(
      'HF_STORE_MISMATCH',
      'The store and the log in this data directory come from two different installations. Put back the one that ' +
        'belongs to the other.',
    );
  }
}

function decode({ position, bytes }: LogRecord): CommandRecord {
  try {
    return decodeRecord(bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CodedError('HF_FORMAT_DAMAGED', `record ${position} of the log cannot be read: ${reason}`, {
      cause,
    });
  }
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);
