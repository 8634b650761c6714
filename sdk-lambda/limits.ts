/** Sizes that every adapter keeps to. */

/** Of one request body, decompressed and put together. */
export const REQUEST_BYTES_MAX = 64 * 1024 * 1024;
