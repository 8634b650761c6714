/** Any command and any row, except deployments and services, which are JSON, and what an attempt has sent. */
import { encodeInvocationId } from '@holdfast/protocol';
import fc, { type Arbitrary } from 'fast-check';
import type { Command } from '../core/command.ts';
import type {
  DeploymentId,
  Failures,
  Future,
  InvocationId,
  InvocationStatus,
  NotificationResult,
  Pending,
  RecordedFailure,
  Result,
  SignalId,
  StatePatch,
  Target,
} from '../core/model.ts';
import type { Rows } from '../core/table.ts';

const text = fc.string({ unit: 'binary', maxLength: 8 });
const body = fc.uint8Array({ maxLength: 8 });
const uint = fc.oneof(fc.nat(), fc.maxSafeNat());
const seed = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const maybe = <T>(of: Arbitrary<T>): Arbitrary<T | undefined> => fc.option(of, { nil: undefined });
const some = <T>(of: Arbitrary<T>): Arbitrary<T[]> => fc.array(of, { maxLength: 3 });
const kind = <K extends string>(value: K): Arbitrary<K> => fc.constant(value);

const id = fc
  .uint8Array({ minLength: 24, maxLength: 24 })
  .map(raw => encodeInvocationId(raw) as InvocationId);
const deployment = text as Arbitrary<string> as Arbitrary<DeploymentId>;
const target: Arbitrary<Target> = fc.record(
  { service: text, handler: text, key: text, scope: text },
  { requiredKeys: ['service', 'handler', 'key'] },
);
const header = fc.tuple(text, text);
const failure = fc
  .record({ code: uint, message: text, metadata: some(header) })
  .map(({ metadata, ...rest }) => (metadata.length === 0 ? rest : { ...rest, metadata }));
const result: Arbitrary<Result> = fc.oneof(
  fc.record({ kind: kind('success'), value: body }),
  fc.record({ kind: kind('failure'), failure }),
);
const notification: Arbitrary<NotificationResult> = fc.oneof(
  result,
  fc.record({ kind: kind('void') }),
  fc.record({ kind: kind('invocationId'), id }),
  fc.record({ kind: kind('stateKeys'), keys: some(text) }),
);
const signal: Arbitrary<SignalId> = fc.oneof(uint, text);
const { awaiting } = fc.letrec<{ awaiting: Future }>(tie => ({
  awaiting: fc.record({
    combinator: fc.constantFrom(
      'any' as const,
      'firstCompleted' as const,
      'allCompleted' as const,
      'firstSucceeded' as const,
      'allSucceeded' as const,
    ),
    completions: some(uint),
    signals: some(signal),
    nested: fc.oneof({ depthSize: 'small' }, fc.constant([]), fc.array(tie('awaiting'), { maxLength: 2 })),
  }),
}));
const failures: Arbitrary<Failures> = fc.record({ counted: uint, overrides: uint, suspect: uint });
const report = fc.record(
  {
    code: text,
    status: uint,
    message: text,
    stack: text,
    relatedCommand: fc.record({ index: uint, name: text, type: uint }, { requiredKeys: [] }),
  },
  { requiredKeys: ['code', 'status', 'message'] },
);
const recorded: Arbitrary<RecordedFailure> = fc
  .tuple(report, fc.record({ at: uint, attempt: uint }))
  .map(([left, right]) => ({ ...left, ...right }));
const patch: Arbitrary<StatePatch> = fc.record({
  version: maybe(text),
  entries: some(fc.tuple(text, body)),
});

