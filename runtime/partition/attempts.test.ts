/** What becomes of what handlers answer: what they ask for in place of a retry, and live answers part by part. */
import { contentTypeOf, encodeFrame, encodeInvocationId, type FrameWriter } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import type { Command } from '../core/command.ts';
import type { Deployment, Invocation, InvocationId } from '../core/model.ts';
import { deployment } from '../core/testing/memory-view.ts';
import { framesText } from '../invoker/testing/frames.ts';
import type { Partition } from './partition.ts';
import { type LiveCall, settled, World } from './testing/world.ts';

const id = encodeInvocationId(new Uint8Array(24).fill(1)) as InvocationId;
const LAMBDA = { kind: 'lambda', arn: 'arn:aws:lambda:us-east-1:123456789012:function:one:1' } as const;
const HTTP = { kind: 'http', uri: 'http://h', http: 2, bidirectional: true } as const;

const invocation = (service: string): Command => ({
  type: 'invoke',
  minted: { id, deterministic: service === 'Wf', randomSeed: 1n },
  target: { service, handler: service === 'Wf' ? 'run' : 'a', key: service === 'Wf' ? 'k' : '' },
  headers: [],
  body: new Uint8Array(),
  idempotencyKey: undefined,
  startAt: 0,
});

interface Begun {
  readonly world: World;
  readonly partition: Partition;
  readonly inv: () => Invocation | undefined;
}

/** One invocation, whose first attempt is under way. */
async function begin(
  endpoint: Deployment['endpoint'],
  { version = 7, service = 'Svc', inactivityMs = 60_000 } = {},
): Promise<Begun> {
  const world = new World();
  const partition = await world.open();
  const { services, ...rest } = deployment('one', { services: [service], negotiated: version });
  const registered = {
    ...rest,
    endpoint,
    services: services.map(one => ({ ...one, inactivityTimeoutMs: inactivityMs })),
  };
  partition.propose({ type: 'registerDeployment', deployment: registered, keepSettings: false });
  partition.propose(invocation(service));
  await settled();
  return { world, partition, inv: () => partition.state.get('invocation', id) };
}

const scopedCall = (frames: FrameWriter): void => {
  const call = { serviceName: 'Svc', handlerName: 'a', scope: 's', resultCompletionId: 1 };
  frames.frame('CallCommand', { ...call, invocationIdNotificationIdx: 2 });
  frames.frame('Suspension', { waitingCompletions: [1] });
};
const fails = (behavior: number) => (frames: FrameWriter) => {
  frames.frame('RunCommand', { resultCompletionId: 1 });
  frames.frame('Error', { code: 570, message: 'kaput', behavior, nextRetryDelay: 5000 });
};
const tooDeep = (frames: FrameWriter): void => {
  // No encoder of ours writes it: every level is a nested future (field 4) of the one around it.
  let future = Buffer.from([0x0a, 1, 1]);
  for (let level = 1; level < 1002; level++) future = nest(future);
  const payload = nest(future);
  const header = Buffer.alloc(8);
  header.writeUInt16BE(0x0001, 0);
  header.writeUInt32BE(payload.length, 4);
  frames.raw(Buffer.concat([header, payload]));
};
function nest(inner: Buffer): Buffer<ArrayBuffer> {
  const { length } = inner;
  const size = length < 0x80 ? [length] : [(length & 0x7f) | 0x80, length >>> 7];
  return Buffer.concat([Buffer.from([0x22, ...size]), inner]);
}

test.each<
  readonly [string, version: number, write: (frames: FrameWriter) => void, became: object | undefined]
>([
  ['a retry', 7, fails(0), { state: { status: 'backingOff' }, entries: 2, lastFailure: { code: 'RT0016' } }],
  ['a pause', 7, fails(1), { state: { status: 'paused' }, entries: 2, lastFailure: { status: 570 } }],
  ['an end', 7, fails(2), undefined],
  ['an end, below V7', 6, fails(2), { state: { status: 'backingOff' } }],
  ['a future that is too deep', 7, tooDeep, { state: { status: 'paused' }, lastFailure: { code: 'RT0025' } }],
  ['a scope, below V7', 6, scopedCall, { state: { status: 'backingOff' }, lastFailure: { code: 'RT0024' } }],
])('a handler that asks for %s', async (_name, version, write, became) => {
  const { world, partition, inv } = await begin(LAMBDA, { version });
  const replies: unknown[] = [];
  partition.waiters.wait(id, ({ result }) => replies.push(result));
  await world.answer(0, write, version);
  if (became !== undefined) expect([inv(), replies]).toMatchObject([became, []]);
  else {
    expect(inv()).toBeUndefined();
    expect(replies).toEqual([{ kind: 'failure', failure: { code: 570, message: 'kaput' } }]);
  }
});

