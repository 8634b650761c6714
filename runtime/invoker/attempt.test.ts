/** What an attempt is sent: start message, state as far as it fits, journal; and what an answer means. */
import { generateKeyPairSync } from 'node:crypto';
import { decodeFrame, decodeFrames, encodeFrame, encodeInvocationId, type Message } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import type { Entry, Invocation, InvocationId, StateEntry } from '../core/model.ts';
import { deployment } from '../core/testing/memory-view.ts';
import { type AttemptOutcome, encodeAttempt, readAttempt } from './attempt.ts';
import { eventBytes } from './envelope.ts';
import { PAYLOAD_BYTES_MAX } from './lambda-client.ts';
import { createRequestIdentity } from './request-identity.ts';
import { awaitingOn, end, errorFrame, ids, joined, outcomeText, output, run } from './testing/frames.ts';

const id = encodeInvocationId(new Uint8Array(24).fill(1)) as InvocationId;
const inv = {
  id,
  target: { service: 'Obj', handler: 'add', key: 'a key' },
  role: 'exclusive',
  randomSeed: 7n,
  entries: 1,
  retryCount: 2,
  modifiedAt: 50,
  pinned: { deployment: deployment('one').id, protocolVersion: 6 },
} as unknown as Invocation;
const input = (size: number): Entry => ({ kind: 'input', headers: [], body: new Uint8Array(size) });

const PINNED = { inv, deployment: deployment('one'), nowMs: 70, identity: undefined } as const;

function sent(
  state: readonly StateEntry[] | undefined,
  max: number,
  inputSize = 10,
  more: Partial<Parameters<typeof encodeAttempt>[0]> = {},
) {
  const attempt = encodeAttempt({ ...PINNED, journal: [input(inputSize)], state, ...more }, max);
  const { request } = attempt;
  const frames = decodeFrames(request.body);
  const [first] = frames;
  if (first === undefined) throw new Error('no frames');
  return {
    request,
    seenEntries: attempt.seenEntries,
    frames,
    start: decodeFrame(first).message as Message<'Start'>,
  };
}

const keys = ({ stateMap }: Message<'Start'>) => stateMap.map(({ key }) => Buffer.from(key).toString());
const entry = (key: string, size: number): StateEntry => [key, new Uint8Array(size)];

test('state travels with the start message, and says whether it is all', () => {
  const { start, request, seenEntries, frames } = sent([entry('a', 10), entry('ä', 5)], 1000);
  expect(start).toMatchObject({
    debugId: id,
    key: 'a key',
    partialState: false,
    knownEntries: 1,
    retryCountSinceLastStoredEntry: 2,
    durationSinceLastStoredEntry: 20,
    randomSeed: 7n,
  });
  expect(keys(start)).toEqual(['a', 'ä']);
  expect([request.path, request.invocationId, seenEntries]).toEqual(['/invoke/Obj/add', id, 1]);
  expect(request.headers).toEqual({
    'content-type': 'application/vnd.restate.invocation.v6',
    accept: 'application/vnd.restate.invocation.v6',
    'x-restate-invocation-id': id,
    'x-restate-service-key': 'a%20key',
  });
  expect(frames).toHaveLength(2);
});

test('what does not fit is left for the handler to ask for', () => {
  const { start } = sent([entry('a', 10), entry('large', 500), entry('b', 10)], 100);
  expect([keys(start), start.partialState]).toEqual([['a', 'b'], true]);
});

test('a handler that reads lazily is sent none', () => {
  const { start } = sent(undefined, 1000);
  expect([keys(start), start.partialState]).toEqual([[], true]);
});

test('state takes only the room that the journal leaves in a Lambda request', () => {
  const { request, start } = sent([entry('a', 3_000_000), entry('b', 10)], 32 * 2 ** 20, 3_000_000);
  expect([keys(start), start.partialState]).toEqual([['b'], true]);
  expect(eventBytes(request)).toBeLessThanOrEqual(PAYLOAD_BYTES_MAX);
  // HTTP has no such limit.
  const http = { kind: 'http', uri: 'http://h', http: 2, bidirectional: false } as const;
  const more = { deployment: { ...deployment('one'), endpoint: http } };
  const state = [entry('a', 3_000_000), entry('b', 10)];
  expect(keys(sent(state, 32 * 2 ** 20, 3_000_000, more).start)).toEqual(['a', 'b']);
});

test('a huge state is not read to its end to be left out', () => {
  let read = 0;
  function* huge(): Iterable<StateEntry> {
    for (; read < 10_000; read++) yield entry(`k${read}`, 50);
  }
  encodeAttempt({ ...PINNED, journal: [input(1)], state: huge() }, 200);
  expect(read).toBeLessThan(200);
});

