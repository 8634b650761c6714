/** SQLite's result codes as errors somebody can act on. */

import { CodedError } from '../platform/error.ts';

/** https://www.sqlite.org/rescode.html; the low byte of an extended code is the primary one. */
const HINTS: Readonly<Record<number, { readonly code: string; readonly hint: string }>> = {
  3: { code: 'HF_STORE_UNAVAILABLE', hint: 'grant this process read and write access to it' },
  5: { code: 'HF_STORE_UNAVAILABLE', hint: 'another process holds it: stop that one' },
  8: { code: 'HF_STORE_UNAVAILABLE', hint: 'the file or its volume is read-only: make it writable' },
  11: {
    code: 'HF_STORE_DAMAGED',
    hint: 'move it away; it is rebuilt from snapshot and log at the next start',
  },
  13: { code: 'HF_STORE_FULL', hint: 'free space on the volume or enlarge it, then start again' },
  14: { code: 'HF_STORE_UNAVAILABLE', hint: 'check that its directory exists and is writable' },
  26: { code: 'HF_STORE_DAMAGED', hint: 'it is not a SQLite database: check the path, or move it away' },
};
const OTHERWISE = { code: 'HF_STORE_FAILED', hint: 'check the volume it is on, then start again' };

/** Anything but an error of SQLite's is a programmer error and is returned as it is. */
export function storeError(path: string, error: unknown): Error {
  if (error instanceof CodedError) return error;
  if (!(error instanceof Error)) return new Error(String(error));
  if (!('errcode' in error) || typeof error.errcode !== 'number') return error;
  const { code, hint } = HINTS[error.errcode & 0xff] ?? OTHERWISE;
  return new CodedError(code, `store ${path}: ${error.message} (SQLite ${error.errcode}); ${hint}`, {
    cause: error,
  });
}

export function damagedRow(path: string): CodedError {
  return new CodedError(
    'HF_STORE_DAMAGED',
    `store ${path}: a row does not match its checksum; move the file away, ` +
      'it is rebuilt from snapshot and log at the next start',
  );
}
