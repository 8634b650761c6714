/** What ingress and admin are told; registering has a test of its own. */
import { expect, test } from 'vitest';
import { deployment } from '../core/testing/memory-view.ts';
import { CodedError } from '../platform/error.ts';
import type { InvokeOutcome } from './engine.ts';
import { settled, World } from './testing/world.ts';

test('a repeated request is told the id of the first one, and not a start of its own', async () => {
  const world = new World();
  const partition = await world.open();
  const engine = world.engine(partition);
  partition.propose({ type: 'registerDeployment', deployment: deployment('one'), keepSettings: false });
  await settled();
  const outcomes: InvokeOutcome[] = [];
  const target = { service: 'Svc', handler: 'a', key: '' };
  const request = { target, headers: [], body: new Uint8Array(), idempotencyKey: 'k' };
  // The second is not known yet when it is asked for; the third is.
  engine.invoke({ ...request, delayMs: 500 }, outcome => outcomes.push(outcome));
  engine.invoke({ ...request, delayMs: 900 }, outcome => outcomes.push(outcome));
  await settled();
  engine.invoke({ ...request, delayMs: 900 }, outcome => outcomes.push(outcome));
  const id = engine.idempotentId(target, 'k');
  expect(outcomes).toEqual([
    { kind: 'accepted', id, startAt: world.now + 500 },
    { kind: 'alreadyAccepted', id },
    { kind: 'alreadyAccepted', id },
  ]);
});

test('a signal to an invocation that is not there costs no record', async () => {
  const world = new World();
  const partition = await world.open();
  const engine = world.engine(partition);
  const records = world.log.records.length;
  const outcomes: string[] = [];
  const nobody = engine.idempotentId({ service: 'Svc', handler: 'a', key: '' }, 'k');
  engine.signal(nobody, 17, { kind: 'void' }, outcome => outcomes.push(outcome));
  await settled();
  expect(outcomes).toEqual(['unknown']);
  expect(world.log.records).toHaveLength(records);
});

test.for<readonly [string, string, string]>([
  ['that it is not there', 'HF_LAMBDA_NOT_FOUND', 'HF_LAMBDA_NOT_FOUND'],
  ['nothing either', 'META0003', 'unreachable'],
])('when discovery fails and the look-up says %s', async ([, code, expected]) => {
  const world = new World();
  const engine = world.engine(await world.open(), {
    lookUpFunction: () => Promise.reject(new CodedError(code, 'looked up')),
  });
  const registered = engine.register({
    address: { kind: 'lambda', arn: 'arn:aws:lambda:us-east-1:123456789012:function:f:1' },
  });
  await settled();
  world.calls[0]?.done({ kind: 'failed', code: 'RT0010', message: 'unreachable' });
  await expect(registered).rejects.toThrowError(
    expect.objectContaining(
      expected === code ? { code } : { code: 'META0003', message: expect.stringContaining(expected) },
    ) as Error,
  );
});

test('a restart is planned on what has ended, never on what is about to', async () => {
  const world = new World();
  const partition = await world.open();
  const engine = world.engine(partition);
  partition.propose({ type: 'registerDeployment', deployment: deployment('one'), keepSettings: false });
  await settled();
  const target = { service: 'Svc', handler: 'a', key: '' };
  engine.invoke({ target, headers: [], body: new Uint8Array(), idempotencyKey: 'k' }, () => undefined);
  await settled();
  const records = world.log.records.length;
  const outcomes: unknown[] = [];
  const id = engine.idempotentId(target, 'k');
  engine.restartAsNew({ id, from: 2, deployment: 'keep' }, outcome => outcomes.push(outcome));
  await settled();
  expect(outcomes).toEqual([{ kind: 'refused', outcome: 'notCompleted' }]);
  expect(world.log.records).toHaveLength(records);
});
