import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { describeFunction } from './function-lookup.ts';

const ARN = 'arn:aws:lambda:eu-west-1:123456789012:function:checkout:7';

beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKID');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  vi.stubEnv('AWS_PROFILE', undefined);
});
afterEach(() => vi.unstubAllEnvs());

async function lookUp(status: number, body: object): Promise<unknown> {
  const server = createServer((_request, response) => response.writeHead(status).end(JSON.stringify(body)));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    return await describeFunction(ARN, { AWS_ENDPOINT_URL_LAMBDA: url }).catch((error: unknown) => error);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test.each<[string, number, object, object]>([
  [
    'a function',
    200,
    { Version: '7', CodeSha256: 'x', Runtime: 'nodejs24.x', Timeout: 30, MemorySize: 256, State: 'Active' },
    {
      kind: 'found',
      version: '7',
      codeSha256: 'x',
      runtime: 'nodejs24.x',
      timeoutMs: 30_000,
      memoryMb: 256,
    },
  ],
  ['a failed one', 200, { State: 'Failed', StateReason: 'no image' }, { code: 'HF_LAMBDA_NOT_ACTIVE' }],
  ['none', 404, { __type: 'ResourceNotFoundException', Message: 'x' }, { code: 'HF_LAMBDA_NOT_FOUND' }],
  ['no permission', 403, { __type: 'AccessDeniedException', Message: 'x' }, { kind: 'notAllowed' }],
  ['another error', 400, { __type: 'InvalidParameterValueException', Message: 'x' }, { code: 'META0003' }],
])('looks a function up: %s', async (_name, status, body, expected) => {
  expect(await lookUp(status, body)).toMatchObject(expected);
});

test('an ARN without a version is refused without a call', async () => {
  const unqualified = ARN.replace(/:7$/, '');
  await expect(describeFunction(unqualified, {})).rejects.toMatchObject({ code: 'HF_LAMBDA_ARN' });
});
