/** What ingress and admin are told; registering has a test of its own. */
import { expect, test } from 'vitest';
import { deployment } from '../core/testing/memory-view.ts';
import type { InvokeOutcome } from './engine.ts';
import { settled, World } from './testing/world.ts';

test('a repeated request is told the id of the first one, and not a start of its own', async () => {
  const world = new World();
  const partition = await world.open();
  const engine = world.engine(partition);
  partition.propose({ type: 'registerDeployment', deployment: deployment('one') });
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
