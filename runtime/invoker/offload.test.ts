import { createCipheriv, createHash } from 'node:crypto';
import { zstdCompressSync as zstd } from 'node:zlib';
import { contentTypeOf, decodeFrame, decodeFrames, encodeFrame } from '@holdfast/protocol';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { type Context, createEndpointHandler, type LambdaEvent, service } from '../../sdk-lambda/index.ts';
import { startS3 } from '../../test/doubles/s3.ts';
import { createMemoryObjectStore } from '../objects/memory-store.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { createS3Store } from '../objects/s3-store.ts';
import type { Logger, Timers } from '../platform/ports.ts';
import { systemRandom } from '../platform/random.ts';
import { systemTimers } from '../platform/timers.ts';
import { createLambdaTransport, type LambdaAddress } from './lambda-transport.ts';
import { createOffload, type OffloadOptions } from './offload.ts';
import { cutBody } from './offload-parts.ts';
import type { ExchangeResult, HandlerRequest } from './transport.ts';

const MIB = 1024 * 1024;
const ID = 'inv_1aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa';
const ADDRESS: LambdaAddress = {
  kind: 'lambda',
  arn: 'arn:aws:lambda:eu-west-1:123456789012:function:checkout:7',
  compression: 'zstd',
  offload: true,
};
const V6 = contentTypeOf(6);
const clock = { now: () => Date.now(), monotonicMs: () => performance.now() };
const timers = systemTimers(clock);
const logged: object[] = [];
const note = (event: string, fields = {}): void => void logged.push({ event, ...fields });
const logger: Logger = { debug: note, info: note, warn: note, error: note };

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
  logged.length = 0;
});

const noises = new Map<string, string>();
/** A MiB of text of which compression leaves three quarters, the same for the same name. */
function noise(name: string): string {
  let text = noises.get(name);
  if (text === undefined) {
    const key = createHash('sha256').update(name).digest();
    const bytes = createCipheriv('aes-256-ctr', key, key.subarray(0, 16)).update(Buffer.alloc(MIB));
    text = bytes.toString('base64').slice(0, MIB);
    noises.set(name, text);
  }
  return text;
}

/** Each step gives a MiB, and so does each part of the answer. */
const large = service({
  name: 'S',
  handlers: {
    steps: async (ctx: Context, input: { steps: number; times: number }) => {
      for (let i = 0; i < input.steps; i++) await ctx.run(`s${i}`, () => noise(`s${i}`));
      return Array.from({ length: input.times }, (_, i) => noise(`s${i}`));
    },
  },
});

/** The attempt after `done` of the `steps`. */
function requestOf(done: number, times = 0, steps = done): HandlerRequest {
  const frames = [
    encodeFrame('Start', {
      id: new Uint8Array(24).fill(7),
      debugId: ID,
      knownEntries: 1 + done * 2,
      partialState: true,
    }),
    encodeFrame('InputCommand', { value: Buffer.from(JSON.stringify({ steps, times })) }),
  ];
  for (let i = 0; i < done; i++) {
    frames.push(encodeFrame('RunCommand', { resultCompletionId: i + 1, name: `s${i}` }));
    const value = Buffer.from(JSON.stringify(noise(`s${i}`)));
    frames.push(encodeFrame('RunCompletion', { completionId: i + 1, value }));
  }
  return {
    method: 'POST',
    path: '/invoke/S/steps',
    headers: { 'content-type': V6, accept: V6, 'x-restate-invocation-id': ID },
    body: Buffer.concat(frames),
    invocationId: ID,
  };
}

const handler = createEndpointHandler({ services: [large] });

