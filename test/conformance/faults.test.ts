/**
 * Answers of handlers that are broken on purpose, and what ours makes of each, next to what the recorded server made
 * of it (`fault-injection.json`). Where the two differ the row says why.
 */
import { contentTypeOf, FrameWriter, type MessageInput, type MessageName } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { readVector } from '../../protocol/vectors.testkit.ts';
import type { Invocation, InvocationId } from '../../runtime/core/model.ts';
import type { LambdaResult } from '../../runtime/invoker/lambda-client.ts';
import { createLambdaTransport } from '../../runtime/invoker/lambda-transport.ts';
import type { Transports } from '../../runtime/invoker/transport.ts';
import type { Timers } from '../../runtime/platform/ports.ts';
import { manifestFor } from './replay/manifest.ts';
import { Orchestrator, settled } from './replay/orchestrator.ts';

interface Recorded {
  readonly fault_injected: string;
  readonly sys_invocation?: readonly {
    readonly status: string;
    readonly last_failure_error_code?: string;
    readonly journal_size: number;
  }[];
  readonly ingress_output?: readonly [status: number, body: string];
}
const recorded = readVector('fault-injection.json') as unknown as readonly Recorded[];

const V6 = contentTypeOf(6);
const MISSING_TYPE = 0x03f0;

function lambda(
  statusCode: number,
  headers: Record<string, string>,
  body: Uint8Array | string,
): LambdaResult {
  const envelope = { statusCode, headers, isBase64Encoded: true, body: Buffer.from(body).toString('base64') };
  return { kind: 'response', payload: Buffer.from(JSON.stringify(envelope)) };
}

type FrameOf<N extends MessageName = MessageName> = readonly [name: N, message: MessageInput<N>];
const frame = <N extends MessageName>(name: N, message: MessageInput<N>): FrameOf => [name, message] as never;

function frames(...all: readonly FrameOf[]): Uint8Array {
  const writer = new FrameWriter();
  for (const [name, message] of all) writer.frame(name, message as never);
  return writer.finish();
}

const says = (...all: readonly FrameOf[]): LambdaResult =>
  lambda(200, { 'content-type': V6 }, frames(...all));
const status = (code: number, headers: Record<string, string> = {}): LambdaResult =>
  lambda(code, { 'content-type': 'application/json', ...headers }, '{"message":"no"}');

const bytes = (text: string): Uint8Array => Buffer.from(text);
const output = (text: string): FrameOf => frame('OutputCommand', { value: bytes(text) });
const END = frame('End', {});
const SLEEP = frame('SleepCommand', { wakeUpTime: 4_000_000_000_000, resultCompletionId: 1 });
const SUSPENDED = frame('Suspension', { waitingCompletions: [1], waitingSignals: [1] });
const CALL = { parameter: bytes('1'), invocationIdNotificationIdx: 1, resultCompletionId: 2 };
const SIGNAL = { idx: 17, value: bytes('1') };

/** What an invocation has come to. */
interface Seen {
  readonly state: string;
  readonly code?: string | undefined;
  /** Journal entries. */
  readonly entries?: number;
}

interface Row {
  readonly fault: string;
  readonly answer: LambdaResult;
  /** After the first such answer, where it is not what was recorded. */
  readonly first?: Seen;
  readonly why?: string;
  /** After the third in a row; else it still backs off. */
  readonly pausesThirdTime?: true;
  readonly retryAfterMs?: number;
}

const SUSPECT = { pausesThirdTime: true } as const;
const PART = 'an attempt is applied whole or not at all: what came before the break is not stored';

const ROWS: readonly Row[] = [
  {
    fault: 'fnerror',
    answer: {
      kind: 'response',
      functionError: 'Unhandled',
      payload: bytes('{"errorMessage":"boom","errorType":"Error"}'),
    },
  },
  {
    fault: 'throttle',
    answer: { kind: 'throttled', message: 'Rate Exceeded.' },
    first: { state: 'running', entries: 1 },
    why: 'whether Lambda has room says nothing about the handler: it waits for a slot and costs no retry',
  },
  { fault: '404', answer: status(404), ...SUSPECT },
  { fault: '415', answer: status(415) },
  { fault: '429', answer: status(429, { 'retry-after': '2' }), retryAfterMs: 2000 },
  { fault: '503', answer: status(503, { 'retry-after': '2' }), retryAfterMs: 2000 },
  { fault: '502', answer: status(502) },
  { fault: '413', answer: status(413), ...SUSPECT },
  { fault: '500', answer: status(500), ...SUSPECT },
  {
    fault: 'noend',
    answer: says(SLEEP),
    first: { state: 'backingOff', code: 'RT0007', entries: 1 },
    why: PART,
  },
  { fault: 'empty', answer: says() },
  { fault: 'badct', answer: lambda(200, { 'content-type': 'application/json' }, ''), ...SUSPECT },
  { fault: 'noct', answer: lambda(200, {}, ''), ...SUSPECT },
  { fault: 'emptysusp', answer: says(frame('Suspension', {})), ...SUSPECT },
  {
    fault: 'unknowntype',
    answer: lambda(
      200,
      { 'content-type': V6 },
      Uint8Array.of(MISSING_TYPE >> 8, MISSING_TYPE & 0xff, 0, 0, 0, 0, 0, 0),
    ),
    ...SUSPECT,
  },
  { fault: 'notif', answer: says(frame('SleepCompletion', { completionId: 1, void: true })), ...SUSPECT },
  {
    fault: 'badcall',
    answer: says(frame('CallCommand', { serviceName: 'Nope', handlerName: 'bar', ...CALL }), SUSPENDED),
  },
  {
    fault: 'setstate',
    answer: says(frame('SetStateCommand', { key: bytes('a'), value: bytes('1') }), SUSPENDED),
    ...SUSPECT,
  },
  {
    fault: 'promise',
    answer: says(frame('GetPromiseCommand', { key: 'p', resultCompletionId: 1 }), SUSPENDED),
    ...SUSPECT,
  },
  {
    fault: 'sigbad',
    answer: says(frame('SendSignalCommand', { targetInvocationId: 'inv_bad', ...SIGNAL })),
    ...SUSPECT,
  },
  { fault: 'errfail', answer: says(frame('Error', { code: 500, message: 'bad' })) },
  {
    fault: 'twooutputs',
    answer: says(output('1'), output('2'), END),
    first: { state: 'completed 2', entries: 3 },
  },
  { fault: 'afterend', answer: says(output('1'), END, SLEEP), first: { state: 'completed 1' } },
  {
    fault: 'endonly',
    answer: says(END),
    first: { state: 'backingOff', code: 'RT0012', entries: 1 },
    why: 'it ends the recorded server itself',
    ...SUSPECT,
  },
  // Beyond the recording: nothing of an answer is taken when a part of it is refused.
  {
    fault: 'a refusal behind a step',
    answer: says(SLEEP, frame('SetStateCommand', { key: bytes('a'), value: bytes('1') }), END),
    first: { state: 'backingOff', code: 'RT0017', entries: 1 },
    why: PART,
    ...SUSPECT,
  },
];

