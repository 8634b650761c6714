import { encodeInvocationId, FrameWriter } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import type { InvocationId } from '../core/model.ts';
import type { AttemptOutcome } from './attempt.ts';
import { Invoker } from './invoker.ts';
import type { LambdaResult } from './lambda-client.ts';

const id = (n: number): InvocationId => encodeInvocationId(new Uint8Array(24).fill(n)) as InvocationId;
const ARN = 'arn:aws:lambda:us-east-1:123456789012:function:f:1';

/** Calls that wait for the test to answer them, and a clock that the test moves. */
function world(concurrencyLimit = 2) {
  const calls: { arn: string; done: (result: LambdaResult) => void; aborted: boolean }[] = [];
  const timers: { at: number; callback: () => void }[] = [];
  const log: string[] = [];
  let now = 0;
  const invoker = new Invoker({
    client: {
      invoke: ({ arn }, done) => {
        const call = { arn, done, aborted: false };
        calls.push(call);
        return {
          abort: () => {
            call.aborted = true;
          },
        };
      },
    },
    ids: {
      callee: () => ({ id: id(99), deterministic: false, randomSeed: 0n }),
      idempotent: () => id(98),
      workflow: () => id(97),
    },
    clock: { now: () => now, monotonicMs: () => now },
    timers: {
      set: (delayMs, callback) => {
        const timer = { at: now + delayMs, callback };
        timers.push(timer);
        return timer as object;
      },
      clear: handle => void timers.splice(timers.indexOf(handle as never), 1),
      soon: callback => callback(),
    },
    random: { bytes: length => new Uint8Array(length), float: () => 0.5 },
    logger: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
    concurrencyLimit,
    invokeTimeoutMs: 1000,
  });
  const start = (n: number, options: { flow?: string; payload?: number } = {}) =>
    invoker.start({
      id: id(n),
      attempt: 1,
      arn: ARN,
      flow: options.flow ?? 'Svc',
      protocolVersion: 6,
      encode: () => {
        log.push(`encode ${n}`);
        return { payload: new Uint8Array(options.payload ?? 10), seenEntries: 1 };
      },
      done: outcome => log.push(`${n} ${describe(outcome)}`),
    });
  const pass = (ms: number) => {
    now += ms;
    for (const timer of timers.filter(({ at }) => at <= now)) {
      timers.splice(timers.indexOf(timer), 1);
      timer.callback();
    }
  };
  return { invoker, calls, log, start, pass, timers };
}

const describe = (outcome: AttemptOutcome): string => {
  if (outcome.kind === 'failed')
    return `failed ${outcome.failure.code}${outcome.deterministic ? ' for good' : ''}`;
  return outcome.kind === 'answered' ? `answered ${outcome.answer.end.kind}` : 'throttled';
};

function response(
  write: (frames: FrameWriter) => void,
  options: { contentType?: string; cut?: number } = {},
): LambdaResult {
  const frames = new FrameWriter();
  write(frames);
  const body = Buffer.from(frames.finish());
  const answer = {
    statusCode: 200,
    headers: { 'content-type': options.contentType ?? 'application/vnd.restate.invocation.v6' },
    isBase64Encoded: true,
    body: body.subarray(0, body.length - (options.cut ?? 0)).toString('base64'),
  };
  return { kind: 'response', payload: Buffer.from(JSON.stringify(answer)) };
}
const ok = (): LambdaResult =>
  response(frames => {
    frames.frame('OutputCommand', { value: new Uint8Array() });
    frames.frame('End', {});
  });