// ---- live

async function send({ events }: LiveCall, ...frames: readonly Uint8Array[]): Promise<void> {
  for (const frame of frames) events.onData(frame);
  await settled();
}
const head = ({ events }: LiveCall): void => events.onHead(200, { 'content-type': contentTypeOf(7) });
const stream = ({ world }: Begun, index = 0): LiveCall => {
  const call = world.streams[index];
  if (call === undefined) throw new Error(`there is no stream ${index}`);
  return call;
};
const written = (call: LiveCall): string[] => call.written.splice(0).map(framesText);
const run = (completion: number) => encodeFrame('RunCommand', { resultCompletionId: completion });
const result = (completion: number, flags = 0) =>
  encodeFrame('ProposeRunCompletion', { resultCompletionId: completion, value: new Uint8Array() }, flags);
const sleep = (completion: number, wakeUpTime: number) =>
  encodeFrame('SleepCommand', { resultCompletionId: completion, wakeUpTime });
const suspension = (completion: number) =>
  encodeFrame('Suspension', {
    awaitingOn: {
      combinatorType: 1,
      waitingCompletions: [completion],
      waitingSignals: [1],
      waitingNamedSignals: [],
      nestedFutures: [],
    },
  });
const OUTPUT = encodeFrame('OutputCommand', { value: new Uint8Array([1]) });
const END = encodeFrame('End', {});

test('steps and timers in one attempt; everything is told in the order of the journal', async () => {
  const begun = await begin(HTTP);
  const { world, inv } = begun;
  const call = stream(begun);
  expect([world.calls, call.request.path]).toEqual([[], '/invoke/Svc/a']);
  head(call);
  await send(call, run(1), result(1, 0x8000), sleep(2, world.now + 500));
  expect(written(call)).toEqual(['ProposeRunCompletionAck 1']);
  expect(inv()).toMatchObject({ attempt: 1, entries: 4, state: { status: 'running' } });
  await world.pass(500);
  expect(written(call)).toEqual(['SleepCompletion 2']);
  begun.partition.propose({ type: 'signal', id, signal: 17, result: { kind: 'void' } });
  await settled();
  expect(written(call)).toEqual(['SignalNotification 17']);
  await send(call, OUTPUT, END);
  expect([inv(), call.inputClosed, call.aborted]).toEqual([undefined, true, false]);
});

test('a silence suspends it, what it waits for wakes it with the journal that it has seen', async () => {
  const begun = await begin(HTTP, { inactivityMs: 100 });
  const { world, inv } = begun;
  const call = stream(begun);
  head(call);
  await send(call, sleep(1, world.now + 5000));
  await world.pass(100);
  expect(call.inputClosed).toBe(true);
  await send(call, suspension(1));
  call.events.onEnd({ kind: 'ended' });
  expect(inv()).toMatchObject({ attempt: 1, state: { status: 'suspended' } });
  await world.pass(5000);
  expect(inv()).toMatchObject({ attempt: 2, entries: 3, state: { status: 'running' } });
  expect(stream(begun, 1).request.body.length).toBeGreaterThan(call.request.body.length);
});

test('what came while the input was being closed wakes it at once', async () => {
  const begun = await begin(HTTP, { inactivityMs: 100 });
  const { world, inv } = begun;
  const call = stream(begun);
  head(call);
  await send(call, sleep(1, world.now + 300));
  await world.pass(100);
  await world.pass(200);
  expect([call.inputClosed, written(call)]).toEqual([true, []]);
  await send(call, suspension(1));
  expect(inv()).toMatchObject({ attempt: 2, state: { status: 'running' } });
  expect(world.streams).toHaveLength(2);
});

