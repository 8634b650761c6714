/** A partition over storages that outlive it: what a start takes up, what a stop leaves, what a failure does. */
import { encodeInvocationId, type FrameWriter } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import type { Command } from '../core/command.ts';
import type { Outcome } from '../core/effect.ts';
import type { InvocationId } from '../core/model.ts';
import { deployment } from '../core/testing/memory-view.ts';
import { MemoryLogStorage } from '../log/memory-log.ts';
import type { Partition } from './partition.ts';
import { settled, World } from './testing/world.ts';

const id = (n: number): InvocationId => encodeInvocationId(new Uint8Array(24).fill(n)) as InvocationId;

const register: Command = {
  type: 'registerDeployment',
  keepSettings: false,
  deployment: {
    ...deployment('one'),
    endpoint: { kind: 'lambda', arn: 'arn:aws:lambda:us-east-1:123456789012:function:one:1' },
  },
};
const invoke = (n: number, startAt = 0): Command => ({
  type: 'invoke',
  minted: { id: id(n), deterministic: false, randomSeed: 1n },
  target: { service: 'Svc', handler: 'a', key: '' },
  headers: [],
  body: new Uint8Array(),
  idempotencyKey: undefined,
  startAt,
});

const returns = (frames: FrameWriter): void => {
  frames.frame('OutputCommand', { value: new Uint8Array([1]) });
  frames.frame('End', {});
};
/** One step, and its result: the next attempt follows at once. */
const step = (frames: FrameWriter): void => {
  frames.frame('RunCommand', { resultCompletionId: 1 });
  frames.frame('ProposeRunCompletion', { resultCompletionId: 1, value: new Uint8Array() });
  frames.frame('Suspension', { waitingCompletions: [1], waitingSignals: [1] });
};

async function propose(partition: Partition, ...commands: Command[]): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const command of commands) partition.propose(command, outcome => outcomes.push(outcome));
  await settled();
  return outcomes;
}

test('a start takes up attempts and timers that an end without a goodbye left behind', async () => {
  const world = new World();
  const before = await world.open();
  await propose(before, register, invoke(1), invoke(2, world.now + 500), invoke(3));
  await world.answer(1, returns);
  expect(world.calls).toHaveLength(2);
  before.halt();
  await world.open();
  await settled();
  expect(world.calls).toHaveLength(3);
  await world.answer(2, returns);
  await world.pass(499);
  expect(world.calls).toHaveLength(3);
  await world.pass(1);
  expect(world.calls).toHaveLength(4);
});

test('a stop stores everything; the next start reads no record again and goes on', async () => {
  const world = new World();
  const before = await world.open();
  await propose(before, register, invoke(1));
  await world.answer(0, step);
  await before.close();
  const after = await world.open();
  expect(after.state.stored.position).toBe(world.log.records.length);
  expect(after.state.get('invocation', id(1))).toMatchObject({ attempt: 2, entries: 3 });
  await world.answer(2, returns);
  expect(after.state.get('invocation', id(1))).toBeUndefined();
});

test('a drain starts nothing more and waits until what runs is recorded', async () => {
  const world = new World();
  const partition = await world.open();
  await propose(partition, register, invoke(1));
  let isDrained = false;
  const drained = partition.drain(1000).then(() => {
    isDrained = true;
  });
  await settled();
  expect(isDrained).toBe(false);
  await world.answer(0, step);
  await drained;
  expect(world.calls).toHaveLength(1);
  expect(partition.state.get('invocation', id(1))).toMatchObject({
    attempt: 2,
    state: { status: 'running' },
  });
});

test('a store that fails is told once, ends the partition, and costs nothing that was accepted', async () => {
  const world = new World();
  const partition = await world.open();
  const full = new Error('the disk is full');
  world.store.failWith(full);
  await propose(partition, register, invoke(1));
  await world.pass(100);
  expect(world.failures).toEqual([full]);
  expect(await propose(partition, invoke(2))).toEqual([]);
  await world.pass(1000);
  expect(world.failures).toEqual([full]);
  await partition.close();
  world.store.failWith(undefined);
  const after = await world.open();
  expect(after.state.get('invocation', id(1))).toMatchObject({ attempt: 1 });
});