/** A real function of our SDK behind the transport, and the store between the two. */
async function world(
  fn: (event: LambdaEvent) => Promise<object> = event => handler(event, { awsRequestId: 'r' }),
) {
  const s3 = await startS3({ secrets: { AKID: 'secret' }, bucket: 'payloads-bucket' });
  const store = createS3Store({
    bucket: 'payloads-bucket',
    prefix: 'cluster-a/',
    region: 'eu-west-1',
    env: { AWS_ENDPOINT_URL_S3: s3.url },
    credentials: async () => ({ accessKeyId: 'AKID', secretAccessKey: 'secret' }),
    ...{ clock, timers, logger },
  });
  const offload = createOffload({ store, timers, logger, random: systemRandom() });
  open.push(
    () => offload.close(),
    () => store.close(),
    () => s3.close(),
  );
  const sizes: number[] = [];
  const { of } = createLambdaTransport({
    timers,
    offload,
    client: {
      invoke({ payload }, done) {
        sizes.push(payload.length);
        const event = JSON.parse(Buffer.from(payload).toString()) as LambdaEvent;
        void fn(event).then(answer =>
          done({ kind: 'response', payload: Buffer.from(JSON.stringify(answer)) }),
        );
        return { abort: () => undefined };
      },
    },
  });
  const exchange = (request: HandlerRequest, responseBytesMax = 32 * MIB) =>
    new Promise<ExchangeResult>(resolve =>
      of(ADDRESS).exchange(request, { responseBytesMax, timeoutMs: 5000 }, resolve),
    );
  const chunks = () => [...s3.objects.keys()].filter(key => !key.includes('answer-'));
  const puts = () => s3.requests.filter(line => line.startsWith('PUT') && !line.includes('answer-')).length;
  return { s3, of, offload, sizes, exchange, chunks, puts };
}

/** What the handler has returned, as its length; or what went wrong. */
function outcome(result: ExchangeResult): unknown {
  if (result.kind !== 'response') return result;
  const frames = decodeFrames(result.body).map(decodeFrame);
  const output = frames.find(({ name }) => name === 'OutputCommand');
  const value = (output?.message as { value?: Uint8Array } | undefined)?.value;
  if (value === undefined) return frames;
  return (JSON.parse(Buffer.from(value).toString()) as unknown[]).length;
}

test('journal and answer of any size pass between us and a function of our SDK', async () => {
  const { s3, sizes, exchange, offload } = await world();
  expect(outcome(await exchange(requestOf(1)))).toBe(0);
  expect([...s3.objects.keys()]).toEqual([]);
  expect(outcome(await exchange(requestOf(14, 7)))).toBe(7);
  const kinds = ['answer-…', '…', '…', '…'].map(kind => `payloads-bucket/cluster-a/payloads/${ID}/${kind}`);
  expect([...s3.objects.keys()].map(key => key.replace(/[0-9a-f]{32,}$/, '…')).sort()).toEqual(kinds);
  expect(Math.max(...sizes)).toBeLessThan(6 * MIB);
  offload.release(ID);
  await expect.poll(() => s3.objects.size).toBe(0);
});

test('the next attempt finds the chunks of the one before, and stores what is new', async () => {
  const { exchange, chunks, puts } = await world();
  await exchange(requestOf(9, 0, 13));
  const first = chunks();
  expect(first.length).toBe(2);
  await exchange(requestOf(9, 0, 13));
  expect(puts()).toBe(2);
  expect(outcome(await exchange(requestOf(13)))).toBe(0);
  expect(chunks()).toEqual(expect.arrayContaining(first));
  expect({ chunks: chunks().length, puts: puts() }).toEqual({ chunks: 3, puts: 3 });
});

const SHA = 'x-holdfast-body-sha256';
const BYTES = 'x-holdfast-body-bytes';
const LEFT = Buffer.from('an answer');
const TRUTH = { [SHA]: createHash('sha256').update(LEFT).digest('hex'), [BYTES]: String(LEFT.length) };

/** A function that leaves nine bytes and says what it is told to say of them. */
const leaving =
  (headers: Record<string, string>, bytes?: Buffer) =>
  async (event: LambdaEvent): Promise<object> => {
    const url = event.headers?.['x-holdfast-upload'];
    if (bytes !== undefined && url !== undefined) await fetch(url, { method: 'PUT', body: bytes });
    return { statusCode: 200, headers: { 'content-type': V6, ...headers } };
  };

test.each<[string, Record<string, string>, Buffer | undefined, object]>([
  ['what was announced', {}, LEFT, { kind: 'response', body: LEFT, headers: { 'content-type': V6 } }],
  [
    'compressed',
    {
      'content-encoding': 'zstd',
      [BYTES]: '18',
      [SHA]: createHash('sha256').update(zstd(LEFT)).digest('hex'),
    },
    zstd(LEFT),
    { kind: 'response', body: LEFT, headers: { 'content-type': V6 } },
  ],
  ['another digest', { [SHA]: 'a'.repeat(64) }, LEFT, { code: 'RT0012', message: /digest/ }],
  ['no digest', { [SHA]: 'x' }, LEFT, { code: 'RT0012', message: /malformed/ }],
  ['no length', { [BYTES]: '-1' }, LEFT, { code: 'RT0012', message: /malformed/ }],
  ['less than was announced', { [BYTES]: '10' }, LEFT, { code: 'RT0012', message: /9 bytes in place of 10/ }],
  ['more than was announced', { [BYTES]: '8' }, LEFT, { code: 'HF_OBJECT_STORE' }],
  ['more than is taken', { [BYTES]: '1001' }, LEFT, { code: 'RT0019', deterministic: true }],
  ['nothing', {}, undefined, { code: 'RT0012', message: /not in the object store/ }],
])('an answer that was left in the store is taken if it is what was announced: %s', async (...row) => {
  const [, headers, bytes, expected] = row;
  const { exchange } = await world(leaving({ ...TRUTH, ...headers }, bytes));
  const { message, ...rest } = expected as { message?: RegExp };
  const result = await exchange(requestOf(0), 1000);
  expect(result).toMatchObject(rest);
  if (message !== undefined) expect(result).toMatchObject({ message: expect.stringMatching(message) });
});

