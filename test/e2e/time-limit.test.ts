/** Steps that take longer than the function has: its attempts end in order, and Lambda never has to stop one. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Stack, startStack, until } from './harness/index.ts';

const TIMEOUT_MS = 2000;
let stack: Stack;

beforeAll(async () => {
  const entry = join(import.meta.dirname, 'time-limit-test-function.ts');
  stack = await startStack({ functions: [{ name: 'timed', entry, timeoutMs: TIMEOUT_MS }] });
});
afterAll(() => stack.stop());

test.each([
  ['batched steps are spread over as many invocations as they need', 'batched', { steps: 10, ms: 400 }, 10],
  ['a step that would not fit is begun by the next one', 'declared', { ms: 600, expectedDuration: 1400 }, 2],
])('%s', async (_name, handler, input, steps) => {
  const { invocationId } = await stack.ingress.send(`timed/${handler}`, input);
  const by = (await stack.ingress.attach(invocationId)).body as string[];
  expect(by).toHaveLength(steps);
  expect(new Set(by).size).toBeGreaterThan(1);
  expect(await stack.admin.invocation(invocationId)).toMatchObject({ status: 'completed' });
  // Each step was recorded once, and nothing failed on the way.
  const journal = await stack.admin.journal(invocationId);
  expect(journal.filter(({ entry_type }) => entry_type === 'Notification: Run')).toHaveLength(steps);
});

test.each([
  ['a step that does not end in time', 'endless', undefined, 'run "endless" still executes'],
  ['a step that never fits', 'declared', { ms: 0, expectedDuration: 60_000 }, 'run "long" is not begun'],
])('%s says so', async (_name, handler, input, message) => {
  const { invocationId } = await stack.ingress.send(`timed/${handler}`, input);
  const view = () => stack.admin.invocation(invocationId);
  await until('it is paused', async () => (await view())?.status === 'paused');
  const failure = (await view())?.last_failure?.message;
  expect(failure).toContain(message);
  expect(failure).toContain('HF_SDK_OUT_OF_TIME');
});
