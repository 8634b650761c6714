import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPresigner } from './presign.ts';

/** What the oracle wants as a hash: SHA-256, or HMAC-SHA-256 with a secret. */
class Sha256 {
  readonly #hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret as string);
  }
  update(data: Uint8Array): void {
    this.#hash.update(data);
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
  reset(): void {}
}

const text = fc.string({ minLength: 1, maxLength: 40 });
const links = fc.record({
  method: fc.constantFrom('GET' as const, 'PUT' as const),
  host: fc.constantFrom('payloads.s3.eu-west-1.amazonaws.com', '127.0.0.1:9000'),
  bucket: fc.constantFrom('/', '/payloads/'),
  region: fc.constantFrom('eu-west-1', 'us-gov-east-1'),
  key: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.~-]{1,30}\/[A-Za-z0-9_-]{1,30}$/),
  seconds: fc.integer({ min: 1, max: 604_800 }),
  credentials: fc.record({
    accessKeyId: fc.stringMatching(/^[A-Z0-9]{4,20}$/),
    secretAccessKey: text,
    sessionToken: fc.option(text, { nil: undefined }),
  }),
  nowMs: fc.integer({ min: 0, max: 4_000_000_000_000 }),
});

test('links are those that the AWS SDK signs', async () => {
  await fc.assert(
    fc.asyncProperty(links, async ({ method, host, bucket, region, key, seconds, credentials, nowMs }) => {
      const origin = host.includes(':') ? `http://${host}` : `https://${host}`;
      const presigner = createPresigner({ origin, host, path: bucket, region });
      // A repetition takes what is kept from the first.
      presigner.presign(method, 'other', 60, credentials, nowMs);
      const link = new URL(presigner.presign(method, key, seconds, credentials, nowMs));
      const { sessionToken, ...keys } = credentials;
      const oracle = new SignatureV4({
        service: 's3',
        region,
        credentials: { ...keys, ...(sessionToken === undefined ? {} : { sessionToken }) },
        sha256: Sha256,
        applyChecksum: false,
        uriEscapePath: false,
      });
      const signed = await oracle.presign(
        {
          method,
          protocol: 'https:',
          hostname: host,
          path: `${bucket}${key}`,
          headers: { host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
          query: {},
        },
        {
          expiresIn: seconds,
          signingDate: new Date(nowMs),
          // It tells the oracle what is signed in place of the body; in a link it goes without saying.
          unsignableHeaders: new Set(['x-amz-content-sha256']),
          unhoistableHeaders: new Set(['x-amz-content-sha256']),
        },
      );
      expect(link.pathname).toBe(`${bucket}${key}`);
      expect(Object.fromEntries(link.searchParams)).toEqual(signed.query);
    }),
    { numRuns: 200 },
  );
});