test('a stop whose last write fails says so', async () => {
  const world = new World();
  const partition = await world.open();
  await propose(partition, register);
  const full = new Error('the disk is full');
  world.store.failWith(full);
  await expect(partition.close()).rejects.toBe(full);
});

test('a store ahead of its log is refused', async () => {
  const world = new World();
  const before = await world.open();
  await propose(before, register);
  await before.close();
  world.log = new MemoryLogStorage();
  await expect(world.open()).rejects.toMatchObject({ code: 'HF_STORE_AHEAD' });
});

test('a large backlog is taken up whole, a slice at a time', async () => {
  const world = new World();
  const before = await world.open({ concurrencyLimit: 1 });
  await propose(before, register, ...Array.from({ length: 200 }, (_, n) => invoke(n + 1)));
  before.halt();
  const earlier = world.calls.length;
  const slices: number[] = [];
  const soon = world.timers.soon;
  world.timers.soon = callback => {
    slices.push(world.calls.length - earlier);
    soon(callback);
  };
  await world.open({ concurrencyLimit: 1000 });
  await settled();
  expect(world.calls).toHaveLength(earlier + 200);
  expect(slices.some(sent => sent > 0 && sent < 200)).toBe(true);
});

test('a record that cannot be read is named', async () => {
  const world = new World();
  const before = await world.open();
  await propose(before, register);
  before.halt();
  world.log.records[1] = new Uint8Array([1, 99]);
  await expect(world.open()).rejects.toMatchObject({
    code: 'HF_FORMAT_DAMAGED',
    message: expect.stringContaining('record 2'),
  });
});

test('a store and a log of two installations are not taken for one', async () => {
  const world = new World();
  const before = await world.open();
  await propose(before, register);
  await before.close();
  const other = new World(100);
  const foreign = await other.open();
  await propose(foreign, register, invoke(1));
  await foreign.close();
  world.log = other.log;
  await expect(world.open()).rejects.toMatchObject({ code: 'HF_STORE_MISMATCH' });
});

test('a kill of a tree frees places for others, not for its own that still wait for one', async () => {
  const world = new World();
  const partition = await world.open({ concurrencyLimit: 1 });
  await propose(partition, register, invoke(1));
  await world.answer(0, frames => {
    frames.frame('OneWayCallCommand', {
      serviceName: 'Svc',
      handlerName: 'b',
      parameter: new Uint8Array(),
      invokeTime: world.now + 100,
      invocationIdNotificationIdx: 2,
    });
    step(frames);
  });
  await world.pass(100);
  await propose(partition, invoke(9));
  expect(world.calls).toHaveLength(2);
  expect(partition.invoker.active).toBe(3);
  expect(await propose(partition, { type: 'kill', id: id(1) })).toEqual(['ended']);
  expect(world.calls.map(({ aborted }) => aborted)).toEqual([false, true, false]);
  expect(partition.invoker.active).toBe(1);
  await world.answer(2, returns);
  expect(partition.invoker.active).toBe(0);
});

test('records that leave no row do not count as unstored for ever', async () => {
  const world = new World();
  const partition = await world.open();
  await propose(partition, register);
  await world.pass(100);
  const patch: Command = {
    type: 'patchState',
    of: { service: 'Svc', key: 'k' },
    patch: { version: 'an older one', entries: [['a', new Uint8Array(32 * 2 ** 20)]] },
  };
  for (let n = 0; n < 17; n++) expect(await propose(partition, patch)).toEqual(['stale']);
  expect(partition.overload).toBeUndefined();
});

test('an invocation whose deployment was removed pauses at once and says why', async () => {
  const world = new World();
  const partition = await world.open();
  await propose(partition, register, invoke(1));
  await propose(partition, { type: 'removeDeployment', id: deployment('one').id });
  await world.answer(0, step);
  expect(partition.state.get('invocation', id(1))).toMatchObject({
    state: { status: 'paused' },
    lastFailure: { code: 'RT0011', message: expect.stringContaining('deployment=latest') },
  });
});
