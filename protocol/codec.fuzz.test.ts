/** Whatever arrives: a message or a `ProtocolError`, in time and memory that the input bounds. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeFrames, FrameDecoder } from './codec.ts';
import { ProtocolError } from './error.ts';
import { decodeFrame, encodeFrame, messages } from './named.ts';
import { capturedBodies, capturedFrames } from './vectors.testkit.ts';

const SEED = 20261120;
const frames = capturedFrames.map(frame => frame.bytes);
const types = Object.values(messages).map(({ type }) => type);

/** What of the input survives decoding must survive encoding: a decoded message is always encodable. */
function survives(body: Uint8Array): void {
  try {
    for (const frame of decodeFrames(body)) {
      const { name, message } = decodeFrame(frame);
      const again = decodeFrames(encodeFrame(name, message, frame.flags));
      expect(decodeFrame(again[0] as (typeof again)[number]).message).toEqual(message);
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
}

function flip(bytes: Uint8Array, at: number, by: number): void {
  bytes[at] = (bytes[at] as number) ^ by;
}

const frame = fc.constantFrom(...frames);

test('captured frames with bits flipped, bytes replaced and ends cut off', () => {
  const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(frame, flips, fc.nat(), (original, changes, cut) => {
      const bytes = original.slice();
      // Behind the header, and the length made to fit, so that the change reaches the message.
      for (const [at, by] of changes) if (bytes.length > 8) flip(bytes, 8 + (at % (bytes.length - 8)), by);
      survives(bytes);
      const kept = bytes.slice(0, 8 + (cut % (bytes.length - 7)));
      new DataView(kept.buffer).setUint32(4, kept.length - 8);
      survives(kept);
    }),
    { seed: SEED, numRuns: 4000 },
  );
});

test('random payloads under every type', () => {
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    // Small bytes are tags and lengths that mean something.
    fc.array(fc.nat(0x30), { maxLength: 64 }).map(bytes => Uint8Array.from(bytes)),
  );
  fc.assert(
    fc.property(fc.constantFrom(...types), payload, (type, bytes) => {
      const header = [type >> 8, type & 0xff, 0, 0, 0, 0, 0, bytes.length];
      survives(Uint8Array.from([...header, ...bytes]));
    }),
    { seed: SEED, numRuns: 6000 },
  );
});

test('a body gives the same frames or the same error, whole and in any chunks', () => {
  const body = fc.constantFrom(...capturedBodies.map(each => each.body).filter(each => each.length < 3000));
  const outcome = (read: () => readonly { readonly bytes: Uint8Array }[]): string => {
    try {
      return read()
        .map(each => Buffer.from(each.bytes).toString('hex'))
        .join();
    } catch (error) {
      if (error instanceof ProtocolError) return error.code;
      throw error;
    }
  };
  fc.assert(
    fc.property(
      body,
      fc.nat(),
      fc.nat(255),
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }),
      (original, at, by, sizes) => {
        const bytes = original.slice();
        flip(bytes, at % bytes.length, by);
        const inChunks = () => {
          const decoder = new FrameDecoder();
          const read = [];
          for (let from = 0, i = 0; from < bytes.length; i++) {
            const size = sizes[i % sizes.length] ?? 1;
            read.push(...decoder.push(bytes.slice(from, from + size)));
            from += size;
          }
          decoder.end();
          return read;
        };
        expect(outcome(inChunks)).toBe(outcome(() => decodeFrames(bytes)));
      },
    ),
    { seed: SEED, numRuns: 2000 },
  );
});

test('a frame that arrives byte by byte costs memory and time in proportion to what has arrived', () => {
  const decoder = new FrameDecoder();
  // Announces 32 MiB and delivers 64 KiB of them.
  decoder.push(Uint8Array.from([4, 1, 0, 0, 2, 0, 0, 0]));
  const before = process.memoryUsage().arrayBuffers;
  const byte = new Uint8Array(1);
  for (let i = 0; i < 65_536; i++) decoder.push(byte);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
});
