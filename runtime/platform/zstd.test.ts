import { constants, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compress, type Decompressed, decompress } from './zstd.ts';

const unpack = (bytes: Uint8Array, bytesMax: number) =>
  new Promise<Decompressed>(resolve => decompress(bytes, bytesMax, resolve));
const pack = (bytes: Uint8Array) => new Promise<Uint8Array>(resolve => compress(bytes, resolve));

const ZEROS = zstdCompressSync(Buffer.alloc(20_000_000));
const NOISE = zstdCompressSync(Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * i * 31) >> 3)));
const WIDE = zstdCompressSync(Buffer.alloc(20_000_000), { params: { [constants.ZSTD_c_windowLog]: 27 } });

test.each<[string, Uint8Array, number, object]>([
  ['all of it', ZEROS, 20_000_000, { kind: 'bytes' }],
  ['a bomb', ZEROS, 19_999_999, { kind: 'tooLarge' }],
  ['one that is allowed nothing', NOISE, 0, { kind: 'tooLarge' }],
  ['nothing', new Uint8Array(), 100, { kind: 'corrupt' }],
  ['no zstd', Buffer.from('{"statusCode":200}'), 100, { kind: 'corrupt' }],
  ['one that is cut off', NOISE.subarray(0, -1), 10_000, { kind: 'corrupt' }],
  ['two in a row', Buffer.concat([NOISE, NOISE]), 100_000, { kind: 'corrupt' }],
  ['bytes behind its end', Buffer.concat([NOISE, Buffer.from('x')]), 10_000, { kind: 'corrupt' }],
  ['a window of 128 MiB', WIDE, 100_000_000, { kind: 'corrupt' }],
])('decompresses: %s', async (_name, bytes, bytesMax, expected) => {
  expect(await unpack(bytes, bytesMax)).toMatchObject(expected);
});

test('gives back what it was given, and never throws whatever comes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 3000 }),
      fc.nat(3000),
      fc.nat(255),
      async (bytes, at, byte) => {
        const packed = await pack(bytes);
        expect(await unpack(packed, 3000)).toEqual({ kind: 'bytes', bytes: Buffer.from(bytes) });
        const damaged = Uint8Array.from(packed);
        damaged[at % damaged.length] = byte;
        const result = await unpack(damaged, 3000);
        if (result.kind === 'bytes') expect(result.bytes.length).toBeLessThanOrEqual(3000);
      },
    ),
    { numRuns: 200 },
  );
});
