import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { endpointOf, endpointOverride, parseLambdaArn } from '../../invoker/lambda-arn.ts';
import { type AwsCredentials, amzDate, canonicalPath, createSigner, encodeSegment } from './sigv4.ts';

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

interface Case {
  readonly arn: string;
  readonly endpoint?: string;
  readonly body: Uint8Array;
  readonly credentials: AwsCredentials;
  readonly nowMs: number;
}

const signer = createSigner();

function ours({ arn, endpoint, body, credentials, nowMs }: Case): Record<string, string> {
  const parsed = parseLambdaArn(arn);
  const { host, prefix } = endpointOf(parsed, endpointOverride({ AWS_ENDPOINT_URL_LAMBDA: endpoint }));
  const path = `${prefix}/2015-03-31/functions/${encodeSegment(arn)}/invocations`;
  const target = { host, path, canonicalPath: canonicalPath(path), region: parsed.region };
  const flat = signer.sign(target, body, credentials, nowMs);
  return Object.fromEntries(
    flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] as string] as const] : [])),
  );
}

async function theirs({ arn, endpoint, body, credentials, nowMs }: Case): Promise<Record<string, string>> {
  const parsed = parseLambdaArn(arn);
  const { origin, host, prefix } = endpointOf(
    parsed,
    endpointOverride({ AWS_ENDPOINT_URL_LAMBDA: endpoint }),
  );
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const oracle = new SignatureV4({
    service: 'lambda',
    region: parsed.region,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
    sha256: Sha256,
    applyChecksum: false,
  });
  const request = {
    method: 'POST',
    protocol: new URL(origin).protocol,
    hostname: host,
    path: `${prefix}/2015-03-31/functions/${encodeURIComponent(arn)}/invocations`,
    headers: { host, 'content-type': 'application/octet-stream' },
    query: {},
    body,
  };
  return (await oracle.sign(request, { signingDate: new Date(nowMs) })).headers;
}

const KEYS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const base: Case = {
  arn: 'arn:aws:lambda:us-east-1:123456789012:function:checkout:7',
  body: Buffer.from('{"path":"/discover"}'),
  credentials: KEYS,
  nowMs: Date.UTC(2026, 10, 20, 17, 20, 56, 789),
};

test.each<[string, Partial<Case>]>([
  ['a version', {}],
  ['$LATEST', { arn: 'arn:aws:lambda:us-east-1:123456789012:function:h7fn:$LATEST' }],
  ['another region and partition', { arn: 'arn:aws-cn:lambda:cn-north-1:123456789012:function:f:live' }],
  ['a session token', { credentials: { ...KEYS, sessionToken: 'FwoGZXIvYXdzEJr//////////wEaDA==' } }],
  ['an empty body', { body: new Uint8Array() }],
  ['an endpoint with a port', { endpoint: 'http://127.0.0.1:9001' }],
  ['an endpoint with a path', { endpoint: 'https://proxy.example/aws lambda/' }],
  ['the same second again', { nowMs: base.nowMs + 200 }],
  ['the next day, same key cache', { nowMs: base.nowMs + 86_400_000 }],
  ['the first day of a leap year', { nowMs: Date.UTC(2028, 0, 1) }],
  ['29 February', { nowMs: Date.UTC(2028, 1, 29, 23, 59, 59, 999) }],
])('signs like the AWS SDK: %s', async (_name, change) => {
  const call = { ...base, ...change };
  expect(ours(call)).toEqual(await theirs(call));
});

test('signs like the AWS SDK: whatever it is given', async () => {
  const word = (chars: string, maxLength: number) =>
    fc.string({ unit: fc.constantFrom(...chars), minLength: 1, maxLength });
  const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_';
  const arbitrary = fc.record({
    arn: fc
      .tuple(
        fc.constantFrom('us-east-1', 'eu-central-1', 'ap-southeast-2'),
        word(alphabet, 64),
        fc.oneof(fc.constant('$LATEST'), word(alphabet, 128)),
      )
      .map(([region, name, version]) => `arn:aws:lambda:${region}:000000000001:function:${name}:${version}`),
    body: fc.uint8Array({ maxLength: 600 }),
    nowMs: fc.integer({ min: 0, max: 4_102_444_800_000 }),
    credentials: fc.record({
      accessKeyId: word(alphabet, 20),
      secretAccessKey: word(`${alphabet}/+=`, 40),
      sessionToken: fc.option(word(`${alphabet}/+=`, 300), { nil: undefined }),
    }),
  });
  await fc.assert(
    fc.asyncProperty(arbitrary, async call => {
      expect(ours(call)).toEqual(await theirs(call));
    }),
    { numRuns: 300 },
  );
});

test('writes any time as AWS wants it', () => {
  fc.assert(
    fc.property(fc.integer({ min: -2_208_988_800, max: 253_402_300_799 }), second => {
      const iso = new Date(second * 1000).toISOString();
      expect(amzDate(second)).toBe(iso.replace(/[-:]|\.000/g, ''));
    }),
  );
});

test.each([
  ['no ARN', 'checkout'],
  ['no version', 'arn:aws:lambda:us-east-1:123456789012:function:checkout'],
  ['an empty version', 'arn:aws:lambda:us-east-1:123456789012:function:checkout:'],
  ['a short account', 'arn:aws:lambda:us-east-1:1234:function:checkout:1'],
  ['another service', 'arn:aws:s3:us-east-1:123456789012:function:checkout:1'],
  ['a path in the region', 'arn:aws:lambda:evil.example/x:123456789012:function:checkout:1'],
  ['a line end', 'arn:aws:lambda:us-east-1:123456789012:function:checkout:1\n'],
])('refuses an ARN: %s', (_name, arn) => {
  expect(() => parseLambdaArn(arn)).toThrow(expect.objectContaining({ code: 'HF_LAMBDA_ARN' }));
});

test('takes the endpoint from the environment, else from the ARN', () => {
  const cn = parseLambdaArn('arn:aws-cn:lambda:cn-north-1:123456789012:function:f:1');
  const of = (env: Record<string, string>) => endpointOf(cn, endpointOverride(env)).origin;
  expect(of({})).toBe('https://lambda.cn-north-1.amazonaws.com.cn');
  expect(of({ AWS_ENDPOINT_URL_LAMBDA: '', AWS_ENDPOINT_URL: 'http://b:2/' })).toBe('http://b:2');
  expect(of({ AWS_ENDPOINT_URL_LAMBDA: 'http://a:1', AWS_ENDPOINT_URL: 'http://b:2' })).toBe('http://a:1');
  expect(() => of({ AWS_ENDPOINT_URL: 'localhost:9001' })).toThrow(
    expect.objectContaining({ code: 'HF_LAMBDA_ENDPOINT' }),
  );
});
