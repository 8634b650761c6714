import { encodeFrame, type MessageInput, type MessageName, messages } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { anyOf } from '../core/future.ts';
import type { CompletionOf, Entry, Future, Invocation, NotificationResult } from '../core/model.ts';
import { entryJson } from './journal-entry.ts';
import { ask, bytes, DP, INV, NEW, setUp } from './testing/setup.ts';

const nestedIn = (child: Future): Future => ({
  combinator: 'allCompleted',
  completions: [],
  signals: [],
  nested: [child],
});

test('an invocation and its journal, for an operator', async () => {
  const { engine, admin } = setUp();
  engine.one = {
    id: INV,
    target: { service: 'Svc', handler: 'echo', key: '' },
    role: 'service',
    source: { kind: 'ingress' },
    idempotencyKey: 'K',
    createdAt: 400,
    modifiedAt: 500,
    state: { status: 'suspended', awaiting: anyOf([1], [1]) },
    attempt: 2,
    pinned: { deployment: DP, protocolVersion: 6 },
    entries: 6,
    commands: 3,
    pending: [{ of: 'sleep', completionId: 1, timer: 't' }],
    failures: { counted: 1, overrides: 0 },
    lastFailure: {
      at: 450,
      attempt: 1,
      code: 'RT0007',
      status: 500,
      message: 'boom',
      relatedCommand: { index: 1, type: 0x0411 },
    },
  } as unknown as Invocation;
  const command = (type: number, frame: Uint8Array): Entry => ({ kind: 'command', type, frame });
  engine.entries = [
    { kind: 'input', headers: [['x-a', 'secret']], body: bytes(`"${'é'.repeat(600)}"`) },
    command(0x0411, encodeFrame('RunCommand', { resultCompletionId: 2, name: 'charge' })),
    {
      kind: 'completion',
      of: 'run',
      completionId: 2,
      result: { kind: 'failure', failure: { code: 402, message: 'no' } },
    },
    command(0x040c, encodeFrame('SleepCommand', { resultCompletionId: 1, wakeUpTime: 9 })),
    command(
      0x040d,
      encodeFrame('CallCommand', {
        serviceName: 'S',
        handlerName: 'h',
        key: 'k',
        parameter: bytes('1'),
        invocationIdNotificationIdx: 3,
        resultCompletionId: 4,
      }),
    ),
    { kind: 'signal', signal: 17, result: { kind: 'success', value: new Uint8Array([0xff, 0xfe]) } },
    command(0x0401, encodeFrame('OutputCommand', { failure: { code: 500, message: 'x', metadata: [] } })),
    command(0x0401, new Uint8Array([4, 1])),
  ];
  expect(JSON.parse((await ask(admin, 'GET', `/invocations/${INV}`)).body)).toEqual({
    id: INV,
    target: 'Svc/echo',
    target_service_name: 'Svc',
    target_service_ty: 'service',
    target_handler_name: 'echo',
    invoked_by: 'ingress',
    idempotency_key: 'K',
    created_at: '1970-01-01T00:00:00.400000000Z',
    status: 'suspended',
    modified_at: '1970-01-01T00:00:00.500000000Z',
    age_ms: 600,
    pinned_deployment_id: DP,
    pinned_service_protocol_version: 6,
    suspended_waiting_for_completions: [1],
    suspended_waiting_for_signals: [1],
    retry_count: 1,
    journal_commands_size: 3,
    pending: [{ type: 'sleep', completion_id: 1 }],
    pending_size: 1,
    attempt: 2,
    journal_size: 6,
    last_failure: {
      at: '1970-01-01T00:00:00.450000000Z',
      attempt: 1,
      error_code: 'RT0007',
      status: 500,
      message: 'boom',
      related_command_index: 1,
      related_command_type: 'RunCommand',
    },
  });
  const journal = (await ask(admin, 'GET', `/invocations/${INV}/journal`)).body;
  expect(journal).not.toContain('secret');
  expect(JSON.parse(journal).entries).toEqual([
    {
      index: 0,
      entry_type: 'Command: Input',
      headers: ['x-a'],
      value: { size: 1202, utf8: `"${'é'.repeat(511)}`, truncated: true },
    },
    { index: 1, entry_type: 'Command: Run', name: 'charge', completion_id: 2 },
    { index: 2, entry_type: 'Notification: Run', completion_id: 2, failure: { code: 402, message: 'no' } },
    { index: 3, entry_type: 'Command: Sleep', completion_id: 1, wake_up_time: 9 },
    {
      index: 4,
      entry_type: 'Command: Call',
      completion_id: 4,
      invocation_id_completion_id: 3,
      service_name: 'S',
      handler_name: 'h',
      key: 'k',
      value: { size: 1, utf8: '1' },
    },
    { index: 5, entry_type: 'Notification: Signal', signal_id: 17, value: { size: 2 } },
    { index: 6, entry_type: 'Command: Output', failure: { code: 500, message: 'x' } },
    { index: 7, entry_type: 'Command: Output', size: 2, undecodable: expect.any(String) },
  ]);
  const page = JSON.parse((await ask(admin, 'GET', `/invocations/${INV}/journal?from=2&limit=2`)).body);
  expect([page.size, page.next, page.entries.map(({ index }: { index: number }) => index)]).toEqual([
    8,
    4,
    [2, 3],
  ]);
});

