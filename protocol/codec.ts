/**
 * Frames and messages of the service protocol, in both directions.
 *
 * A frame is an 8-byte header (u16 type, u16 flags, u32 payload length, big-endian) and one protobuf message;
 * a body or stream is frames and nothing else. Invariant: a frame's payload is bounded by the length limit
 * before a byte of it is buffered. Reserved flag bits are passed on and never judged.
 */
import { type ReadText, readWholeMessage } from './decode.ts';
import { Output } from './encode.ts';
import { assertAtMost, ProtocolError } from './error.ts';
import { type Draft, EMPTY, planOf } from './plan.ts';
import type { Decoded, Encodable, Fields, MessageSpec } from './schema.ts';

/** Flag of a run proposal whose sender waits for an acknowledgement (V7). */
export const REQUESTED_ACK = 0x8000;

const HEADER_BYTES = 8;
/** The longest payload that is accepted. */
const PAYLOAD_BYTES_MAX = 32 * 1024 * 1024;

/** `payload` is `bytes` without the header; both are views into what was decoded. */
export type Frame = {
  readonly type: number;
  readonly flags: number;
  readonly payload: Uint8Array;
  readonly bytes: Uint8Array;
};

/** Many frames into one buffer. A frame that throws leaves the writer as it was before it. */
export class FrameWriter extends Output {
  write<F extends Fields>({ type, fields }: MessageSpec<F>, message: Encodable<F>, flags = 0): void {
    const start = this.at;
    this.message(planOf(fields), message as Draft, HEADER_BYTES);
    writeUint32(this.bytes, start, (type << 16) | flags);
    writeUint32(this.bytes, start + 4, this.at - start - HEADER_BYTES);
  }

  /** Hands the buffer over; the writer is empty afterwards. */
  finish(): Uint8Array {
    const written = this.bytes.subarray(0, this.at);
    this.bytes = EMPTY;
    this.at = 0;
    return written;
  }
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

const scratch = /* @__PURE__ */ new FrameWriter();
/** A larger buffer is not kept for the next frame: it belongs to who has asked for this one. */
export const SCRATCH_BYTES_MAX = 64 * 1024;

/** One whole frame, which holds until the next one is written: `slice()` it to keep it. */
export function scratchFrame<F extends Fields>(
  spec: MessageSpec<F>,
  message: Encodable<F>,
  flags?: number,
): Uint8Array {
  scratch.at = 0;
  scratch.write(spec, message, flags);
  const frame = scratch.bytes.subarray(0, scratch.at);
  if (scratch.bytes.length > SCRATCH_BYTES_MAX) scratch.bytes = EMPTY;
  return frame;
}

/** `bytes` and `value` fields of the message are views into `payload`. */
export function readMessage<F extends Fields>(
  { fields }: MessageSpec<F>,
  payload: Uint8Array,
  readText?: ReadText,
): Decoded<F> {
  return readWholeMessage(planOf(fields), payload, readText) as Decoded<F>;
}

/** The frames of a whole body, which must end with one. */
export function decodeFrames(body: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  const rest = body.length - readFrames(body, frames);
  if (rest > 0) incomplete(rest);
  return frames;
}

/** Adds the whole frames of `bytes` to `frames`; returns where the first incomplete one starts. */
function readFrames(bytes: Uint8Array, frames: Frame[]): number {
  const { buffer, byteOffset, length } = bytes;
  let at = 0;
  while (length - at >= HEADER_BYTES) {
    const end = at + frameLength(bytes, at);
    if (end > length) break;
    const head = readUint32(bytes, at);
    frames.push({
      type: head >>> 16,
      flags: head & 0xffff,
      payload: new Uint8Array(buffer, byteOffset + at + HEADER_BYTES, end - at - HEADER_BYTES),
      bytes: new Uint8Array(buffer, byteOffset + at, end - at),
    });
    at = end;
  }
  return at;
}

/** Of the frame whose header is there. */
function frameLength(bytes: Uint8Array, at: number): number {
  const length = readUint32(bytes, at + 4);
  assertAtMost(PAYLOAD_BYTES_MAX, length, 'bytes', 'A frame', 'HF_PROTOCOL_TOO_LARGE');
  return HEADER_BYTES + length;
}

const readUint32 = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)) >>>
  0;

/**
 * Frames out of chunks that may be cut anywhere. What is buffered is at most one incomplete frame, and never
 * more than twice what of it has arrived. After an error the stream is lost: every further call throws it.
 */
export class FrameDecoder {
  /** `pending[0, held)` is the start of a frame. */
  #pending = EMPTY;
  #held = 0;
  #failure: unknown;

  /**
   * The frames that `chunk` completes. They are views into it, so the caller must not reuse its memory; an
   * incomplete rest is copied.
   */
  push(chunk: Uint8Array): Frame[] {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      const frames: Frame[] = [];
      const taken = this.#held === 0 ? 0 : this.#complete(chunk, frames);
      if (taken === chunk.length) return frames;
      const rest = taken === 0 ? chunk : chunk.subarray(taken);
      const at = readFrames(rest, frames);
      this.#hold(rest, at, rest.length);
      return frames;
    } catch (failure) {
      this.#failure = failure;
      throw failure;
    }
  }

  /** The stream has ended. */
  end(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#held > 0) incomplete(this.#held);
  }

  /** Feeds the pending frame from the start of `chunk`; returns how much of it was taken. */
  #complete(chunk: Uint8Array, frames: Frame[]): number {
    let taken = 0;
    if (this.#held < HEADER_BYTES) {
      taken = Math.min(HEADER_BYTES - this.#held, chunk.length);
      this.#hold(chunk, 0, taken);
      if (this.#held < HEADER_BYTES) return taken;
    }
    const total = frameLength(this.#pending, 0);
    const end = Math.min(taken + total - this.#held, chunk.length);
    this.#hold(chunk, taken, end);
    if (this.#held < total) return end;
    readFrames(this.#pending.subarray(0, total), frames);
    // The frame owns that memory now.
    this.#pending = EMPTY;
    this.#held = 0;
    return end;
  }

  #hold(chunk: Uint8Array, from: number, to: number): void {
    const held = this.#held + to - from;
    if (held > this.#pending.length) {
      const grown = new Uint8Array(Math.max(64, held * 2));
      grown.set(this.#pending.subarray(0, this.#held));
      this.#pending = grown;
    }
    this.#pending.set(from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to), this.#held);
    this.#held = held;
  }
}

function incomplete(bytes: number): never {
  throw new ProtocolError(
    'HF_PROTOCOL_INCOMPLETE',
    `The body ends ${bytes} bytes into a frame. Check what changes the body.`,
  );
}