test('chunks that somebody has deleted are stored again for the attempt after', async () => {
  const { s3, exchange, puts } = await world();
  await exchange(requestOf(9));
  for (const key of [...s3.objects.keys()]) s3.objects.delete(key);
  expect(outcome(await exchange(requestOf(9)))).toMatchObject([{ name: 'Error' }]);
  expect(outcome(await exchange(requestOf(9)))).toBe(0);
  expect(puts()).toBe(4);
});

test('an announcement is worth nothing where no place was offered', async () => {
  const { exchange } = await world(leaving(TRUTH, LEFT));
  const { invocationId: _none, ...unidentified } = requestOf(0);
  expect(await exchange(unidentified)).toMatchObject({
    code: 'RT0012',
    message: expect.stringMatching(/not offered/),
  });
});

test('trouble of the store fails the attempt, which may be made again', async () => {
  const { s3, exchange, puts } = await world();
  s3.failures.push(...Array.from({ length: 20 }, () => 503));
  const result = await exchange(requestOf(9));
  expect(result).toMatchObject({ kind: 'failed', code: 'HF_OBJECT_STORE' });
  expect(result).not.toHaveProperty('deterministic');
  s3.failures.length = 0;
  expect(outcome(await exchange(requestOf(9)))).toBe(0);
  expect(puts()).toBeGreaterThan(2);
});

test('beyond what the SDK takes together, and without a store, the invocation pauses with size and way out', async () => {
  const { of: through } = await world();
  const { compression: _compression, ...uncompressed } = ADDRESS;
  const huge = { ...requestOf(0), body: new Uint8Array(65 * MIB) };
  const limits = { responseBytesMax: MIB, timeoutMs: 5000 };
  const refused = new Promise(resolve => through(uncompressed).exchange(huge, limits, resolve));
  expect(await refused).toMatchObject({
    code: 'HF_JOURNAL_TOO_LARGE',
    deterministic: true,
    message: expect.stringMatching(/Through the object store it may have 67108864/),
  });
  const { of } = createLambdaTransport({ timers, client: { invoke: () => expect.unreachable() } });
  const without = (endpoint: LambdaAddress) =>
    new Promise<ExchangeResult>(resolve => of(endpoint).exchange(requestOf(9), limits, resolve));
  expect(await without(ADDRESS)).toMatchObject({
    message: expect.stringMatching(/Give the orchestrator an/),
  });
  const { offload: _offload, ...plain } = ADDRESS;
  expect(await without(plain)).toMatchObject({ message: expect.stringMatching(/use an SDK that takes/) });
});

/** A frame of noise. */
function noisy(bytes: number): Uint8Array {
  return encodeFrame('RunCompletion', { completionId: 1, value: systemRandom().bytes(bytes) });
}

test('a body is cut between frames, the same for every journal that begins with it', () => {
  const sizes = fc.array(fc.nat(3000), { maxLength: 40 });
  const frame = (length: number, i: number) =>
    encodeFrame('InputCommand', { value: new Uint8Array(length).fill(i) });
  fc.assert(
    fc.property(sizes, fc.nat(40), fc.nat(6000), fc.nat(6000), (all, count, start, inlineMax) => {
      const body = (n: number, head: number) =>
        Buffer.concat([frame(head, 0), ...all.slice(0, n).map((size, i) => frame(size, i))]);
      const cut = (n: number, head: number) => cutBody(body(n, head), 5000, inlineMax);
      const pieces = cut(all.length, start);
      expect(Buffer.concat(pieces.map(({ bytes }) => bytes)).equals(body(all.length, start))).toBe(true);
      for (const { bytes } of pieces) expect(() => decodeFrames(bytes)).not.toThrow();
      const inline = pieces.filter(({ stored }) => !stored).reduce((sum, { bytes }) => sum + bytes.length, 0);
      expect(inline).toBeLessThanOrEqual(inlineMax);
      const chunks = (of: ReturnType<typeof cut>) =>
        of
          .slice(1)
          .flatMap(({ bytes }) => (bytes.length >= 5000 ? [Buffer.from(bytes).toString('hex')] : []));
      const shorter = chunks(cut(Math.min(count, all.length), 7));
      expect(chunks(pieces).slice(0, shorter.length)).toEqual(shorter);
    }),
  );
});

