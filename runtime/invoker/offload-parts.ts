/**
 * Where the body of a request is cut. Pure.
 *
 * Invariants: the pieces joined are the body; a cut lies between two frames; the first frame, which differs from
 * attempt to attempt, is a piece of its own; chunks are counted from the second frame on, and a longer journal that
 * begins with the same frames has the same chunks; what is not stored has `inlineBytesMax` bytes at most.
 */

export interface Piece {
  readonly bytes: Uint8Array;
  readonly stored: boolean;
}

const HEADER_BYTES = 8;

export function cutBody(body: Uint8Array, chunkBytes: number, inlineBytesMax: number): readonly Piece[] {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const frameEnd = (at: number): number => at + HEADER_BYTES + view.getUint32(at + 4);
  const start = frameEnd(0);
  const chunks: Uint8Array[] = [];
  let from = start;
  let at = start;
  while (at < body.length) {
    at = frameEnd(at);
    if (at - from < chunkBytes) continue;
    chunks.push(body.subarray(from, at));
    from = at;
  }
  // The frames are our own.
  if (at !== body.length) throw new Error(`a body of ${body.length} bytes has frames of ${at}`);
  const head = body.subarray(0, start);
  const tail = body.subarray(from);
  const isTailStored = head.length + tail.length > inlineBytesMax && tail.length > 0;
  const pieces: Piece[] = [
    { bytes: head, stored: head.length + (isTailStored ? 0 : tail.length) > inlineBytesMax },
    ...chunks.map(bytes => ({ bytes, stored: true })),
  ];
  if (tail.length > 0) pieces.push({ bytes: tail, stored: isTailStored });
  return pieces;
}
