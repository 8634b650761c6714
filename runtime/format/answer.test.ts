/** What an answer's frames are read into, and what is refused. */
import {
  decodeFrames,
  encodeAwakeableId,
  FrameWriter,
  type MessageInput,
  type MessageName,
  MessageType,
} from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { type IdSource, readAnswer } from './answer.ts';
import { bytes, id, ids } from './values.testkit.ts';

type Sent = { readonly [N in MessageName]: readonly [name: N, message: MessageInput<N>] }[MessageName];

function read([name, message]: Sent, source: IdSource = ids) {
  const w = new FrameWriter();
  w.frame(name, message as never);
  return readAnswer(decodeFrames(w.finish()), source);
}

const value = bytes('1');
const failure = { code: 402, message: 'no' };
const understood: readonly (readonly [sent: Sent, op: object])[] = [
  [
    ['GetLazyStateCommand', { key: bytes('\ufeffß'), resultCompletionId: 3 }],
    { op: 'getState', completionId: 3, key: '\ufeffß' },
  ],
  [['GetLazyStateKeysCommand', { resultCompletionId: 3 }], { op: 'getStateKeys', completionId: 3 }],
  [['GetEagerStateCommand', { key: bytes('a'), void: true }], { op: 'readState' }],
  [['GetEagerStateCommand', { key: bytes('a'), value: bytes('') }], { op: 'readState' }],
  [['GetEagerStateKeysCommand', { value: { keys: [] } }], { op: 'readState' }],
  [['SetStateCommand', { key: bytes(''), value }], { op: 'setState', key: '', value }],
  [['ClearStateCommand', { key: bytes('a') }], { op: 'clearState', key: 'a' }],
  [['ClearAllStateCommand', {}], { op: 'clearAllState' }],
  [
    ['GetPromiseCommand', { key: 'paid', resultCompletionId: 3 }],
    { op: 'getPromise', completionId: 3, name: 'paid' },
  ],
  [
    ['PeekPromiseCommand', { key: 'paid', resultCompletionId: 3 }],
    { op: 'peekPromise', completionId: 3, name: 'paid' },
  ],
  [
    ['CompletePromiseCommand', { key: 'paid', completionValue: value, resultCompletionId: 3 }],
    { op: 'completePromise', completionId: 3, name: 'paid', result: { kind: 'success', value } },
  ],
  [
    [
      'CompletePromiseCommand',
      { key: 'paid', completionFailure: { ...failure, metadata: [] }, resultCompletionId: 3 },
    ],
    { op: 'completePromise', completionId: 3, name: 'paid', result: { kind: 'failure', failure } },
  ],
  [
    ['AttachInvocationCommand', { workflowTarget: { workflowName: 'W', workflowKey: 'k' } }],
    { op: 'attach', completionId: 0, target: id(7) },
  ],
];

test.each(understood)('%j', (sent, op) => {
  const [only] = read(sent).ops;
  const type = MessageType[sent[0]];
  const w = new FrameWriter();
  w.frame(sent[0], sent[1] as never);
  expect(only).toEqual({ ...op, type, frame: w.finish() });
});

test('ids of callees and targets are asked for with what the handler named', () => {
  const asked: unknown[] = [];
  const source: IdSource = {
    callee: (...args) => {
      asked.push(args);
      return ids.callee(...args);
    },
    idempotent: (...args) => {
      asked.push(args);
      return id(8);
    },
    workflow: (...args) => {
      asked.push(args);
      return id(7);
    },
  };
  const keyed = { serviceName: 'S', handlerName: 'h', idempotencyKey: 'i' };
  read(['CallCommand', { ...keyed, key: 'k' }], source);
  read(['AttachInvocationCommand', { idempotentRequestTarget: { ...keyed, serviceKey: 'k' } }], source);
  read(['AttachInvocationCommand', { idempotentRequestTarget: keyed }], source);
  read(['GetInvocationOutputCommand', { workflowTarget: { workflowName: 'W', workflowKey: 'k' } }], source);
  read(['AttachInvocationCommand', { invocationId: id(1) }], source);
  const target = { service: 'S', handler: 'h', key: 'k' };
  expect(asked).toEqual([
    [target, 'i'],
    [target, 'i'],
    [{ ...target, key: '' }, 'i'],
    ['W', 'k'],
  ]);
});

const notText = new Uint8Array([0xc3, 0x28]);
const workflowTarget = { workflowName: 'W', workflowKey: 'k' };
const idempotentRequestTarget = { serviceName: 'S', handlerName: 'h', idempotencyKey: 'i' };
const refused: readonly (readonly [code: string, why: RegExp, sent: Sent])[] = [
  ['RT0017', /UTF-8/, ['GetLazyStateCommand', { key: notText }]],
  ['RT0017', /UTF-8/, ['SetStateCommand', { key: notText, value: bytes('1') }]],
  ['RT0017', /UTF-8/, ['ClearStateCommand', { key: notText }]],
  ['RT0012', /SetState has no value/, ['SetStateCommand', { key: bytes('a') }]],
  ['RT0012', /GetEagerState has no result/, ['GetEagerStateCommand', { key: bytes('a') }]],
  ['RT0012', /neither a value nor a failure/, ['CompletePromiseCommand', { key: 'p' }]],
  ['RT0012', /neither a value nor a failure/, ['OutputCommand', {}]],
  ['RT0012', /name no invocation/, ['AttachInvocationCommand', {}]],
  ['HF_ID_MALFORMED', /not a valid id/, ['AttachInvocationCommand', { invocationId: 'inv_1x' }]],
  [
    'RT0012',
    /idempotency key .* is empty/,
    [
      'AttachInvocationCommand',
      { idempotentRequestTarget: { ...idempotentRequestTarget, idempotencyKey: '' } },
    ],
  ],
  [
    'RT0024',
    /scope/,
    ['AttachInvocationCommand', { idempotentRequestTarget: { ...idempotentRequestTarget, scope: 's' } }],
  ],
  ['RT0024', /scope/, ['GetInvocationOutputCommand', { workflowTarget: { ...workflowTarget, scope: 's' } }]],
  ['RT0024', /scope/, ['CallCommand', { serviceName: 'S', handlerName: 'h', scope: 's' }]],
  ['RT0024', /limit key/, ['OneWayCallCommand', { serviceName: 'S', handlerName: 'h', limitKey: 'l' }]],
  ['RT0012', /names no signal/, ['SendSignalCommand', { targetInvocationId: id(1), void: true }]],
  [
    'RT0012',
    /names no awakeable/,
    [
      'CompleteAwakeableCommand',
      { awakeableId: encodeAwakeableId(new Uint8Array(24), 1), value: new Uint8Array() },
    ],
  ],
  ['RT0012', /may not send InputCommand/, ['InputCommand', {}]],
  ['RT0012', /may not send SleepCompletion/, ['SleepCompletion', { completionId: 1, void: true }]],
  ['RT0012', /may not send Start/, ['Start', {}]],
];

test.each(refused)('%s %s', (code, why, sent) => {
  expect(() => read(sent)).toThrowError(
    expect.objectContaining({ code, message: expect.stringMatching(why) }) as Error,
  );
});

test('a long failure is cut', () => {
  const message = 'm'.repeat(100_000);
  const { end } = read(['Error', { code: 500, message, stacktrace: message }]);
  if (end.kind !== 'failed') throw new Error('it did not fail');
  expect([end.failure.message.length, end.failure.stack?.length]).toEqual([8192, 16_384]);
});