class FaultyLambda {
  readonly #answer: LambdaResult;
  calls = 0;

  constructor(answer: LambdaResult) {
    this.#answer = answer;
  }

  readonly transports = (timers: Timers): Transports => {
    const lambdas = createLambdaTransport({ client: this, timers });
    return {
      of: endpoint => {
        if (endpoint.kind !== 'lambda') throw new Error('only Lambda is faulty here');
        return lambdas.of(endpoint);
      },
    };
  };

  invoke({ payload }: { readonly payload: string | Uint8Array }, done: (result: LambdaResult) => void) {
    const isDiscovery = Buffer.from(payload).includes('"/discover"');
    if (!isDiscovery) this.calls += 1;
    const headers = { 'content-type': 'application/vnd.restate.endpointmanifest.v4+json' };
    const manifest = lambda(200, headers, JSON.stringify(manifestFor('lambda')));
    queueMicrotask(() => done(isDiscovery ? manifest : this.#answer));
    return { abort: () => undefined };
  }
}

function seen(world: Orchestrator, id: InvocationId): Seen {
  const found = world.engine.invocation(id);
  const entries = found?.entries ?? 0;
  if (found !== undefined && 'result' in found) {
    const { result } = found;
    return {
      state: `completed ${result.kind === 'success' ? Buffer.from(result.value) : result.kind}`,
      entries,
    };
  }
  return { state: found?.state.status ?? 'gone', code: found?.lastFailure?.code, entries };
}

const AS_RECORDED: Readonly<Record<string, string>> = { 'backing-off': 'backingOff', paused: 'paused' };

function recordedOf(fault: string): Seen | undefined {
  const row = recorded.find(each => each.fault_injected.split(' ')[0] === fault)?.sys_invocation?.[0];
  if (row === undefined || row.last_failure_error_code === undefined) return undefined;
  return {
    state: AS_RECORDED[row.status] ?? row.status,
    code: row.last_failure_error_code,
    entries: row.journal_size,
  };
}

const START_MS = 1_795_000_000_000;

async function send(
  row: Row,
): Promise<{ readonly world: Orchestrator; readonly id: InvocationId; readonly lambda: FaultyLambda }> {
  const faulty = new FaultyLambda(row.answer);
  const world = new Orchestrator({
    startMs: START_MS,
    protocolVersionMax: 6,
    manifest: {},
    address: 'lambda',
    transports: faulty.transports,
  });
  await world.open();
  const { body } = await world.ask('POST', '/Svc/echo/send', [], '').answered;
  await settled();
  return { world, id: (JSON.parse(body) as { invocationId: InvocationId }).invocationId, lambda: faulty };
}

test.each(ROWS.map(row => [row.fault, row] as const))('%s', async (fault, row) => {
  const { world, id, lambda: faulty } = await send(row);
  const first = row.first ?? recordedOf(fault);
  expect(first, 'neither recorded nor written down').toBeDefined();
  expect(seen(world, id)).toMatchObject(first as object);
  if (row.first !== undefined && recordedOf(fault) !== undefined) expect(row.why).toBeDefined();
  if (row.retryAfterMs !== undefined) {
    const { state } = world.engine.invocation(id) as Invocation;
    expect(state).toMatchObject({ retryAt: START_MS + row.retryAfterMs });
  }
  if (first?.state !== 'backingOff') return;
  while (faulty.calls < 3) expect(await world.passToNextTimer(600_000)).toBe(true);
  await settled();
  expect(seen(world, id).state).toBe(row.pausesThirdTime ? 'paused' : 'backingOff');
  expect(world.failures).toEqual([]);
  await world.close();
});

test('every recorded fault has a row', () => {
  const faults = recorded.map(each => each.fault_injected.split(' ')[0]);
  expect(ROWS.map(row => row.fault)).toEqual(expect.arrayContaining(faults));
});
