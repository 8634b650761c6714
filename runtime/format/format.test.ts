/** F1: what is written decodes to what was meant, and to the same bytes as the golden files of this version. */
import { readFileSync } from 'node:fs';
import { decodeFrames, encodeFrame, encodeInvocationId, FrameWriter } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import type { Command, Op } from '../core/command.ts';
import type { DeploymentId, Invocation, InvocationId } from '../core/model.ts';
import type { Rows, TableName } from '../core/table.ts';
import { deployment } from '../core/testing/memory-view.ts';
import { type IdSource, readAnswer } from './answer.ts';
import { decodeRecord, encodeRecord } from './record.ts';
import { decodeKey, decodeRow, encodeKey, encodeRow } from './row.ts';

const id = (n: number): InvocationId => encodeInvocationId(new Uint8Array(24).fill(n)) as InvocationId;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const target = { service: 'Svc', handler: 'h', key: '' };
const ids: IdSource = { callee: () => ({ id: id(9), randomSeed: 2n ** 64n - 1n }), idempotent: () => id(8) };

/** One answer with every command that a plain service may send. */
function everyOp(): readonly Op[] {
  const w = new FrameWriter();
  w.frame('RunCommand', { resultCompletionId: 1, name: 'step' });
  w.frame('ProposeRunCompletion', { resultCompletionId: 1, value: bytes('42') });
  w.frame('RunCommand', { resultCompletionId: 2, name: '' });
  w.frame('ProposeRunCompletion', {
    resultCompletionId: 2,
    failure: { code: 500, message: 'kaput', metadata: [{ key: 'a', value: 'b' }] },
  });
  w.frame('SleepCommand', { wakeUpTime: 1_795_000_000_000, resultCompletionId: 3, name: 'nap' });
  const call = {
    serviceName: 'Svc',
    handlerName: 'h',
    parameter: bytes('{}'),
    headers: [{ key: 'h', value: 'v' }],
  };
  w.frame('CallCommand', {
    ...call,
    idempotencyKey: 'k',
    invocationIdNotificationIdx: 4,
    resultCompletionId: 5,
  });
  w.frame('OneWayCallCommand', { ...call, invokeTime: 1_795_000_000_001, invocationIdNotificationIdx: 6 });
  w.frame('SendSignalCommand', { targetInvocationId: id(7), idx: 1, void: true });
  w.frame('SendSignalCommand', { targetInvocationId: id(7), name: 'go', value: bytes('1') });
  w.frame('AttachInvocationCommand', { invocationId: id(7), resultCompletionId: 7 });
  w.frame('GetInvocationOutputCommand', {
    idempotentRequestTarget: { serviceName: 'Svc', handlerName: 'h', idempotencyKey: 'k' },
    resultCompletionId: 8,
  });
  w.frame('OutputCommand', { value: bytes('"done"') });
  return readAnswer(decodeFrames(w.finish()), ids).ops;
}

