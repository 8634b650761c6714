import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Stack, startStack, until } from '../../test/e2e/harness/index.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({
    functions: [{ name: 'expenses', entry: join(import.meta.dirname, 'handler.ts') }],
  });
});
afterAll(() => stack.stop());

const call = async (target: string, input?: unknown) => (await stack.ingress.call(target, input)).body;
const left = (team: string) => call(`budget/${team}/left`);

test('an expense waits for its approver, over the death of the orchestrator', async () => {
  await call('budget/research/grant', 100);
  const { invocationId } = await stack.ingress.send('expense/laptop/run', { team: 'research', amount: 80 });
  await until('it waits', async () => (await call('expense/laptop/status')) === 'waits for approval');
  await stack.killOrchestrator();
  await stack.restartOrchestrator();
  expect(await left('research')).toBe(20);
  await call('expense/laptop/decide', 'approved');
  expect((await stack.ingress.attach(invocationId)).body).toBe('approved');
  expect(await stack.ingress.call('expense/laptop/decide', 'declined')).toMatchObject({ status: 409 });
  expect(await call('expense/laptop/status')).toBe('approved');
  expect(await left('research')).toBe(20);
});

test('ten at once never spend more than there is, and what is declined comes back', async () => {
  await call('budget/sales/grant', 50);
  const ids = Array.from({ length: 10 }, (_, index) => `trip-${index}`);
  // An answer may come before the question.
  await Promise.all(ids.map(id => call(`expense/${id}/decide`, 'declined')));
  const results = await Promise.all(
    ids.map(id => stack.ingress.call(`expense/${id}/run`, { team: 'sales', amount: 20 })),
  );
  for (const { status, body } of results)
    expect([status, body]).toEqual(status === 200 ? [200, 'declined'] : [402, expect.anything()]);
  expect(await left('sales')).toBe(50);
});

test('an operator cancels it', async () => {
  await call('budget/lab/grant', 9);
  const { invocationId } = await stack.ingress.send('expense/crane/run', { team: 'lab', amount: 9 });
  await until('it waits', async () => (await call('expense/crane/status')) === 'waits for approval');
  await stack.admin.cancel(invocationId);
  expect((await stack.ingress.attach(invocationId)).body).toBe('cancelled');
  expect(await left('lab')).toBe(9);
});

test('nobody answers', async () => {
  await call('budget/support/grant', 5);
  const input = { team: 'support', amount: 5, patienceMs: 200 };
  expect(await call('expense/plant/run', input)).toBe('expired');
  expect(await left('support')).toBe(5);
});
