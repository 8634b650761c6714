/** Test helper: the server's side of an HTTP/2 stream, with frames by hand. */
import type * as http2 from 'node:http2';
import { contentTypeOf, type DecodedFrame, decodeFrame, FrameDecoder } from '@holdfast/protocol';
import { expect } from 'vitest';
import { concat } from './journal.testkit.ts';

/** A stream of ours at the handler: frames by name as they come. */
export class Peer {
  readonly stream: http2.ClientHttp2Stream;
  readonly head: Promise<http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader>;
  readonly #decoder = new FrameDecoder();
  readonly #frames: DecodedFrame[] = [];
  readonly ended: Promise<void>;
  #wake: () => void = () => {};

  constructor(path: string, version: number, at: http2.ClientHttp2Session) {
    this.stream = at.request(
      { ':method': 'POST', ':path': path, 'content-type': contentTypeOf(version) },
      { endStream: false },
    );
    this.head = new Promise(resolve => this.stream.once('response', resolve));
    this.stream.on('data', (chunk: Uint8Array) => {
      this.#frames.push(...this.#decoder.push(chunk).map(decodeFrame));
      this.#wake();
    });
    this.stream.on('error', () => this.#wake());
    this.ended = new Promise(resolve => this.stream.once('end', resolve));
  }

  send(...frames: Uint8Array[]): void {
    this.stream.write(concat(frames));
  }

  async next(): Promise<DecodedFrame> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) return frame;
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }
}

export const messageOf = <N extends DecodedFrame['name']>(frame: DecodedFrame, name: N) => {
  expect(
    frame.name,
    JSON.stringify(frame.message, (_, v) => (typeof v === 'bigint' ? `${v}` : v)),
  ).toBe(name);
  return frame.message as Extract<DecodedFrame, { name: N }>['message'];
};

/** The next frame that is no hint of what user code waits for, which version 7 has. */
export async function step(peer: Peer): Promise<DecodedFrame> {
  for (;;) {
    const frame = await peer.next();
    if (frame.name !== 'AwaitingOn') return frame;
  }
}