const attempt = { type: 'attempt', id: id(1), attempt: 3, seenEntries: 200 } as const;
const failure = {
  code: 'RT0007',
  status: 500,
  message: 'käput',
  stack: 'at x',
  relatedCommand: { index: 3, name: 'step', type: 0x0411 },
};
const commands: Readonly<Record<string, Command>> = {
  initialize: { type: 'initialize', idSecret: new Uint8Array(32).fill(5) },
  invoke: {
    type: 'invoke',
    minted: { id: id(1), randomSeed: 12345678901234567890n },
    target,
    headers: [
      ['x-a', 'ü'],
      ['x-a', ''],
    ],
    body: new Uint8Array([0, 255]),
    idempotencyKey: 'k',
    startAt: 1_795_000_000_000,
  },
  'invoke, least': {
    type: 'invoke',
    minted: { id: id(1), randomSeed: 0n },
    target,
    headers: [],
    body: new Uint8Array(),
    idempotencyKey: undefined,
    startAt: 0,
  },
  'attempt that did everything': { ...attempt, ops: everyOp(), end: { kind: 'completed' } },
  'attempt that suspends': {
    ...attempt,
    ops: [],
    end: { kind: 'suspended', awaiting: { completions: [1, 300], signals: [1, 'named'] } },
  },
  'attempt that is retried': {
    ...attempt,
    ops: [],
    end: {
      kind: 'failed',
      failure,
      after: { kind: 'retry', delayMs: 500, failures: { counted: 1, overrides: 2 } },
    },
  },
  'attempt that pauses': {
    ...attempt,
    ops: [],
    end: { kind: 'failed', failure: { code: 'RT0010', status: 500, message: '' }, after: { kind: 'pause' } },
  },
  'attempt that kills': { ...attempt, ops: [], end: { kind: 'failed', failure, after: { kind: 'kill' } } },
  timerFired: { type: 'timerFired', timer: `0001795000000000/${id(1)}/sleep1` },
  'signal, awakeable': {
    type: 'signal',
    id: id(1),
    signal: 17,
    result: { kind: 'success', value: bytes('1') },
  },
  'signal, named and failed': {
    type: 'signal',
    id: id(1),
    signal: 'go',
    result: { kind: 'failure', failure: { code: 500, message: 'no', metadata: [['k', 'v']] } },
  },
  cancel: { type: 'cancel', id: id(1) },
  kill: { type: 'kill', id: id(1) },
  resume: { type: 'resume', id: id(1) },
  registerDeployment: { type: 'registerDeployment', deployment: deployment('one', { kept: true }) },
  removeDeployment: { type: 'removeDeployment', id: 'dp_1' as DeploymentId },
};

const invocation: Invocation = {
  id: id(1),
  target,
  source: { kind: 'invocation', id: id(2), target },
  idempotencyKey: 'k',
  randomSeed: 7n,
  createdAt: 1_795_000_000_000,
  modifiedAt: 1_795_000_000_001,
  state: { status: 'suspended', awaiting: { completions: [2], signals: [1, 'named'] } },
  attempt: 4,
  pinned: { deployment: 'dp_1' as DeploymentId, protocolVersion: 6 },
  entries: 9,
  commands: 4,
  pending: [
    { of: 'sleep', completionId: 1, timer: 't' },
    { of: 'call', completionId: 2, target: id(3) },
    { of: 'attach', completionId: 3, target: id(4) },
    { of: 'run', completionId: 4 },
  ],
  completionIds: [1, 4, 7, 7],
  fresh: [
    { index: 3, id: 1 },
    { index: 4, id: { signal: 17 } },
    { index: 5, id: { signal: 'named' } },
  ],
  listeners: [
    { caller: id(5), completionId: 1, of: 'call' },
    { caller: id(6), completionId: 2, of: 'attach' },
  ],
  output: { kind: 'success', value: bytes('1') },
  failures: { counted: 1, overrides: 2 },
  retryCount: 3,
  lastFailure: { ...failure, at: 5, attempt: 3 },
};
const rows: Readonly<Record<string, readonly [TableName, Rows[TableName]]>> = {
  meta: ['meta', { idSecret: new Uint8Array(32).fill(1) }],
  'invocation, suspended': ['invocation', invocation],
  'invocation, scheduled': [
    'invocation',
    {
      ...invocation,
      state: { status: 'scheduled', startAt: 1, timer: 't' },
      pinned: undefined,
      source: { kind: 'ingress' },
      idempotencyKey: undefined,
      output: undefined,
      lastFailure: undefined,
    },
  ],
  'invocation, running': ['invocation', { ...invocation, state: { status: 'running' } }],
  'invocation, backing off': [
    'invocation',
    { ...invocation, state: { status: 'backingOff', retryAt: 1, timer: 't' } },
  ],
  'invocation, paused': ['invocation', { ...invocation, state: { status: 'paused' } }],
  completed: [
    'completed',
    {
      id: id(1),
      target,
      source: { kind: 'ingress' },
      idempotencyKey: undefined,
      randomSeed: 7n,
      createdAt: 1,
      completedAt: 2,
      expiresAt: 3,
      deployment: 'dp_1' as DeploymentId,
      protocolVersion: 6,
      attempt: 2,
      entries: 5,
      result: { kind: 'failure', failure: { code: 409, message: 'x' } },
      lastFailure: undefined,
    },
  ],
  journal: [
    'journal',
    {
      first: 0,
      entries: [
        { kind: 'input', headers: [['a', 'b']], body: bytes('in') },
        {
          kind: 'command',
          type: 0x0411,
          frame: encodeFrame('RunCommand', { resultCompletionId: 1, name: 'x' }),
        },
        { kind: 'completion', of: 'run', completionId: 1, result: { kind: 'success', value: bytes('1') } },
        { kind: 'completion', of: 'callId', completionId: 2, result: { kind: 'invocationId', id: id(3) } },
        { kind: 'completion', of: 'sleep', completionId: 3, result: { kind: 'void' } },
        {
          kind: 'completion',
          of: 'call',
          completionId: 4,
          result: { kind: 'failure', failure: { code: 1, message: '' } },
        },
        { kind: 'completion', of: 'attach', completionId: 5, result: { kind: 'success', value: bytes('') } },
        { kind: 'completion', of: 'getOutput', completionId: 6, result: { kind: 'void' } },
        { kind: 'signal', signal: 1, result: { kind: 'void' } },
        { kind: 'signal', signal: 'named', result: { kind: 'success', value: bytes('1') } },
      ],
    },
  ],
  'timer, sleep': ['timer', { at: 1_795_000_000_000, invocation: id(1), kind: 'sleep', completionId: 7 }],
  'timer, start': ['timer', { at: 1, invocation: id(1), kind: 'start' }],
  'timer, retry': ['timer', { at: 1, invocation: id(1), kind: 'retry' }],
  'timer, dropJournal': ['timer', { at: 1, invocation: id(1), kind: 'dropJournal' }],
  'timer, dropCompleted': ['timer', { at: 1, invocation: id(1), kind: 'dropCompleted' }],
  deployment: ['deployment', deployment('one')],
  service: ['service', { name: 'Svc', deployment: 'dp_1' as DeploymentId, revision: 2 }],
};

