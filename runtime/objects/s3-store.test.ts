import { afterEach, expect, test } from 'vitest';
import { type S3Double, startS3 } from '../../test/doubles/s3.ts';
import type { Logger } from '../platform/ports.ts';
import { systemTimers } from '../platform/timers.ts';
import { objectStoreConformance } from './conformance.ts';
import { createS3Store, type S3StoreOptions } from './s3-store.ts';

const silent = (): void => undefined;
const logger: Logger = { debug: silent, info: silent, warn: silent, error: silent };
const monotonicMs = () => performance.now();
const timers = systemTimers({ monotonicMs });
const KEYS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI', sessionToken: 'a+b/c==' };
const BUCKET = 'payloads-of-tests';

function connect(url: string, options: Partial<S3StoreOptions> = {}) {
  return createS3Store({
    bucket: BUCKET,
    prefix: 'cluster-a/',
    region: 'eu-west-1',
    clock: { now: () => Date.now(), monotonicMs },
    timers,
    logger,
    env: { AWS_ENDPOINT_URL_S3: url },
    credentials: async () => KEYS,
    ...options,
  });
}

async function follow(method: string, link: string, bytes?: Uint8Array) {
  const answer = await fetch(link, { method, ...(bytes === undefined ? {} : { body: Buffer.from(bytes) }) });
  return { status: answer.status, body: new Uint8Array(await answer.arrayBuffer()) };
}

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

async function double(): Promise<S3Double> {
  const s3 = await startS3({
    secrets: { [KEYS.accessKeyId]: KEYS.secretAccessKey },
    bucket: BUCKET,
    pageKeys: 10,
  });
  open.push(() => s3.close());
  return s3;
}

objectStoreConformance('S3', async () => {
  const s3 = await double();
  const store = connect(s3.url);
  return {
    store,
    follow,
    pass(ms) {
      s3.aheadMs += ms;
    },
    close: async () => store.close(),
  };
});

// Set to the URL of one, the same suite runs against moto: a double is not its own judge.
const motoUrl = process.env['MOTO_URL'];
if (motoUrl !== undefined) {
  let clusters = 0;
  objectStoreConformance('S3 by moto', async () => {
    await fetch(`${motoUrl}/${BUCKET}`, { method: 'PUT' });
    const store = connect(motoUrl, { prefix: `cluster-${clusters++}/` });
    return { store, follow, pass: undefined, close: async () => store.close() };
  });
}

test('passing trouble is ridden out, lasting trouble has a code and says what to check', async () => {
  const s3 = await double();
  const store = connect(s3.url);
  open.push(() => store.close());
  s3.failures.push(503, 500);
  await store.put('k', Uint8Array.of(1));
  s3.failures.push(503, 503, 503);
  await expect(store.get('k', 1)).rejects.toMatchObject({
    code: 'HF_OBJECT_STORE',
    message: expect.stringMatching(/'payloads-of-tests' in eu-west-1/),
  });
  const elsewhere = connect(s3.url, { bucket: 'missing' });
  open.push(() => elsewhere.close());
  await expect(elsewhere.put('k', Uint8Array.of(1))).rejects.toMatchObject({
    code: 'HF_OBJECT_STORE',
    message: expect.stringMatching(/NoSuchBucket/),
  });
  await expect(connect('http://127.0.0.1:9').removeAll('k')).rejects.toMatchObject({
    code: 'HF_OBJECT_STORE',
  });
});

test('keys lie under the prefix of the cluster, in the path of the endpoint or in the host of the bucket', async () => {
  const s3 = await double();
  const store = connect(s3.url);
  open.push(() => store.close());
  await store.put('a/b', Uint8Array.of(1));
  expect([...s3.objects.keys()]).toEqual([`${BUCKET}/cluster-a/a/b`]);
  const origin = async (options: Partial<S3StoreOptions>) =>
    (await connect('', options).presignGet('a', 60)).replace(/\?.*/, '');
  expect(await origin({})).toBe(`https://${BUCKET}.s3.eu-west-1.amazonaws.com/cluster-a/a`);
  expect(await origin({ bucket: 'with.dot' })).toBe(
    'https://s3.eu-west-1.amazonaws.com/with.dot/cluster-a/a',
  );
  expect(await origin({ region: 'cn-north-1', prefix: '' })).toBe(
    `https://${BUCKET}.s3.cn-north-1.amazonaws.com.cn/a`,
  );
});

test('without credentials there are no links, and the reason is told', async () => {
  const credentials = async () => {
    throw new Error('no metadata service');
  };
  const store = connect('http://127.0.0.1:9', { credentials });
  await expect(store.presignGet('a', 60)).rejects.toMatchObject({ code: 'HF_AWS_CREDENTIALS' });
  await expect(store.put('a', Uint8Array.of(1))).rejects.toMatchObject({ code: 'HF_AWS_CREDENTIALS' });
});
