/** Compressed bodies of whoever answers: what comes out is bounded, whatever the input claims. */
import { zstdCompressSync } from 'node:zlib';
import { capturedBodies } from '../../../protocol/vectors.testkit.ts';
import { type Decompressed, decompress } from '../../../runtime/platform/zstd.ts';
import { mutateBytes } from '../mutate-bytes.ts';
import { demand, type Target, type Verdict } from '../target.ts';

const BYTES_MAX = 256 * 1024;
const BOMB = Buffer.alloc(64 * 1024 * 1024);

async function pass(input: Uint8Array): Promise<Verdict> {
  const results: Decompressed[] = [];
  await new Promise<void>(resolve => {
    decompress(input, BYTES_MAX, result => {
      results.push(result);
      resolve();
    });
    demand(results.length === 0, 'it is done before the call returns');
  });
  const [result] = results;
  demand(results.length === 1 && result !== undefined, 'it is done more than once');
  if (result.kind !== 'bytes') return 'refused';
  demand(result.bytes.length <= BYTES_MAX, `${result.bytes.length} bytes have come out`);
  return 'accepted';
}

export const createTarget = (): Target => ({
  seeds: [
    ...capturedBodies.slice(0, 40).map(({ body }) => new Uint8Array(zstdCompressSync(body))),
    new Uint8Array(zstdCompressSync(Buffer.concat(capturedBodies.map(({ body }) => body)))),
    new Uint8Array(zstdCompressSync(BOMB)),
  ],
  mutate: mutateBytes,
  pass,
});
