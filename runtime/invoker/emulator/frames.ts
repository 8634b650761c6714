/**
 * The bytes between the Local Lambda and an environment's process: length-prefixed frames, one pipe each way.
 *
 * Invariants:
 * - Event and response bodies are opaque here: they cross the server as bytes and are parsed by nobody in it.
 * - A frame is `u32 length | u8 kind | body`, little endian, where length counts kind and body.
 * - An environment sends every LOG frame of an invocation before the frame that answers it, on the same pipe,
 *   so a log line is never attributed to the wrong request.
 */

export const FRAME_HEADER_BYTES = 5;

/** Server to environment: `u32 metaLength | meta JSON | event JSON`. */
export const INVOKE = 1;

/** Environment to server. */
export const READY = 2;
/** The module did not load; body is a fault. The environment is over. */
export const INIT_FAILED = 3;
/** `u32 rssKiB | response JSON`. */
export const RESULT = 4;
/** `u32 rssKiB | fault JSON`: the handler threw; the environment lives on. */
export const FAILED = 5;
/** Fault JSON of an uncaught exception: the environment is over. */
export const FATAL = 6;
/** UTF-8 text, as written. */
export const LOG = 7;
/** The event was not JSON; body is the parser's message. The handler was not called. */
export const BAD_EVENT = 8;

/** What a handler's context needs to know about one invocation. */
export interface InvokeMeta {
  readonly requestId: string;
  /** Unix milliseconds at which the invocation times out. */
  readonly deadlineMs: number;
  readonly arn: string;
  readonly traceId: string;
  /** Base64 JSON, as in `X-Amz-Client-Context`. */
  readonly clientContext?: string;
}

/** A failure as Lambda words it in a response body. */
export interface Fault {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly trace?: readonly string[];
}

/** Header and metadata of an INVOKE frame; the event's own chunks follow it on the pipe. */
export function encodeInvokeHead(meta: InvokeMeta, eventBytes: number): Buffer {
  const json = JSON.stringify(meta);
  const metaBytes = Buffer.byteLength(json);
  const head = Buffer.allocUnsafe(FRAME_HEADER_BYTES + 4 + metaBytes);
  head.writeUInt32LE(1 + 4 + metaBytes + eventBytes, 0);
  head[4] = INVOKE;
  head.writeUInt32LE(metaBytes, FRAME_HEADER_BYTES);
  head.write(json, FRAME_HEADER_BYTES + 4);
  return head;
}

export function decodeInvoke(body: Buffer): { readonly meta: InvokeMeta; readonly event: Buffer } {
  const metaEnd = 4 + body.readUInt32LE(0);
  return { meta: JSON.parse(body.toString('utf8', 4, metaEnd)) as InvokeMeta, event: body.subarray(metaEnd) };
}

export function encodeText(kind: number, text: string): Buffer {
  const bytes = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + bytes);
  frame.writeUInt32LE(1 + bytes, 0);
  frame[4] = kind;
  frame.write(text, FRAME_HEADER_BYTES);
  return frame;
}

/** RESULT or FAILED: the environment's resident memory travels with every answer, for the REPORT line. */
export function encodeAnswer(kind: number, rssKib: number, json: string): Buffer {
  const bytes = Buffer.byteLength(json);
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + 4 + bytes);
  frame.writeUInt32LE(1 + 4 + bytes, 0);
  frame[4] = kind;
  frame.writeUInt32LE(rssKib, FRAME_HEADER_BYTES);
  frame.write(json, FRAME_HEADER_BYTES + 4);
  return frame;
}

/**
 * Cuts a byte stream into frames. A frame that lies whole in one chunk is handed over without a copy; one that
 * spans chunks is gathered once, when its last byte is here.
 */
export class FrameReader {
  readonly #onFrame: (kind: number, body: Buffer) => void;
  #parts: Buffer[] = [];
  #held = 0;
  /** Bytes needed before it is worth gathering again. */
  #wanted = FRAME_HEADER_BYTES;

  constructor(onFrame: (kind: number, body: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    if (this.#held === 0) {
      this.#cut(chunk);
      return;
    }
    this.#parts.push(chunk);
    this.#held += chunk.length;
    if (this.#held < this.#wanted) return;
    const whole = Buffer.concat(this.#parts, this.#held);
    this.#parts = [];
    this.#held = 0;
    this.#cut(whole);
  }

  #cut(bytes: Buffer): void {
    let at = 0;
    this.#wanted = FRAME_HEADER_BYTES;
    while (bytes.length - at >= FRAME_HEADER_BYTES) {
      const end = at + 4 + bytes.readUInt32LE(at);
      if (end > bytes.length) {
        this.#wanted = end - at;
        break;
      }
      this.#onFrame(bytes[at + 4] ?? 0, bytes.subarray(at + FRAME_HEADER_BYTES, end));
      at = end;
    }
    if (at < bytes.length) {
      this.#parts = [bytes.subarray(at)];
      this.#held = bytes.length - at;
    }
  }
}
