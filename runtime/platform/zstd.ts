/**
 * zstd on libuv's threads: a body of megabytes takes milliseconds that the event loop does not have.
 *
 * Invariants: `done` is called exactly once and never from within the call; no more than `bytesMax` of a result,
 * and a window of 8 MiB, are ever held, whatever the input claims; a result is of the whole input or none.
 */

import { constants, type InputType, type ZstdOptions, zstdCompress, zstdDecompress } from 'node:zlib';

export type Decompressed =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'tooLarge'; readonly message: string }
  | { readonly kind: 'corrupt'; readonly message: string };

const LEVEL = 3;
/** The largest that a content encoding may ask for (RFC 9659): 8 MiB. */
const WINDOW_LOG_MAX = 23;
/** A thread is entered once per chunk; the default of 16 KiB costs more in turns than in work. */
const CHUNK_BYTES = 256 * 1024;

export function compress(bytes: Uint8Array, done: (compressed: Uint8Array) => void): void {
  const options: ZstdOptions = {
    chunkSize: CHUNK_BYTES,
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL },
  };
  zstdCompress(bytes, options, (error, compressed) => {
    // It has no input that it refuses.
    if (error !== null) throw error;
    done(compressed);
  });
}

/** With `info`, the result carries the stream that made it, which knows how much of the input was used. */
interface WithInfo {
  readonly buffer: Uint8Array;
  readonly engine: { readonly bytesWritten: number };
}

const decompressWithInfo = zstdDecompress as unknown as (
  input: InputType,
  options: ZstdOptions,
  done: (error: (Error & { code?: string }) | null, result: WithInfo) => void,
) => void;

export function decompress(bytes: Uint8Array, bytesMax: number, done: (result: Decompressed) => void): void {
  const options: ZstdOptions = {
    info: true,
    chunkSize: Math.min(CHUNK_BYTES, Math.max(64, bytesMax)),
    maxOutputLength: Math.max(1, bytesMax),
    params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX },
  };
  decompressWithInfo(bytes, options, (error, result) => {
    if (error !== null) {
      if (error.code === 'ERR_BUFFER_TOO_LARGE') {
        done({ kind: 'tooLarge', message: `it exceeds ${bytesMax} bytes when decompressed` });
      } else done({ kind: 'corrupt', message: `it is not intact zstd (${error.message})` });
    } else if (result.engine.bytesWritten !== bytes.length) {
      // Node stops at the end of the first frame and would leave out the rest without a word.
      done({ kind: 'corrupt', message: 'bytes follow the end of its zstd frame' });
    } else done({ kind: 'bytes', bytes: result.buffer });
  });
}