const called = { scope: 'tenant-1', limitKey: 'a/b', idempotencyKey: 'ik' };
test.each<readonly [version: number, seed: bigint, of: typeof called | object]>([
  [5, 0n, {}],
  [6, 7n, {}],
  [7, 7n, called],
])('V%i tells the seed %d and what the caller gave %j', (version, seed, told) => {
  const target = { service: 'Svc', handler: 'a', key: '', scope: called.scope };
  const pinned = { deployment: deployment('one').id, protocolVersion: version };
  const of = {
    ...inv,
    target,
    role: 'service',
    pinned,
    ...called,
    scope: undefined,
  } as unknown as Invocation;
  const { start, request } = sent(undefined, 0, 1, { inv: of });
  const { scope, limitKey, idempotencyKey } = start as Partial<typeof called>;
  expect(start.randomSeed).toBe(seed);
  expect({ scope, limitKey, idempotencyKey }).toEqual({
    scope: undefined,
    limitKey: undefined,
    idempotencyKey: undefined,
    ...told,
  });
  expect(request.headers['content-type']).toBe(`application/vnd.restate.invocation.v${version}`);
  expect(request.headers).not.toHaveProperty('x-restate-service-key');
});

test('a request is signed for its path and key, and the deployment’s own headers win', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const identity = createRequestIdentity(pem, { now: () => 1_000_000 });
  const own = { ...deployment('one'), additionalHeaders: [['x-restate-invocation-id', 'own']] as const };
  const { request } = sent(undefined, 0, 1, { identity, deployment: own });
  expect(request.headers).toMatchObject({
    ...identity.headersFor('/invoke/Obj/add', 'a key'),
    'x-restate-invocation-id': 'own',
  });
  const [, claims = ''] = (request.headers['x-restate-jwt-v1'] ?? '').split('.');
  expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
    aud: '/invoke/Obj/add',
    sub: 'a key',
  });
  const plain = { ...inv, role: 'service' } as Invocation;
  const unkeyed = sent(undefined, 0, 1, { identity, inv: plain }).request.headers['x-restate-jwt-v1'];
  expect(unkeyed).toBe(identity.headersFor('/invoke/Obj/add')['x-restate-jwt-v1']);
});

const answered = (body: Uint8Array, version: number): AttemptOutcome =>
  readAttempt(
    {
      kind: 'response',
      status: 200,
      headers: { 'content-type': `application/vnd.restate.invocation.v${version}` },
      body,
    },
    version,
    ids,
    0,
  );
const textOf = (outcome: AttemptOutcome): string =>
  outcome.kind === 'throttled' ? 'throttled' : outcomeText(outcome);

const scopedCall = encodeFrame('CallCommand', { serviceName: 'Svc', handlerName: 'a', scope: 's' });
test.each<readonly [name: string, version: number, body: Uint8Array, outcome: RegExp]>([
  ['a scope on V7', 7, joined(scopedCall, end()), /^completed with call 0$/],
  ['a scope on V6', 6, joined(scopedCall, end()), /^failed RT0024: .*V7/],
  ['what it waits on', 7, joined(run(1), awaitingOn(1), output(), end()), /^completed with run 1, output$/],
  ['what it waits on, on V6', 6, awaitingOn(1), /^failed RT0012: AwaitingOn belongs to protocol V7/],
  ['a future that is too deep', 7, deepSuspension(), /^failed RT0025 for good: /],
])('an answer: %s', (_name, version, body, outcome) => {
  expect(textOf(answered(body, version))).toMatch(outcome);
});

test('an error may ask for a pause or an end, from V7 on', () => {
  const behavior = (asked: number, version: number): unknown => {
    const outcome = answered(errorFrame(asked), version);
    if (outcome.kind !== 'answered' || outcome.answer.end.kind !== 'failed') throw new Error('not an error');
    return outcome.answer.end.behavior;
  };
  expect([behavior(0, 7), behavior(1, 7), behavior(2, 7), behavior(1, 6)]).toEqual([
    undefined,
    'pause',
    'fail',
    undefined,
  ]);
});

/** Put together by hand: no encoder of ours writes it. */
function deepSuspension(): Uint8Array {
  const field = (number: number, bytes: Uint8Array): Uint8Array => {
    const length: number[] = [];
    for (let left = bytes.length; ; left >>>= 7) {
      if (left < 0x80) {
        length.push(left);
        break;
      }
      length.push((left & 0x7f) | 0x80);
    }
    return joined(new Uint8Array([(number << 3) | 2, ...length]), bytes);
  };
  let future = field(1, new Uint8Array([1]));
  for (let level = 1; level < 1002; level++) future = field(4, future);
  const payload = field(4, future);
  const header = new Uint8Array(8);
  new DataView(header.buffer).setUint16(0, 0x0001);
  new DataView(header.buffer).setUint32(4, payload.length);
  return joined(header, payload);
}