test.for<[string, LambdaResult, string]>([
  ['an answer', ok(), 'answered completed'],
  [
    'an answer that breaks off after a frame',
    response(frames => frames.frame('RunCommand', { resultCompletionId: 1 })),
    'answered missing',
  ],
  ['an empty answer', response(() => undefined), 'answered missing'],
  [
    'an answer that breaks off within a frame',
    response(frames => frames.frame('RunCommand', { resultCompletionId: 1, name: 'x' }), { cut: 1 }),
    'failed RT0012',
  ],
  [
    'another content type',
    response(frames => frames.frame('End', {}), { contentType: 'text/html' }),
    'failed RT0012',
  ],
  [
    'a frame that only the server may send',
    response(frames => frames.frame('SleepCompletion', { completionId: 1, void: true })),
    'failed RT0012',
  ],
  [
    'a key of state that is no text',
    response(frames => frames.frame('ClearStateCommand', { key: new Uint8Array([0xff]) })),
    'failed RT0017',
  ],
  [
    'an awakeable id that is none',
    response(frames =>
      frames.frame('CompleteAwakeableCommand', { awakeableId: 'sign_1x', value: new Uint8Array() }),
    ),
    'failed RT0012',
  ],
  ['no envelope', { kind: 'response', payload: Buffer.from('null') }, 'failed RT0012'],
  [
    'a function error',
    { kind: 'response', payload: Buffer.from('{"errorMessage":"x"}'), functionError: 'Unhandled' },
    'failed RT0010',
  ],
  ['a network failure', { kind: 'failed', code: 'RT0010', message: 'reset' }, 'failed RT0010'],
  [
    'a failure for good',
    { kind: 'failed', code: 'RT0019', message: 'large', deterministic: true },
    'failed RT0019 for good',
  ],
])('%s', ([, result, outcome]) => {
  const { start, calls, log } = world();
  start(1);
  calls[0]?.done(result);
  expect(log).toEqual(['encode 1', `1 ${outcome}`]);
});

test('no more calls at once than the limit, then in turns between flows', () => {
  const { start, calls, log } = world(2);
  for (const n of [1, 2, 3, 4]) start(n, { flow: 'busy' });
  start(5, { flow: 'other' });
  expect(calls).toHaveLength(2);
  calls[0]?.done(ok());
  calls[1]?.done(ok());
  expect(log.filter(line => line.startsWith('encode'))).toEqual([
    'encode 1',
    'encode 2',
    'encode 3',
    'encode 5',
  ]);
});

test('a throttle waits, retries, and is nobody else’s business', () => {
  const { start, calls, log, pass, timers } = world(2);
  start(1);
  start(2);
  calls[0]?.done({ kind: 'throttled', message: 'slow down', retryAfterMs: 1000 });
  expect(calls).toHaveLength(2);
  expect(timers).toHaveLength(1);
  pass(999);
  expect(calls).toHaveLength(2);
  pass(1);
  expect(calls).toHaveLength(2);
  calls[1]?.done(ok());
  expect(calls).toHaveLength(3);
  calls[2]?.done(ok());
  expect(log).toEqual(['encode 1', 'encode 2', '2 answered completed', 'encode 1', '1 answered completed']);
});

test('an aborted attempt answers nothing and frees its place', () => {
  const { invoker, start, calls, log } = world(1);
  start(1);
  start(2);
  start(3);
  invoker.abort(id(2), 1);
  invoker.abort(id(1), 1);
  invoker.abort(id(1), 1);
  expect(calls.map(({ aborted }) => aborted)).toEqual([true, false]);
  calls[1]?.done(ok());
  expect(log).toEqual(['encode 1', 'encode 3', '3 answered completed']);
  expect(invoker.active).toBe(0);
});

test('a journal over the limit of Lambda is not sent', () => {
  const { start, calls, log } = world();
  start(1, { payload: 7 * 1024 * 1024 });
  expect(calls).toHaveLength(0);
  expect(log).toEqual(['encode 1', '1 failed HF_JOURNAL_TOO_LARGE for good']);
});

test('however many are not sent, the next one is', () => {
  const { invoker, start, calls } = world(1);
  start(1);
  const refused: number[] = [];
  const payload = new Uint8Array(7 * 1024 * 1024);
  for (let attempt = 1; attempt <= 10_000; attempt++) {
    invoker.start({
      id: id(2),
      attempt,
      arn: ARN,
      flow: 'Svc',
      protocolVersion: 6,
      encode: () => ({ payload, seenEntries: 1 }),
      done: () => refused.push(attempt),
    });
  }
  start(3);
  calls[0]?.done(ok());
  expect(refused).toHaveLength(10_000);
  expect(calls).toHaveLength(2);
});

test('draining starts nothing more and waits for what runs', async () => {
  const { invoker, start, calls } = world(1);
  start(1);
  start(2);
  const drained = invoker.drain(1000);
  calls[0]?.done(ok());
  await drained;
  expect(calls).toHaveLength(1);
});
