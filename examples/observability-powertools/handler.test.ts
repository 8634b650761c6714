import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startStack } from '../../test/e2e/harness/index.ts';

interface Line {
  readonly message: string;
  readonly level: string;
  readonly invocation?: string;
  readonly function_request_id?: string;
  readonly recordedSteps?: number;
}

test('every line is written once, and tells of which invocation and function request it is', async () => {
  let output = '';
  const stack = await startStack({
    functions: [{ name: 'orders', entry: join(import.meta.dirname, 'handler.ts') }],
    lambda: {
      kind: 'inProcess',
      log: ({ text }) => {
        output += text;
      },
    },
  });
  try {
    const { id, body } = await stack.ingress.call('orders/place', 'A1');
    expect(body).toBe('payment of A1');
    await stack.lambda.stop();
    const lines = [...output.matchAll(/\{"level".*\}/g)].map(([text]): Line => JSON.parse(text));
    expect(lines.map(({ message }) => message)).toEqual([
      'placed',
      'charging',
      'step executed',
      'paid',
      'step executed',
      'completed',
    ]);
    for (const line of lines)
      expect(line).toMatchObject({ level: 'INFO', service: 'orders', invocation: id });
    // One for each attempt.
    expect(new Set(lines.map(line => line.function_request_id)).size).toBeGreaterThan(1);
    expect(lines.map(line => line.recordedSteps)).toEqual([0, 0, 0, 2, 2, 3]);
  } finally {
    await stack.stop();
  }
});
