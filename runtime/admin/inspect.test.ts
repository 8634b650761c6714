import { encodeFrame } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import type { Entry, Invocation } from '../core/model.ts';
import { ask, bytes, DP, INV, setUp } from './testing/setup.ts';

test('an invocation and its journal, for an operator', async () => {
  const { engine, admin } = setUp();
  engine.one = {
    id: INV,
    target: { service: 'Svc', handler: 'echo', key: '' },
    source: { kind: 'ingress' },
    idempotencyKey: 'K',
    createdAt: 400,
    modifiedAt: 500,
    state: { status: 'suspended', awaiting: { completions: [1], signals: [1] } },
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
    source: { kind: 'invocation', id: INV, target: { service: 'Svc', handler: 'echo', key: '' } },
    idempotencyKey: undefined,
    randomSeed: 1n,
    createdAt: 0,
    completedAt: 5,
    expiresAt: 9,
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
    target_service_key: 'k',
    target_handler_name: 'add',
    invoked_by: 'service',
    invoked_by_id: INV,
    invoked_by_target: 'Svc/echo',
    created_at: '1970-01-01T00:00:00.000000000Z',
    status: 'completed',
    completed_at: '1970-01-01T00:00:00.005000000Z',
    expires_at: '1970-01-01T00:00:00.009000000Z',
    age_ms: 5,
    pinned_deployment_id: DP,
    pinned_service_protocol_version: 7,
    completion_result: 'success',
    value: { size: 2, utf8: '42' },
    attempt: 1,
    journal_size: 0,
  });
});
