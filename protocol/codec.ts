/**
 * Frames and messages of the service protocol, in both directions.
 *
 * A frame is an 8-byte header (u16 type, u16 flags, u32 payload length, big-endian) and one protobuf message;
 * a body or stream is frames and nothing else. Invariant: a frame's payload is bounded by the length limit
 * before a byte of it is buffered. Reserved flag bits are passed on and never judged.
 */
import { readWholeMessage } from './decode.ts';
import { Output, writeMessage } from './encode.ts';
import { ProtocolError } from './error.ts';
import { type Draft, EMPTY, planOf } from './plan.ts';
import type { Decoded, Encodable, Fields, MessageSpec } from './schema.ts';

/** Flag of a run proposal whose sender waits for an acknowledgement (V7). */
export const REQUESTED_ACK = 0x8000;

const HEADER_BYTES = 8;
/** A single frame above this is handed over with its buffer instead of being copied out of the shared one. */
export const SCRATCH_BYTES_MAX = 64 * 1024;

export interface FrameLimits {
  /** The longest payload that is accepted. @default 32 MiB */
  readonly payloadBytesMax?: number;
}
const PAYLOAD_BYTES_MAX = 32 * 1024 * 1024;

/** `payload` is `bytes` without the header; both are views into what was decoded. */
export type Frame = {
  readonly type: number;
  readonly flags: number;
  readonly payload: Uint8Array;
  readonly bytes: Uint8Array;
};

function writeFrame(
  out: Output,
  { type, fields }: MessageSpec<Fields>,
  message: object,
  flags: number,
): void {
  out.reserve(HEADER_BYTES);
  const start = out.at;
  out.at += HEADER_BYTES;
  writeMessage(out, planOf(fields), message as Draft, 0);
  const length = out.at - start - HEADER_BYTES;
  if (length > 0xffffffff) tooLarge(length, 0xffffffff);
  writeUint32(out.bytes, start, (type << 16) | flags);
  writeUint32(out.bytes, start + 4, length);
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

const readUint32 = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)) >>>
  0;

const scratch = /* @__PURE__ */ new Output();

/** One whole frame, which holds until the next one is written: `slice()` it to keep it. */
export function scratchFrame<F extends Fields>(
  spec: MessageSpec<F>,
  message: Encodable<F>,
  flags = 0,
): Uint8Array {
  scratch.at = 0;
  writeFrame(scratch, spec, message, flags);
  const frame = scratch.bytes.subarray(0, scratch.at);
  if (scratch.bytes.length > SCRATCH_BYTES_MAX) scratch.bytes = EMPTY;
  return frame;
}

/** Many frames into one buffer. A frame that throws leaves the writer as it was before it. */
export class FrameWriter extends Output {
  write<F extends Fields>(spec: MessageSpec<F>, message: Encodable<F>, flags = 0): void {
    const { at } = this;
    try {
      writeFrame(this, spec, message, flags);
    } catch (error) {
      this.at = at;
      throw error;
    }
  }

  /** Hands the buffer over; the writer is empty afterwards. */
  finish(): Uint8Array {
    const written = this.bytes.subarray(0, this.at);
    this.bytes = EMPTY;
    this.at = 0;
    return written;
  }
}

/** `bytes` and `value` fields of the message are views into `payload`. */
export function readMessage<F extends Fields>({ fields }: MessageSpec<F>, payload: Uint8Array): Decoded<F> {
  return readWholeMessage(planOf(fields), payload) as Decoded<F>;
}

/** The frames of a whole body, which must end with one. */
export function decodeFrames(body: Uint8Array, limits?: FrameLimits): Frame[] {
  const frames: Frame[] = [];
  const at = readFrames(body, body.length, limits, frames);
  if (at < body.length) incomplete(body.length - at);
  return frames;
}

/** Adds the whole frames of `bytes[0, end)` to `frames`; returns where the first incomplete one starts. */
function readFrames(
  bytes: Uint8Array,
  end: number,
  limits: FrameLimits | undefined,
  frames: Frame[],
): number {
  const { buffer, byteOffset } = bytes;
  let at = 0;
  while (end - at >= HEADER_BYTES) {
    const length = payloadLength(bytes, at, limits);
    if (length > end - at - HEADER_BYTES) break;
    const head = readUint32(bytes, at);
    frames.push({
      type: head >>> 16,
      flags: head & 0xffff,
      payload: new Uint8Array(buffer, byteOffset + at + HEADER_BYTES, length),
      bytes: new Uint8Array(buffer, byteOffset + at, HEADER_BYTES + length),
    });
    at += HEADER_BYTES + length;
  }
  return at;
}

function payloadLength(bytes: Uint8Array, at: number, limits: FrameLimits | undefined): number {
  const length = readUint32(bytes, at + 4);
  const max = limits?.payloadBytesMax ?? PAYLOAD_BYTES_MAX;
  if (length > max) tooLarge(length, max);
  return length;
}

/**
 * Frames out of chunks that may be cut anywhere. What is buffered is at most one incomplete frame, and never
 * more than twice what of it has arrived. After an error the stream is lost: every further call throws it.
 */
export class FrameDecoder {
  readonly #limits: FrameLimits | undefined;
  /** `pending[0, held)` is the start of a frame. */
  #pending = EMPTY;
  #held = 0;
  #failure: unknown;

  constructor(limits?: FrameLimits) {
    this.#limits = limits;
  }

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
      const at = readFrames(rest, rest.length, this.#limits, frames);
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
    const total = HEADER_BYTES + payloadLength(this.#pending, 0, this.#limits);
    const end = Math.min(taken + total - this.#held, chunk.length);
    this.#hold(chunk, taken, end);
    if (this.#held < total) return end;
    readFrames(this.#pending, total, this.#limits, frames);
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

function tooLarge(bytes: number, max: number): never {
  throw new ProtocolError(
    'HF_PROTOCOL_TOO_LARGE',
    `A frame has ${bytes} bytes, above the limit of ${max}. Store large data elsewhere.`,
  );
}

function incomplete(bytes: number): never {
  throw new ProtocolError(
    'HF_PROTOCOL_INCOMPLETE',
    `The body ends ${bytes} bytes into a frame. Check what truncates it.`,
  );
}
