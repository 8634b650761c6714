import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startStack } from '../../test/e2e/harness/index.ts';

test('greets, even when the orchestrator is killed while the greeting sleeps', async () => {
  const stack = await startStack({
    functions: [{ name: 'hello', entry: join(import.meta.dirname, 'handler.ts') }],
  });
  try {
    const { invocationId } = await stack.ingress.send('greeter/greet', 'you');
    await stack.killOrchestrator();
    await stack.restartOrchestrator();
    const { body } = await stack.ingress.attach(invocationId);
    expect(body).toMatch(/^(Hello|Good day), you!$/);
  } finally {
    await stack.stop();
  }
});