const identity = {
  id,
  target,
  role: fc.constantFrom(
    'service' as const,
    'exclusive' as const,
    'shared' as const,
    'workflow' as const,
    'workflowShared' as const,
  ),
  source: fc.oneof(
    fc.record({ kind: kind('ingress') }),
    fc.record({ kind: kind('invocation'), id, target }),
    fc.record({ kind: kind('restart'), id, entries: fc.nat() }),
  ),
  idempotencyKey: maybe(text),
  limitKey: maybe(text),
  randomSeed: seed,
  createdAt: uint,
};
const status: Arbitrary<InvocationStatus> = fc.oneof(
  fc.record({ status: kind('scheduled'), startAt: uint, timer: text }),
  fc.record({ status: kind('queued'), previous: maybe(id), next: maybe(id) }),
  fc.record({ status: kind('running'), pausing: fc.boolean() }),
  fc.record({ status: kind('backingOff'), retryAt: uint, timer: text }),
  fc.record({ status: kind('suspended'), awaiting }),
  fc.record({ status: kind('paused') }),
);
const pending: Arbitrary<Pending> = fc.oneof(
  fc.record({ of: kind('sleep'), completionId: uint, timer: text }),
  fc.record({ of: fc.constantFrom('call' as const, 'attach' as const), completionId: uint, target: id }),
  fc.record({ of: kind('run'), completionId: uint }),
  fc.record({ of: kind('getPromise'), completionId: uint, promise: text }),
);
const rows: { readonly [N in keyof Rows]?: Arbitrary<Rows[N]> } = {
  invocation: fc.record({
    ...identity,
    modifiedAt: uint,
    state: status,
    attempt: uint,
    pinned: maybe(fc.record({ deployment, protocolVersion: uint })),
    entries: uint,
    commands: uint,
    pending: some(pending),
    completionIds: some(uint),
    failedIds: some(uint),
    fresh: some(
      fc.record({
        index: uint,
        id: fc.oneof(uint, fc.record({ signal })),
        outcome: fc.constantFrom('success' as const, 'failure' as const, 'unknown' as const),
      }),
    ),
    listeners: some(
      fc.record({ caller: id, completionId: uint, of: fc.constantFrom('call' as const, 'attach' as const) }),
    ),
    output: maybe(result),
    failures: fc.oneof(failures, fc.constant({ counted: 0, overrides: 0, suspect: 0 })),
    retryCount: fc.oneof(uint, fc.constant(0)),
    lastFailure: maybe(recorded),
  }),
  completed: fc.record({
    ...identity,
    completedAt: uint,
    expiresAt: uint,
    journalExpiresAt: maybe(uint),
    deployment: maybe(deployment),
    protocolVersion: maybe(uint),
    attempt: uint,
    entries: uint,
    result,
    lastFailure: maybe(recorded),
  }),
  timer: fc.oneof(
    fc.record({ at: uint, invocation: id, kind: kind('sleep'), completionId: uint }),
    fc.record({
      at: uint,
      invocation: id,
      kind: fc.constantFrom(
        'start' as const,
        'retry' as const,
        'dropJournal' as const,
        'dropCompleted' as const,
      ),
    }),
    fc.record({ at: uint, invocation: id, kind: kind('dropPromise'), completionId: uint, promise: text }),
  ),
  instance: fc.record({
    holder: maybe(id),
    first: maybe(id),
    last: maybe(id),
    patches: some(patch),
    run: maybe(id),
  }),
  state: fc.record({ key: text, value: body }),
  promise: fc.record({
    result: maybe(result),
    listeners: some(fc.record({ caller: id, completionId: uint })),
    timer: maybe(text),
  }),
};
export const anyRow = fc.oneof(
  ...Object.entries(rows).map(([table, row]) =>
    fc.tuple(fc.constant(table as keyof Rows), row as Arbitrary<Rows[keyof Rows]>),
  ),
);

const minted = fc.record({ id, randomSeed: seed, deterministic: fc.boolean() });
export const anyCommand: Arbitrary<Command> = fc.oneof(
  fc.record({
    type: kind('invoke'),
    minted,
    target,
    headers: some(header),
    body,
    idempotencyKey: maybe(text),
    limitKey: maybe(text),
    startAt: uint,
  }),
  fc.record({
    type: kind('attempt'),
    id,
    attempt: uint,
    randomSeed: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    seenEntries: uint,
    ops: fc.constant([]),
    end: fc.oneof(
      fc.record({ kind: kind('completed') }),
      fc.record({ kind: kind('goesOn') }),
      fc.record({ kind: kind('suspended'), awaiting }),
      fc.record({
        kind: kind('failed'),
        failure: report,
        after: fc.oneof(
          fc.record({ kind: kind('retry'), delayMs: uint, failures }),
          fc.record({ kind: kind('pause') }),
          fc.record({ kind: kind('kill') }),
        ),
      }),
    ),
  }),
  fc.record({ type: kind('signal'), id, signal, result: notification }),
  fc.record({ type: kind('resume'), id, deployment: maybe(deployment) }),
  fc.record({
    type: kind('restartAsNew'),
    id,
    minted,
    deployment: maybe(deployment),
    kept: fc.record({ entries: some(uint), completionIds: some(uint) }),
  }),
  fc.record({
    type: kind('patchState'),
    of: fc.record({ service: text, key: text, scope: text }, { requiredKeys: ['service', 'key'] }),
    patch,
  }),
);