const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex');
const unhex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

test('records decode to the command they were written from', () => {
  for (const [name, command] of Object.entries(commands)) {
    const record = { at: 1_795_000_000_123, command };
    expect(decodeRecord(encodeRecord(record)), name).toEqual(record);
  }
});

test('rows decode to what was written', () => {
  for (const [name, [table, row]] of Object.entries(rows)) {
    expect(decodeRow(table, encodeRow(table, row)), name).toEqual(row);
  }
});

test('bytes written by this version decode for ever', async () => {
  const golden: Record<string, string> = {};
  for (const [name, command] of Object.entries(commands))
    golden[`record: ${name}`] = hex(encodeRecord({ at: 1, command }));
  for (const [name, [table, row]] of Object.entries(rows))
    golden[`row: ${name}`] = hex(encodeRow(table, row));
  const file = new URL('golden/v1.json', import.meta.url);
  await expect(`${JSON.stringify(golden, null, 1)}\n`).toMatchFileSnapshot(file.pathname);
  const kept = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  for (const [name, command] of Object.entries(commands)) {
    expect(decodeRecord(unhex(kept[`record: ${name}`] ?? '')), name).toEqual({ at: 1, command });
  }
});

test('damage is a coded error, never a wrong value or a crash of another kind', () => {
  for (const command of Object.values(commands)) {
    const whole = encodeRecord({ at: 1, command });
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeRecord(whole.subarray(0, length))).toThrowError(
        expect.objectContaining({ code: expect.stringMatching(/^HF_(FORMAT_DAMAGED|PROTOCOL|ID)/) }) as Error,
      );
    }
  }
});

test('keys keep the order of their strings', () => {
  const keys = ['', `${id(1)}/0000000001`, `${id(1)}/0000000002`, `${id(2)}/0000000000`];
  const encoded = keys.map(key => encodeKey('journal', key));
  expect(encoded.map(decodeKey)).toEqual(keys);
  expect([...encoded].sort(Buffer.compare)).toEqual(encoded);
});