test('a part that is not allowed ends the attempt, with what was recorded before kept', async () => {
  const begun = await begin(HTTP);
  const call = stream(begun);
  head(call);
  await send(call, run(1), result(1));
  await send(call, encodeFrame('ClearAllStateCommand', {}));
  expect(begun.inv()).toMatchObject({
    entries: 3,
    state: { status: 'backingOff' },
    lastFailure: { code: 'RT0017', attempt: 1 },
  });
  expect([call.aborted, begun.partition.invoker.active]).toEqual([true, 0]);
  await begun.world.pass(20);
  expect(begun.world.streams).toHaveLength(2);
});

test('a cancellation that a refused part has not looked at is not waited with', async () => {
  const begun = await begin(HTTP);
  const call = stream(begun);
  head(call);
  begun.partition.propose({ type: 'cancel', id });
  await settled();
  expect(written(call)).toEqual(['SignalNotification 1']);
  await send(call, encodeFrame('ClearAllStateCommand', {}));
  expect(begun.inv()).toMatchObject({ attempt: 2, state: { status: 'running' } });
});

test('a kill resets the stream; what it still sends is nobody’s', async () => {
  const begun = await begin(HTTP);
  const call = stream(begun);
  head(call);
  await send(call, run(1));
  begun.partition.propose({ type: 'kill', id });
  await settled();
  expect([call.aborted, begun.inv(), begun.partition.invoker.active]).toEqual([true, undefined, 0]);
  await send(call, result(1), OUTPUT, END);
  expect(begun.inv()).toBeUndefined();
});

test('a pause closes the input, and takes effect when the handler suspends', async () => {
  const begun = await begin(HTTP);
  const call = stream(begun);
  head(call);
  await send(call, sleep(1, begun.world.now + 5000));
  begun.partition.propose({ type: 'pause', id });
  await settled();
  expect([call.inputClosed, begun.inv()?.state]).toEqual([true, { status: 'running', pausing: true }]);
  await send(call, suspension(1));
  expect(begun.inv()?.state).toEqual({ status: 'paused' });
});

test.each([
  ['wants no stream while it waits', { endpoint: HTTP, inactivityMs: 0 }],
  ['has no streams', { endpoint: { ...HTTP, bidirectional: false }, inactivityMs: 1000 }],
])('a handler that %s is asked and answers in one piece', async (_name, { endpoint, ...options }) => {
  const { world } = await begin(endpoint, options);
  expect([world.streams, world.httpCalls.length]).toEqual([[], 1]);
});

test('of an answer in one piece that breaks off nothing is recorded', async () => {
  const { world, inv } = await begin(LAMBDA);
  await world.answer(0, frames => frames.frame('RunCommand', { resultCompletionId: 1 }), 7);
  expect(inv()).toMatchObject({ entries: 1, lastFailure: { code: 'RT0007' } });
});

test('an attempt that breaks off begins again with what was recorded', async () => {
  const begun = await begin(HTTP);
  const call = stream(begun);
  head(call);
  await send(call, run(1), result(1), run(2));
  call.events.onEnd({ kind: 'ended' });
  await settled();
  expect(begun.inv()).toMatchObject({
    entries: 4,
    state: { status: 'backingOff' },
    lastFailure: { code: 'RT0007' },
  });
});

test('the state of a workflow in a scope is patched where its run is, and nowhere else', async () => {
  const { world, partition } = await begin(LAMBDA, { service: 'Wf' });
  const engine = world.engine(partition);
  const outcomes: string[] = [];
  const patch = (scope?: string): void => {
    const of = { service: 'Wf', key: 'k', ...(scope === undefined ? {} : { scope }) };
    engine.patchState({ of, entries: [['a', new Uint8Array([7])]] }, outcome => outcomes.push(outcome));
  };
  const target = { service: 'Wf', handler: 'run', key: 'k', scope: 's-1' };
  engine.invoke({ target, headers: [], body: new Uint8Array() }, ({ kind }) => outcomes.push(kind));
  await settled();
  patch('s-1');
  patch('s-2');
  await settled();
  expect(outcomes).toEqual(['accepted', 'applied', 'stale']);
  // Each has a run of its own, and both hold their key: the patch waits for the end of the one it is for.
  expect(world.calls).toHaveLength(2);
  const workflow = engine.workflowId({ service: 'Wf', key: 'k', scope: 's-1' });
  expect(engine.holder({ service: 'Wf', key: 'k', scope: 's-1' })).toBe(workflow);
  expect(engine.holder({ service: 'Wf', key: 'k' })).toBe(id);
  expect(engine.state({ service: 'Wf', key: 'k' }).entries).toEqual([]);
});