test('an invocation that has ended tells how', async () => {
  const { engine, admin } = setUp();
  engine.one = {
    id: INV,
    target: { service: 'Obj', handler: 'add', key: 'k' },
    role: 'exclusive',
    source: { kind: 'invocation', id: INV, target: { service: 'Svc', handler: 'echo', key: '' } },
    idempotencyKey: undefined,
    randomSeed: 1n,
    createdAt: 0,
    completedAt: 5,
    expiresAt: 9,
    journalExpiresAt: 7,
    deployment: DP,
    protocolVersion: 7,
    attempt: 1,
    entries: 0,
    result: { kind: 'success', value: bytes('42') },
    lastFailure: undefined,
  };
  expect(JSON.parse((await ask(admin, 'GET', `/invocations/${INV}`)).body)).toEqual({
    id: INV,
    target: 'Obj/k/add',
    target_service_name: 'Obj',
    target_service_ty: 'virtual_object',
    target_handler_ty: 'exclusive',
    target_service_key: 'k',
    target_handler_name: 'add',
    invoked_by: 'service',
    invoked_by_id: INV,
    invoked_by_service_name: 'Svc',
    invoked_by_target: 'Svc/echo',
    created_at: '1970-01-01T00:00:00.000000000Z',
    status: 'completed',
    completed_at: '1970-01-01T00:00:00.005000000Z',
    expires_at: '1970-01-01T00:00:00.009000000Z',
    journal_expires_at: '1970-01-01T00:00:00.007000000Z',
    age_ms: 5,
    pinned_deployment_id: DP,
    pinned_service_protocol_version: 7,
    completion_result: 'success',
    value: { size: 2, utf8: '42' },
    attempt: 1,
    journal_size: 0,
  });
});

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

test.each<[state: Partial<Invocation>, shown: Record<string, unknown>]>([
  [
    { role: 'exclusive', state: { status: 'queued', previous: undefined, next: undefined } },
    { status: 'pending', target_service_key: '', target_handler_ty: 'exclusive', key_held_by: NEW },
  ],
  [
    {
      role: 'shared',
      state: { status: 'running', pausing: true },
      source: { kind: 'restart', id: NEW, entries: 1 },
    },
    { status: 'running', pausing: true, invoked_by: 'restart_as_new', restarted_from: NEW },
  ],
  [
    { role: 'workflow', state: { status: 'backingOff', retryAt: 7, timer: 't' } },
    {
      status: 'backing-off',
      next_retry_at: '1970-01-01T00:00:00.007000000Z',
      target_service_ty: 'workflow',
      target_handler_ty: 'workflow',
    },
  ],
  [
    { role: 'workflowShared', state: { status: 'paused' } },
    { status: 'paused', target_handler_ty: 'shared' },
  ],
  [
    {
      target: { service: 'Svc', handler: 'echo', key: '', scope: 's-1' },
      limitKey: 'a/b',
      state: { status: 'paused' },
    },
    { scope: 's-1', limit_key: 'a/b' },
  ],
  [
    {
      role: 'shared',
      state: { status: 'suspended', awaiting: nestedIn(anyOf(numbers(600), numbers(600))) },
      pending: numbers(1001).map(completionId => ({ of: 'sleep', completionId, timer: 't' })),
    },
    {
      suspended_waiting_for_completions: numbers(600),
      suspended_waiting_for_signals: numbers(400),
      pending: numbers(1000).map(completionId => ({ type: 'sleep', completion_id: completionId })),
      pending_size: 1001,
    },
  ],
  [
    {
      role: 'shared',
      state: { status: 'paused' },
      lastFailure: {
        at: 0,
        attempt: 1,
        code: 'RT0007',
        status: 500,
        message: 'm'.repeat(1_000_000),
        stack: 's'.repeat(1_000_000),
        relatedCommand: { index: 1, name: 'n'.repeat(1_000_000) },
      },
    },
    {
      last_failure: {
        message: 'm'.repeat(1024),
        stacktrace: 's'.repeat(8192),
        related_command_name: 'n'.repeat(1024),
      },
    },
  ],
])('a live invocation: %#', async (state, shown) => {
  const { engine, admin } = setUp();
  engine.heldBy = NEW;
  engine.one = {
    id: INV,
    target: { service: 'Obj', handler: 'add', key: '' },
    source: { kind: 'ingress' },
    createdAt: 0,
    modifiedAt: 0,
    pending: [],
    failures: { counted: 0 },
    ...state,
  } as unknown as Invocation;
  expect(JSON.parse((await ask(admin, 'GET', `/invocations/${INV}`)).body)).toMatchObject(shown);
});

