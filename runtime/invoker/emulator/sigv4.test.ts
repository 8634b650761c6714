import { createHash, createHmac } from 'node:crypto';
import { GetFunctionCommand, LambdaClient, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { SignatureV4 } from '@smithy/signature-v4';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LocalLambda, startLocalLambda } from './local-lambda.ts';
import { call, workspace } from './testing.ts';

const space = workspace();
let lambda: LocalLambda;

beforeAll(async () => {
  lambda = await startLocalLambda({
    functions: [{ name: 'fn', entry: space.entry }],
    verifySignatures: { AKID: 'secret' },
  });
});

afterAll(async () => {
  await lambda.close();
  space.remove();
});

const clientWith = (accessKeyId: string, secretAccessKey: string) =>
  new LambdaClient({
    endpoint: lambda.url,
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
  });

test('what the AWS SDK signs is accepted: encoded paths, queries, bodies', async () => {
  const client = clientWith('AKID', 'secret');
  expect((await call(client, lambda.arn('fn', '$LATEST'), { a: 'ü' })).value).toEqual({ a: 'ü' });
  expect((await call(client, 'fn', {}, { Qualifier: '$LATEST' })).value).toEqual({});
  const listed = await client.send(new ListFunctionsCommand({ MaxItems: 5, FunctionVersion: 'ALL' }));
  expect(listed.Functions).toHaveLength(1);
  client.destroy();
});

test.each([
  ['a wrong secret', 'AKID', 'guess', 'InvalidSignatureException'],
  ['an unknown key', 'WHO', 'secret', 'UnrecognizedClientException'],
])('refused: %s', async (_name, id, secret, error) => {
  const client = clientWith(id, secret);
  await expect(client.send(new GetFunctionCommand({ FunctionName: 'fn' }))).rejects.toMatchObject({
    name: error,
  });
  client.destroy();
});

class Sha256 {
  readonly #hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', toBytes(secret));
  }
  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(toBytes(data));
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
}

function toBytes(data: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return new Uint8Array(data);
}

test('a body that was changed after it was signed is refused; so is a request without a signature', async () => {
  const signer = new SignatureV4({
    service: 'lambda',
    region: 'us-east-1',
    credentials: { accessKeyId: 'AKID', secretAccessKey: 'secret' },
    sha256: Sha256,
  });
  const { hostname, port, host } = new URL(lambda.url);
  const path = '/2015-03-31/functions/fn/invocations';
  const method = 'POST';
  const signed = await signer.sign({
    method,
    protocol: 'http:',
    hostname,
    port: Number(port),
    path,
    query: {},
    headers: { host },
    body: '{"a":1}',
  });
  const send = (body: string, headers: Record<string, string>) =>
    fetch(lambda.url + path, { method, headers, body });
  expect((await send('{"a":1}', signed.headers)).status).toBe(200);
  const changed = await send('{"a":2}', signed.headers);
  expect([changed.status, changed.headers.get('x-amzn-errortype')]).toEqual([
    403,
    'InvalidSignatureException',
  ]);
  const bare = await send('{}', {});
  expect(bare.headers.get('x-amzn-errortype')).toBe('MissingAuthenticationTokenException');
});
