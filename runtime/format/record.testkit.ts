/** One of every command, in the forms that the layout of its record tells apart. */
import { decodeFrames, FrameWriter } from '@holdfast/protocol';
import type { Command, Op } from '../core/command.ts';
import { anyOf } from '../core/future.ts';
import { readAnswer } from './answer.ts';
import {
  bytes,
  deployment,
  failure,
  httpDeployment,
  id,
  ids,
  scoped,
  service,
  target,
  tree,
} from './values.testkit.ts';

/** One answer with every command that a handler may send. */
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
  w.frame('GetLazyStateCommand', { key: bytes('ß'), resultCompletionId: 9 });
  w.frame('GetLazyStateKeysCommand', { resultCompletionId: 10 });
  w.frame('GetEagerStateCommand', { key: bytes('a'), void: true });
  w.frame('GetEagerStateCommand', { key: bytes('a'), value: bytes('1') });
  w.frame('GetEagerStateKeysCommand', { value: { keys: [bytes('a')] } });
  w.frame('SetStateCommand', { key: bytes('ß'), value: bytes('') });
  w.frame('ClearStateCommand', { key: bytes('') });
  w.frame('ClearAllStateCommand', {});
  w.frame('GetPromiseCommand', { key: 'paid', resultCompletionId: 11 });
  w.frame('PeekPromiseCommand', { key: 'paid', resultCompletionId: 12 });
  w.frame('CompletePromiseCommand', { key: 'paid', completionValue: bytes('1'), resultCompletionId: 13 });
  w.frame('CompletePromiseCommand', {
    key: 'paid',
    completionFailure: { code: 402, message: 'no', metadata: [] },
    resultCompletionId: 14,
  });
  w.frame('AttachInvocationCommand', {
    workflowTarget: { workflowName: 'Wf', workflowKey: 'k' },
    resultCompletionId: 15,
  });
  w.frame('CallCommand', {
    ...call,
    scope: 's-1',
    limitKey: 'tenant/user',
    invocationIdNotificationIdx: 16,
    resultCompletionId: 17,
  });
  w.frame('OneWayCallCommand', { ...call, scope: 's-1', invocationIdNotificationIdx: 18 });
  w.frame('AttachInvocationCommand', {
    workflowTarget: { workflowName: 'Wf', workflowKey: 'k', scope: 's-1' },
    resultCompletionId: 19,
  });
  w.frame('OutputCommand', { value: bytes('"done"') });
  return readAnswer(decodeFrames(w.finish()), ids, 7).ops;
}

const attempt = { type: 'attempt', id: id(1), attempt: 3, randomSeed: 9n, seenEntries: 200 } as const;
export const commands: Readonly<Record<string, Command>> = {
  initialize: { type: 'initialize', idSecret: new Uint8Array(32).fill(5) },
  invoke: {
    type: 'invoke',
    minted: { id: id(1), randomSeed: 12345678901234567890n, deterministic: true },
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
    minted: { id: id(1), randomSeed: 0n, deterministic: false },
    target,
    headers: [],
    body: new Uint8Array(),
    idempotencyKey: undefined,
    startAt: 0,
  },
  'attempt that did everything': { ...attempt, ops: everyOp(), end: { kind: 'completed' } },
  'invoke in a scope': {
    type: 'invoke',
    minted: { id: id(1), randomSeed: 1n, deterministic: false },
    target: scoped,
    headers: [],
    body: new Uint8Array(),
    idempotencyKey: undefined,
    limitKey: 'tenant/user',
    startAt: 0,
  },
  'attempt that suspends': {
    ...attempt,
    ops: [],
    end: { kind: 'suspended', awaiting: anyOf([1, 300], [1, 'named']) },
  },
  'attempt that suspends on a tree': { ...attempt, ops: [], end: { kind: 'suspended', awaiting: tree } },
  'attempt that goes on': { ...attempt, ops: everyOp().slice(0, 2), end: { kind: 'goesOn' } },
  'attempt that is retried': {
    ...attempt,
    ops: [],
    end: {
      kind: 'failed',
      failure,
      after: { kind: 'retry', delayMs: 500, failures: { counted: 1, overrides: 2, suspect: 3 } },
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
  pause: { type: 'pause', id: id(1) },
  resume: { type: 'resume', id: id(1), deployment: undefined },
  'resume elsewhere': { type: 'resume', id: id(1), deployment: deployment.id },
  restartAsNew: {
    type: 'restartAsNew',
    id: id(1),
    minted: { id: id(2), randomSeed: 7n, deterministic: false },
    deployment: undefined,
    kept: { entries: [0], completionIds: [] },
  },
  'restartAsNew with a prefix, elsewhere': {
    type: 'restartAsNew',
    id: id(1),
    minted: { id: id(2), randomSeed: 7n, deterministic: false },
    deployment: deployment.id,
    kept: { entries: [0, 1, 300], completionIds: [1, 2, 17, 17] },
  },
  purge: { type: 'purge', id: id(1) },
  purgeJournal: { type: 'purgeJournal', id: id(1) },
  patchState: {
    type: 'patchState',
    of: { service: 'Cart', key: 'ä/1' },
    patch: {
      version: 'v',
      entries: [
        ['ß', bytes('1')],
        ['', bytes('')],
      ],
    },
  },
  'patchState to nothing': {
    type: 'patchState',
    of: { service: 'Cart', key: '' },
    patch: { version: undefined, entries: [] },
  },
  'patchState in a scope': {
    type: 'patchState',
    of: { service: 'Wf', key: 'k', scope: 's-1' },
    patch: { version: undefined, entries: [] },
  },
  registerDeployment: { type: 'registerDeployment', deployment, keepSettings: true },
  'registerDeployment, HTTP': { type: 'registerDeployment', deployment: httpDeployment, keepSettings: false },
  promoteDeployment: { type: 'promoteDeployment', id: deployment.id },
  removeDeployment: { type: 'removeDeployment', id: deployment.id },
  updateService: { type: 'updateService', deployment: deployment.id, service },
};
