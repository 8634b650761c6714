import { expect, test } from 'vitest';
import { classifyFunctionError } from './aws-error.ts';

const ARN = 'arn:aws:lambda:us-east-1:123456789012:function:f:1';

test.each<[string, string, object]>([
  [
    'an exception',
    '{"errorType":"TypeError","errorMessage":"x is not a function","trace":["TypeError: x","    at f (a.ts:1:2)",3]}',
    {
      code: 'RT0010',
      message: expect.stringContaining('TypeError: x is not a function'),
      stack: 'TypeError: x\n    at f (a.ts:1:2)\n',
    },
  ],
  [
    'a timeout',
    '{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: r Error: Task timed out after 3.00 seconds"}',
    { code: 'RT0010', message: expect.stringContaining('Task timed out') },
  ],
  [
    'an answer past the limit',
    '{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded"}',
    { code: 'RT0019', deterministic: true },
  ],
  ['no JSON', 'oops', { code: 'RT0010', message: expect.stringContaining('Unhandled: no message') }],
  ['a JSON that is no object', 'null', { code: 'RT0010', message: expect.stringContaining('Unhandled') }],
])('a function that ended with %s', (_name, payload, expected) => {
  expect(classifyFunctionError(ARN, 'Unhandled', Buffer.from(payload))).toMatchObject({
    kind: 'failed',
    ...expected,
  });
});

test('bounds the text it takes over', () => {
  const payload = Buffer.from(JSON.stringify({ errorType: 'E', errorMessage: 'x'.repeat(100_000) }));
  expect(classifyFunctionError(ARN, 'Unhandled', payload).message.length).toBeLessThan(700);
});
