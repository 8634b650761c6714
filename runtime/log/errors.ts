/** The coded errors of the log; each has a page in docs/errors. */

import { diskErrorCode } from '../platform/disk.ts';
import { CodedError } from '../platform/error.ts';

/** Damage below the durable watermark, or anything else that truncation must not paper over. */
export const damaged = (path: string, offset: number, finding: string, cause?: unknown): CodedError =>
  new CodedError(
    'HF_LOG_DAMAGED',
    `${path} is damaged at byte ${offset}: ${finding}. Acknowledged records may be affected, so nothing was ` +
      'changed and the log does not open. Restore the segment from the archive or a volume snapshot.',
    { cause },
  );

export const unknownVersion = (path: string, version: number): CodedError =>
  new CodedError(
    'HF_LOG_VERSION',
    `${path} has format version ${version}, which this release does not know. Start the release that wrote it, or a newer one.`,
  );

export const locked = (directory: string): CodedError =>
  new CodedError(
    'HF_LOG_LOCKED',
    `${directory} is in use by another process. Stop that process, or give this one a directory of its own.`,
  );

/** The directory cannot be made, or not be written to. */
export const unavailable = (directory: string, cause: unknown): CodedError =>
  new CodedError(
    'HF_LOG_UNAVAILABLE',
    `${directory} cannot be used (${cause instanceof Error ? cause.message : String(cause)}). Make it a directory that ` +
      'this process may write to, or choose another one.',
    { cause },
  );

export const fenced = (epoch: number): CodedError =>
  new CodedError(
    'HF_LOG_FENCED',
    `The log was opened again after epoch ${epoch}. This instance must stop: another one leads the partition now.`,
  );

export const failed = (cause: unknown): CodedError => {
  const word = diskErrorCode(cause) ?? (cause instanceof Error ? cause.message : String(cause));
  return new CodedError(
    'HF_LOG_FAILED',
    `Writing the log failed (${word}); nothing is acknowledged any more. Free space or replace the volume, then restart.`,
    { cause },
  );
};
