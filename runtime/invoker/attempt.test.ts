/** What an attempt is sent: start message, state as far as it fits, journal. */
import { decodeFrame, decodeFrames, encodeInvocationId, type Message } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import type { Entry, Invocation, InvocationId, StateEntry } from '../core/model.ts';
import { deployment } from '../core/testing/memory-view.ts';
import { encodeAttempt, tooLarge } from './attempt.ts';

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

function sent(state: readonly StateEntry[] | undefined, max: number, inputSize = 10) {
  const of = { inv, deployment: deployment('one'), journal: [input(inputSize)], state, nowMs: 70 };
  const request = encodeAttempt(of, max);
  const event = JSON.parse(Buffer.from(request.payload).toString());
  const frames = decodeFrames(Buffer.from(event.body, 'base64'));
  const [first] = frames;
  if (first === undefined) throw new Error('no frames');
  return { request, event, frames, start: decodeFrame(first).message as Message<'Start'> };
}

const keys = ({ stateMap }: Message<'Start'>) => stateMap.map(({ key }) => Buffer.from(key).toString());
const entry = (key: string, size: number): StateEntry => [key, new Uint8Array(size)];

test('state travels with the start message, and says whether it is all', () => {
  const { start, event, frames } = sent([entry('a', 10), entry('ä', 5)], 1000);
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
  expect(event.headers['x-restate-service-key']).toBe('a%20key');
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
  expect([keys(start), start.partialState, tooLarge(request)]).toEqual([['b'], true, undefined]);
});

test('a huge state is not read to its end to be left out', () => {
  let read = 0;
  function* huge(): Iterable<StateEntry> {
    for (; read < 10_000; read++) yield entry(`k${read}`, 50);
  }
  const of = { inv, deployment: deployment('one'), journal: [input(1)], state: huge(), nowMs: 70 };
  encodeAttempt(of, 200);
  expect(read).toBeLessThan(200);
});
