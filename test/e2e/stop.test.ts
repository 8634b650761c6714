/** How the orchestrator's process ends when it is asked to: once, it waits for attempts; twice, it does not. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Stack, startStack, until } from './harness/index.ts';

let stack: Stack;

beforeAll(async () => {
  const entry = join(import.meta.dirname, 'stop-test-function.ts');
  stack = await startStack({ functions: [{ name: 'slow', entry, timeoutMs: 20_000 }] });
});
afterAll(() => stack.stop());

const isBusy = () => stack.lambda.environments().some(({ busy }) => busy);

/** The harness takes a process that is gone for a running one until it has been killed. */
async function again(): Promise<void> {
  await stack.killOrchestrator();
  await stack.restartOrchestrator();
}

test('asked once, it records the attempt under way', async () => {
  const { invocationId } = await stack.ingress.send('slow/step', 1000);
  await until('the step runs', async () => isBusy());
  process.kill(stack.orchestrator.pid, 'SIGTERM');
  expect(await stack.orchestrator.exited).toMatchObject({ code: 0 });
  await again();
  const journal = await stack.admin.journal(invocationId);
  expect(journal.map(({ entry_type }) => entry_type)).toContain('Notification: Run');
  expect((await stack.ingress.attach(invocationId)).body).toBe('done');
});

test('a counter goes on after a stop', async () => {
  const add = async () => (await stack.ingress.call('counter/key/add', 1)).body;
  expect(await add()).toBe(1);
  process.kill(stack.orchestrator.pid, 'SIGTERM');
  expect(await stack.orchestrator.exited).toMatchObject({ code: 0 });
  await again();
  expect(await add()).toBe(2);
});

test('asked twice, it ends at once, and the next start takes up what was under way', async () => {
  const { invocationId } = await stack.ingress.send('slow/step', 5000);
  await until('the step runs', async () => isBusy());
  const { pid, exited } = stack.orchestrator;
  const askedAt = performance.now();
  process.kill(pid, 'SIGTERM');
  await until('it is stopping', async () =>
    stack.orchestrator.lastLines().some(line => line.includes('server stopping')),
  );
  process.kill(pid, 'SIGTERM');
  expect(await exited).toMatchObject({ code: 1 });
  expect(performance.now() - askedAt).toBeLessThan(4000);
  await again();
  expect(await stack.admin.invocation(invocationId)).toMatchObject({
    status: expect.not.stringMatching('completed'),
  });
});