const frame = <N extends MessageName>(name: N, message: MessageInput<N>): Entry => ({
  kind: 'command',
  type: messages[name].type,
  frame: encodeFrame(name, message),
});
const completion = (of: CompletionOf, result: NotificationResult): Entry => ({
  kind: 'completion',
  of,
  completionId: 5,
  result,
});
const many = Array.from({ length: 150 }, (_, i) => `k${i}`);

test.each<[entry: Entry, shown: Record<string, unknown>]>([
  [
    frame('SetStateCommand', { key: bytes('n'), value: bytes('1'), name: 'l' }),
    { entry_type: 'Command: SetState', name: 'l', key: 'n', value: { size: 1, utf8: '1' } },
  ],
  [
    frame('ClearStateCommand', { key: new Uint8Array([255]) }),
    { entry_type: 'Command: ClearState', key: '1 bytes' },
  ],
  [frame('ClearAllStateCommand', {}), { entry_type: 'Command: ClearAllState' }],
  [
    frame('GetLazyStateCommand', { key: bytes('n'), resultCompletionId: 5 }),
    { entry_type: 'Command: GetLazyState', key: 'n', completion_id: 5 },
  ],
  [
    frame('GetEagerStateCommand', { key: bytes('n'), void: true }),
    { entry_type: 'Command: GetEagerState', key: 'n' },
  ],
  [
    frame('GetEagerStateKeysCommand', { value: { keys: [bytes('a'), bytes('b')] } }),
    { entry_type: 'Command: GetEagerStateKeys', state_keys: { size: 2, first: ['a', 'b'] } },
  ],
  [
    frame('CompletePromiseCommand', {
      key: 'p',
      resultCompletionId: 5,
      completionFailure: { code: 1, message: 'm', metadata: [] },
    }),
    {
      entry_type: 'Command: CompletePromise',
      key: 'p',
      completion_id: 5,
      failure: { code: 1, message: 'm' },
    },
  ],
  [
    frame('AttachInvocationCommand', {
      workflowTarget: { workflowName: 'Wf', workflowKey: 'w' },
      resultCompletionId: 5,
    }),
    { entry_type: 'Command: AttachInvocation', service_name: 'Wf', key: 'w', completion_id: 5 },
  ],
  [
    frame('SendSignalCommand', {
      targetInvocationId: INV,
      name: 'go',
      value: bytes('1'),
      entryName: 'label',
    }),
    {
      entry_type: 'Command: SendSignal',
      name: 'label',
      signal_name: 'go',
      target_invocation_id: INV,
      value: { size: 1, utf8: '1' },
    },
  ],
  [completion('getState', { kind: 'void' }), { entry_type: 'Notification: GetLazyState', completion_id: 5 }],
  [
    completion('getStateKeys', { kind: 'stateKeys', keys: many }),
    {
      entry_type: 'Notification: GetLazyStateKeys',
      completion_id: 5,
      state_keys: { size: 150, first: many.slice(0, 100) },
    },
  ],
  [
    completion('getPromise', { kind: 'success', value: bytes('2') }),
    { entry_type: 'Notification: GetPromise', completion_id: 5, value: { size: 1, utf8: '2' } },
  ],
  [
    completion('peekPromise', { kind: 'void' }),
    { entry_type: 'Notification: PeekPromise', completion_id: 5 },
  ],
  [
    completion('completePromise', { kind: 'failure', failure: { code: 409, message: 'done' } }),
    {
      entry_type: 'Notification: CompletePromise',
      completion_id: 5,
      failure: { code: 409, message: 'done' },
    },
  ],
])('%j', (entry, shown) => {
  expect(entryJson(entry, 3)).toEqual({ index: 3, ...shown });
});
