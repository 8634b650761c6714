/** What an answer's frames are read into, and what is refused. */
import {
  decodeFrames,
  encodeAwakeableId,
  encodeFrame,
  FrameWriter,
  type MessageInput,
  type MessageName,
  MessageType,
  type Future as WireFuture,
} from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { type Answer, type IdSource, readAnswer } from './answer.ts';
import { bytes, id, ids } from './values.testkit.ts';

interface Reading {
  readonly source?: IdSource;
  readonly version?: number;
}
type Sent = { readonly [N in MessageName]: readonly [name: N, message: MessageInput<N>] }[MessageName];

function read([name, message]: Sent, { source = ids, version = 6 }: Reading = {}) {
  const w = new FrameWriter();
  w.frame(name, message as never);
  return readAnswer(decodeFrames(w.finish()), source, version);
}

const future = (part: Partial<WireFuture>): WireFuture => ({
  waitingCompletions: [],
  waitingSignals: [],
  waitingNamedSignals: [],
  nestedFutures: [],
  combinatorType: 0,
  ...part,
});

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
  read(['CallCommand', { ...keyed, key: 'k' }], { source });
  read(['AttachInvocationCommand', { idempotentRequestTarget: { ...keyed, serviceKey: 'k' } }], { source });
  read(['AttachInvocationCommand', { idempotentRequestTarget: keyed }], { source });
  read(['GetInvocationOutputCommand', { workflowTarget: { workflowName: 'W', workflowKey: 'k' } }], {
    source,
  });
  read(['AttachInvocationCommand', { invocationId: id(1) }], { source });
  const inScope = { source, version: 7 };
  read(['CallCommand', { ...keyed, key: 'k', scope: 's', limitKey: 'l' }], inScope);
  read(['OneWayCallCommand', { serviceName: 'S', handlerName: 'h', scope: 's' }], inScope);
  read(['AttachInvocationCommand', { idempotentRequestTarget: { ...keyed, scope: 's' } }], inScope);
  read(
    ['GetInvocationOutputCommand', { workflowTarget: { workflowName: 'W', workflowKey: 'k', scope: 's' } }],
    inScope,
  );
  const target = { service: 'S', handler: 'h', key: 'k' };
  expect(asked).toEqual([
    [target, 'i'],
    [target, 'i'],
    [{ ...target, key: '' }, 'i'],
    [{ service: 'W', key: 'k' }],
    [{ ...target, scope: 's' }, 'i'],
    [{ ...target, key: '', scope: 's' }, undefined],
    [{ ...target, key: '', scope: 's' }, 'i'],
    [{ service: 'W', key: 'k', scope: 's' }],
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
  ['RT0012', /V7/, ['AwaitingOn', { awaitingOn: future({ waitingCompletions: [1] }) }]],
  [
    'RT0012',
    /a future tree belongs to protocol V7/,
    ['Suspension', { awaitingOn: future({ waitingCompletions: [1] }) }],
  ],
];
const onV7: typeof refused = [
  ['RT0024', /a scope is 1 to 36/, ['CallCommand', { serviceName: 'S', handlerName: 'h', scope: 'a b' }]],
  [
    'RT0024',
    /a scope is 1 to 36/,
    ['GetInvocationOutputCommand', { workflowTarget: { ...workflowTarget, scope: '' } }],
  ],
  ['RT0024', /no scope/, ['OneWayCallCommand', { serviceName: 'S', handlerName: 'h', limitKey: 'l' }]],
  [
    'RT0024',
    /one or two parts/,
    ['CallCommand', { serviceName: 'S', handlerName: 'h', scope: 's', limitKey: 'a/b/c' }],
  ],
  ['RT0012', /no future to wait for/, ['Suspension', { waitingCompletions: [1] }]],
];

test.each([...refused.map(row => [6, ...row] as const), ...onV7.map(row => [7, ...row] as const)])(
  'V%i: %s %s',
  (version, code, why, sent) => {
    expect(() => read(sent, { version })).toThrowError(
      expect.objectContaining({ code, message: expect.stringMatching(why) }) as Error,
    );
  },
);

test('a long failure is cut', () => {
  const message = 'm'.repeat(100_000);
  const { end } = read(['Error', { code: 500, message, stacktrace: message }]);
  if (end.kind !== 'failed') throw new Error('it did not fail');
  expect([end.failure.message.length, end.failure.stack?.length]).toEqual([8192, 16_384]);
});

const leaves = { completions: [1], signals: [1, 'go'], nested: [] };
const wire = future({ waitingCompletions: [1], waitingSignals: [1], waitingNamedSignals: ['go'] });
const flat = { waitingCompletions: [1], waitingSignals: [1], waitingNamedSignals: ['go'] };
test.each<readonly [version: number, Sent, Answer['end']]>([
  [5, ['Suspension', flat], { kind: 'suspended', awaiting: { combinator: 'any', ...leaves } }],
  [6, ['Suspension', flat], { kind: 'suspended', awaiting: { combinator: 'any', ...leaves } }],
  ...(['any', 'firstCompleted', 'allCompleted', 'firstSucceeded', 'allSucceeded'] as const).map(
    (combinator, combinatorType) =>
      [
        7,
        ['Suspension', { awaitingOn: { ...wire, combinatorType } }],
        { kind: 'suspended', awaiting: { combinator, ...leaves } },
      ] as const satisfies readonly [number, Sent, Answer['end']],
  ),
  // One that is newer than this orchestrator completes with whatever completes below it.
  [
    7,
    [
      'Suspension',
      { awaitingOn: future({ combinatorType: 99, nestedFutures: [{ ...wire, combinatorType: 2 }] }) },
    ],
    {
      kind: 'suspended',
      awaiting: {
        combinator: 'any',
        completions: [],
        signals: [],
        nested: [{ combinator: 'allCompleted', ...leaves }],
      },
    },
  ],
  [7, ['AwaitingOn', { awaitingOn: wire }], { kind: 'missing' }],
  [7, ['Error', { code: 500, message: 'x', behavior: 1 }], failedWith({ behavior: 'pause' })],
  [7, ['Error', { code: 500, message: 'x', behavior: 2 }], failedWith({ behavior: 'fail' })],
  [7, ['Error', { code: 500, message: 'x', behavior: 3 }], failedWith({})],
  [6, ['Error', { code: 500, message: 'x', behavior: 1 }], failedWith({})],
])('V%i: %j', (version, sent, end) => {
  expect(read(sent, { version })).toEqual({ ops: [], acks: [], end });
});

function failedWith(more: object): Answer['end'] {
  return { kind: 'failed', failure: { code: 'RT0007', status: 500, message: 'x' }, ...more };
}

function nestedFuture(depth: number): WireFuture {
  let nested = future({ waitingCompletions: [1] });
  for (let level = 1; level < depth; level++) nested = future({ nestedFutures: [nested] });
  return nested;
}

test('a future is nested so deep and no deeper', () => {
  expect(read(['Suspension', { awaitingOn: nestedFuture(1000) }], { version: 7 }).end.kind).toBe('suspended');
  // Whether the codec or the reader of answers refuses it, the attempt is told the same.
  for (const depth of [1001, 1002, 5000]) {
    expect(() => read(['Suspension', { awaitingOn: nestedFuture(depth) }], { version: 7 })).toThrowError(
      expect.objectContaining({ code: expect.stringMatching(/^(RT0025|HF_PROTOCOL_NESTING)$/) }) as Error,
    );
  }
});

test('an acknowledgement is due for a proposal that asks for it, from V7 on', () => {
  const proposal = (flags: number): Uint8Array => {
    const frame = encodeFrame('ProposeRunCompletion', { resultCompletionId: 3, value });
    new DataView(frame.buffer, frame.byteOffset).setUint16(2, flags);
    return frame;
  };
  const acks = (flags: number, version: number) =>
    readAnswer(decodeFrames(proposal(flags)), ids, version).acks;
  expect([acks(0x8000, 7), acks(0, 7), acks(0x8000, 6)]).toEqual([[3], [], []]);
});
