import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type StsDouble, startSts } from '../../test/doubles/sts.ts';
import type { CredentialSource } from '../platform/aws/credentials.ts';
import type { Clock, Logger, TimerHandle, Timers } from '../platform/ports.ts';
import type { AssumedRole } from './assume-role.ts';
import { createLambdaClient, type LambdaResult } from './lambda-client.ts';

const ARN = 'arn:aws:lambda:eu-west-1:123456789012:function:checkout:7';
const PLAIN: AssumedRole = { arn: 'arn:aws:iam::123456789012:role/plain' };
const GUARDED: AssumedRole = { arn: 'arn:aws:iam::210987654321:role/guarded', externalId: 'tenant-7' };

const timers: Timers = {
  set: (delayMs, callback) => setTimeout(callback, delayMs) as unknown as TimerHandle,
  clear: handle => clearTimeout(handle as unknown as NodeJS.Timeout),
  soon: callback => void setImmediate(callback),
};
const silent = (): void => undefined;
const logger: Logger = { debug: silent, info: silent, warn: silent, error: silent };

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

/** A function that takes every call and notes whose it was; and the STS that its caller asks. */
async function world(own?: CredentialSource) {
  const sts = await startSts([PLAIN, GUARDED]);
  const used: string[] = [];
  const lambda = createServer((request, response) => {
    const key = /Credential=(\w+)/.exec(request.headers.authorization ?? '')?.[1];
    used.push(`${key} ${request.headers['x-amz-security-token'] ?? '-'}`);
    request.resume().on('end', () => response.end('{}'));
  });
  await new Promise<void>(resolve => lambda.listen(0, '127.0.0.1', resolve));
  let skewMs = 0;
  const clock: Clock = { now: () => Date.now() + skewMs, monotonicMs: () => performance.now() + skewMs };
  const client = createLambdaClient({
    clock,
    timers,
    logger,
    env: {
      AWS_ENDPOINT_URL_LAMBDA: `http://127.0.0.1:${(lambda.address() as AddressInfo).port}`,
      AWS_ENDPOINT_URL_STS: sts.url,
    },
    credentials: own ?? (async () => ({ accessKeyId: 'AKIDOWN', secretAccessKey: 'secret' })),
  });
  open.push(
    () => client.close(),
    () => sts.close(),
    async () => {
      lambda.closeAllConnections();
      await new Promise(resolve => lambda.close(resolve));
    },
  );
  const invoke = (assumeRole?: AssumedRole) =>
    new Promise<LambdaResult>(resolve => {
      const request = { arn: ARN, payload: '{}', timeoutMs: 5000 };
      client.invoke(assumeRole === undefined ? request : { ...request, assumeRole }, resolve);
    });
  const pass = (ms: number) => {
    skewMs += ms;
  };
  return { sts, used, invoke, pass };
}

const roles = ({ calls }: StsDouble) => calls.map(call => call.roleArn);

test('each role is assumed once for all its calls, with our own credentials, and called with its own', async () => {
  const { sts, used, invoke } = await world();
  await Promise.all([invoke(PLAIN), invoke(PLAIN), invoke({ ...PLAIN })]);
  await Promise.all([invoke(GUARDED), invoke()]);
  await invoke(PLAIN);
  const session = expect.stringMatching(/^holdfast-\d{10}$/);
  const call = { session, caller: 'AKIDOWN', region: 'eu-west-1' };
  expect(sts.calls).toEqual([
    { ...call, roleArn: PLAIN.arn, externalId: undefined },
    { ...call, roleArn: GUARDED.arn, externalId: 'tenant-7' },
  ]);
  const plain = 'ASIA1 token1';
  expect(used.sort()).toEqual(['AKIDOWN -', plain, plain, plain, plain, 'ASIA2 token2']);
});

test('credentials are renewed before they expire, while the old ones serve', async () => {
  const { sts, used, invoke, pass } = await world();
  await invoke(PLAIN);
  pass(56 * 60_000);
  let release = silent;
  sts.gate = new Promise(resolve => {
    release = resolve;
  });
  await invoke(PLAIN);
  await invoke(PLAIN);
  await expect.poll(() => roles(sts)).toEqual([PLAIN.arn, PLAIN.arn]);
  sts.validMs = 3 * 3_600_000;
  release();
  await expect.poll(() => invoke(PLAIN).then(() => used.at(-1))).toBe('ASIA2 token2');
  expect(used.slice(0, 3)).toEqual(['ASIA1 token1', 'ASIA1 token1', 'ASIA1 token1']);
  expect(sts.calls.length).toBe(2);
});

test.each<[string, AssumedRole]>([
  ['a role without trust', { arn: 'arn:aws:iam::1:role/other' }],
  ['another external id', { ...GUARDED, externalId: 'tenant-8' }],
  ['no external id', { arn: GUARDED.arn }],
])('an attempt fails with a code: %s; STS is not asked again at once', async (_name, role) => {
  const { sts, used, invoke, pass } = await world();
  for (let i = 0; i < 3; i++) {
    expect(await invoke(role)).toMatchObject({
      kind: 'failed',
      code: 'HF_ASSUME_ROLE',
      message: expect.stringMatching(/role\/.*AccessDenied/),
    });
  }
  expect(await invoke(PLAIN)).toMatchObject({ kind: 'response' });
  expect({ asked: sts.calls.length, used: used.length }).toEqual({ asked: 2, used: 1 });
  pass(5001);
  await invoke(role);
  expect(sts.calls.length).toBe(3);
});

test('without credentials of our own the failure says that, not that the role is wrong', async () => {
  const { invoke } = await world(async () => {
    throw new Error('no metadata service');
  });
  expect(await invoke(PLAIN)).toMatchObject({ kind: 'failed', code: 'HF_AWS_CREDENTIALS' });
});