interface FakeTime {
  readonly timers: Timers;
  /** Runs what is set, in turn; how long each had to wait. */
  run(): Promise<number[]>;
}

function fakeTime(): FakeTime {
  const set: { delayMs: number; callback: () => void }[] = [];
  return {
    timers: {
      set(delayMs, callback) {
        const timer = { delayMs, callback };
        set.push(timer);
        return timer as never;
      },
      clear: timer => void set.splice(set.indexOf(timer as never), 1),
      soon: callback => void setImmediate(callback),
    },
    async run() {
      const delays: number[] = [];
      for (;;) {
        await new Promise(resolve => setImmediate(resolve));
        const timer = set.shift();
        if (timer === undefined) return delays;
        delays.push(timer.delayMs);
        timer.callback();
      }
    },
  };
}

function withStore(broken: Partial<ObjectStore> = {}, options: Partial<OffloadOptions> = {}) {
  const memory = createMemoryObjectStore(clock);
  const store = { ...memory, ...broken };
  const offload = createOffload({ store, timers, logger, random: systemRandom(), ...options });
  open.push(() => offload.close());
  return { memory, offload };
}

test('what was stored is deleted again and again until it is gone, or given up with a line in the log', async () => {
  for (const failures of [2, 99]) {
    const time = fakeTime();
    let asked = 0;
    const { memory, offload } = withStore(
      {
        async removeAll(prefix) {
          if (asked++ < failures) throw new Error('no way there');
          await memory.removeAll(prefix);
        },
      },
      { timers: time.timers, chunkBytes: 100, inlineBytesMax: 100 },
    );
    const body = Buffer.concat([encodeFrame('InputCommand', {}), noisy(500)]);
    await offload.pack(ID, body);
    expect(memory.objects.size).toBe(1);
    offload.release(ID);
    offload.release(ID);
    offload.release('inv_1other');
    const delays = await time.run();
    if (failures === 2) {
      expect({ delays, asked, left: memory.objects.size, logged }).toEqual({
        delays: [2000, 4000],
        asked: 3,
        left: 0,
        logged: [],
      });
    } else {
      expect({ asked, left: memory.objects.size }).toEqual({ asked: 6, left: 1 });
      const fields = { code: 'HF_OBJECT_STORE', prefix: `payloads/${ID}/`, reason: 'no way there' };
      expect(logged).toEqual([{ event: 'offloaded payloads not deleted', ...fields }]);
    }
  }
});

test('what is still being stored when its invocation ends is deleted, too', async () => {
  const started: (() => void)[] = [];
  const { memory, offload } = withStore(
    {
      put: async (key, bytes) => {
        await new Promise<void>(resolve => started.push(resolve));
        await memory.put(key, bytes);
      },
    },
    { chunkBytes: 100, inlineBytesMax: 100 },
  );
  const frames = Array.from({ length: 12 }, () => noisy(500));
  const packing = offload.pack(ID, Buffer.concat([encodeFrame('InputCommand', {}), ...frames]));
  await expect.poll(() => started.length).toBe(4);
  offload.release(ID);
  for (const go of started) go();
  await packing;
  await expect.poll(() => memory.objects.size).toBe(0);
  expect(started.length).toBe(4);
});

test('a sweep deletes what belongs to nobody; what it leaves is deleted with its invocation', async () => {
  const { memory, offload } = withStore();
  for (const key of [
    'payloads/inv_1a/x',
    'payloads/inv_1a/y',
    'payloads/inv_1b/x',
    'payloads/inv_1c/answer-1',
  ]) {
    await memory.put(key, Uint8Array.of(1));
  }
  expect(await offload.sweep(id => id === 'inv_1b')).toBe(2);
  expect([...memory.objects.keys()]).toEqual(['payloads/inv_1b/x']);
  offload.release('inv_1b');
  await expect.poll(() => memory.objects.size).toBe(0);
});
