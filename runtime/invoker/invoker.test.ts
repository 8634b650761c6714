import { FrameWriter } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import type { AttemptOutcome } from './attempt.ts';
import type { LambdaResult } from './lambda-client.ts';
import { createLambdaTransport } from './lambda-transport.ts';
import { idOf } from './testing/frames.ts';
import { invokerOf, request } from './testing/invoker.ts';
import { ManualTime } from './testing/manual-time.ts';

const ARN = 'arn:aws:lambda:us-east-1:123456789012:function:f:1';

/** Calls that wait for the test to answer them, and a clock that the test moves. */
function world(concurrencyLimit = 2) {
  const calls: { arn: string; done: (result: LambdaResult) => void; aborted: boolean }[] = [];
  const log: string[] = [];
  const time = new ManualTime();
  const invoker = invokerOf(time, concurrencyLimit);
  const transport = createLambdaTransport({
    timers: time,
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
  }).of({ kind: 'lambda', arn: ARN });
  const lane = { address: ARN, transport, protocolVersion: 6, timeoutMs: 1000 } as const;
  const start = (n: number, options: { flow?: string; payload?: number } = {}) =>
    invoker.start({
      ...lane,
      id: idOf(n),
      attempt: 1,
      flow: options.flow ?? 'Svc',
      encode: () => {
        log.push(`encode ${n}`);
        return { request: request(new Uint8Array(options.payload ?? 10)), seenEntries: 1 };
      },
      done: outcome => log.push(`${n} ${describe(outcome)}`),
    });
  return { invoker, calls, log, start, time, lane };
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
  const { start, calls, log, time } = world(2);
  start(1);
  start(2);
  calls[0]?.done({ kind: 'throttled', message: 'slow down', retryAfterMs: 1000 });
  expect(calls).toHaveLength(2);
  expect(time.waiting).toBe(1);
  time.pass(999);
  expect(calls).toHaveLength(2);
  time.pass(1);
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
  invoker.abort(idOf(2), 1);
  invoker.abort(idOf(1), 1);
  invoker.abort(idOf(1), 1);
  expect(calls.map(({ aborted }) => aborted)).toEqual([true, false]);
  calls[1]?.done(ok());
  expect(log).toEqual(['encode 1', 'encode 3', '3 answered completed']);
  expect(invoker.active).toBe(0);
});

test('a journal over the limit of Lambda is not sent', async () => {
  const { start, calls, log } = world();
  start(1, { payload: 7 * 1024 * 1024 });
  await Promise.resolve();
  expect(calls).toHaveLength(0);
  expect(log).toEqual(['encode 1', '1 failed HF_JOURNAL_TOO_LARGE for good']);
});

test('however many are not sent, the next one is', async () => {
  const { invoker, start, calls, lane } = world(1);
  start(1);
  const refused: number[] = [];
  const payload = new Uint8Array(7 * 1024 * 1024);
  for (let attempt = 1; attempt <= 10_000; attempt++) {
    invoker.start({
      ...lane,
      id: idOf(2),
      attempt,
      flow: 'Svc',
      encode: () => ({ request: request(payload), seenEntries: 1 }),
      done: () => refused.push(attempt),
    });
  }
  start(3);
  calls[0]?.done(ok());
  while (refused.length < 10_000) await Promise.resolve();
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
