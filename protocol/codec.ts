/**
 * Frames and messages of the service protocol, in both directions.
 *
 * A frame is an 8-byte header (u16 type, u16 flags, u32 payload length, big-endian) and one protobuf message;
 * a body or stream is frames and nothing else. Invariant: a frame's payload is bounded by the length limit
 * before a byte of it is buffered. Reserved flag bits are passed on and never judged.
 */
import { readWholeMessage } from './decode.ts';
import { allocate, Output, writeMessage } from './encode.ts';
import { ProtocolError } from './error.ts';
import { type Draft, EMPTY, planByName, planByType } from './plan.ts';
import type { Message, MessageInput, MessageName } from './schema.ts';

/** Flag of a run proposal whose sender waits for an acknowledgement (V7). */
export const REQUESTED_ACK = 0x8000;

const HEADER_BYTES = 8;
/** A single frame above this is handed over with its buffer instead of being copied out of the shared one. */
const SCRATCH_BYTES_MAX = 64 * 1024;

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

export type DecodedFrame = {
  readonly [N in MessageName]: { readonly name: N; readonly message: Message<N> };
}[MessageName];

export const nameOfType = (type: number): MessageName | undefined => planByType.get(type)?.name;

function writeFrame(out: Output, name: MessageName, message: object, flags: number): void {
  const { type, plan } = planned(name, planByName.get(name));
  out.reserve(HEADER_BYTES);
  const start = out.at;
  out.at += HEADER_BYTES;
  writeMessage(out, plan, message as Draft, 0);
  const length = out.at - start - HEADER_BYTES;
  if (length > 0xffffffff) {
    throw new ProtocolError('HF_PROTOCOL_TOO_LARGE', `Cannot encode ${name}: ${length} bytes fit no frame.`);
  }
  const bytes = out.bytes;
  bytes[start] = type >>> 8;
  bytes[start + 1] = type;
  bytes[start + 2] = flags >>> 8;
  bytes[start + 3] = flags;
  bytes[start + 4] = length >>> 24;
  bytes[start + 5] = length >>> 16;
  bytes[start + 6] = length >>> 8;
  bytes[start + 7] = length;
}

const scratch = /* @__PURE__ */ new Output();

/** One whole frame. Small ones share memory with others of their time: `slice()` one that is kept for long. */
export function encodeFrame<N extends MessageName>(name: N, message: MessageInput<N>, flags = 0): Uint8Array {
  scratch.at = 0;
  writeFrame(scratch, name, message, flags);
  const { bytes, at } = scratch;
  if (bytes.length > SCRATCH_BYTES_MAX) {
    scratch.bytes = EMPTY;
    return bytes.subarray(0, at);
  }
  const frame = allocate(at);
  frame.set(bytes.subarray(0, at));
  return frame;
}

/** Many frames into one buffer. A frame that throws leaves the writer as it was before it. */
export class FrameWriter {
  readonly #out = new Output();
  #length = 0;

  frame<N extends MessageName>(name: N, message: MessageInput<N>, flags = 0): void {
    this.#out.at = this.#length;
    writeFrame(this.#out, name, message, flags);
    this.#length = this.#out.at;
  }

  /** Appends whole frames that are encoded already. */
  raw(bytes: Uint8Array): void {
    this.#out.at = this.#length;
    this.#out.raw(bytes);
    this.#length = this.#out.at;
  }

  /** Hands the buffer over; the writer is empty afterwards. */
  finish(): Uint8Array {
    const written = this.#out.bytes.subarray(0, this.#length);
    this.#out.bytes = EMPTY;
    this.#length = 0;
    return written;
  }
}

/** `bytes` and `value` fields of the message are views into `payload`. */
export function decodeMessage<N extends MessageName>(name: N, payload: Uint8Array): Message<N> {
  return readWholeMessage(planned(name, planByName.get(name)).plan, payload) as Message<N>;
}

export function decodeFrame(frame: Frame): DecodedFrame {
  const { name, plan } = planned(`0x${frame.type.toString(16).padStart(4, '0')}`, planByType.get(frame.type));
  return { name, message: readWholeMessage(plan, frame.payload) } as DecodedFrame;
}

function planned<P>(what: string, plan: P | undefined): P {
  if (plan !== undefined) return plan;
  throw new ProtocolError(
    'HF_PROTOCOL_UNKNOWN_TYPE',
    `Unknown message type ${what}. Upgrade this side if the peer speaks a newer protocol version.`,
  );
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
    frames.push({
      type: ((bytes[at] as number) << 8) | (bytes[at + 1] as number),
      flags: ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number),
      payload: new Uint8Array(buffer, byteOffset + at + HEADER_BYTES, length),
      bytes: new Uint8Array(buffer, byteOffset + at, HEADER_BYTES + length),
    });
    at += HEADER_BYTES + length;
  }
  return at;
}

function payloadLength(bytes: Uint8Array, at: number, limits: FrameLimits | undefined): number {
  const length =
    (((bytes[at + 4] as number) << 24) |
      ((bytes[at + 5] as number) << 16) |
      ((bytes[at + 6] as number) << 8) |
      (bytes[at + 7] as number)) >>>
    0;
  const max = limits?.payloadBytesMax ?? PAYLOAD_BYTES_MAX;
  if (length > max) {
    throw new ProtocolError(
      'HF_PROTOCOL_TOO_LARGE',
      `A frame announces ${length} bytes of payload, above the limit of ${max}. Store large data elsewhere and pass a reference, or raise the limit.`,
    );
  }
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

function incomplete(bytes: number): never {
  throw new ProtocolError(
    'HF_PROTOCOL_INCOMPLETE',
    `The body ends ${bytes} bytes into a frame. Check that nothing on the way truncates it.`,
  );
}
