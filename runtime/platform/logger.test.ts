import { expect, test } from 'vitest';
import { CodedError } from './error.ts';
import { createLogger } from './logger.ts';
import type { LogFields, LogLevel } from './ports.ts';

function capture(level: LogLevel = 'debug', style: 'json' | 'pretty' = 'json') {
  const lines: string[] = [];
  const clock = { now: () => 1_700_000_000_123 };
  return { lines, logger: createLogger({ level, style, clock, write: line => lines.push(line) }) };
}

function logged(fields: LogFields): Record<string, unknown> {
  const { lines, logger } = capture();
  logger.info('tested', fields);
  expect(lines).toHaveLength(1);
  expect(lines[0]?.length).toBeLessThanOrEqual(16_385);
  expect(lines[0]?.indexOf('\n')).toBe((lines[0]?.length ?? 0) - 1);
  const { time, level, event, ...rest } = JSON.parse(lines[0] ?? '');
  expect({ time, level, event }).toEqual({
    time: '2023-11-14T22:13:20.123Z',
    level: 'info',
    event: 'tested',
  });
  return rest;
}

test.each([
  ['debug', ['debug', 'info', 'warn', 'error']],
  ['info', ['info', 'warn', 'error']],
  ['error', ['error']],
] as const)('at level %s the events %s are written', (level, written) => {
  const { lines, logger } = capture(level);
  for (const each of ['debug', 'info', 'warn', 'error'] as const) logger[each]('happened');
  expect(lines.map(line => JSON.parse(line).level)).toEqual(written);
});

const circular: Record<string, unknown> = { a: 1 };
circular['self'] = circular;
const hostile = {
  get explodes(): never {
    throw new Error('no');
  },
  fine: 1,
};

test.each<[string, LogFields, unknown]>([
  ['plain values', { a: 1, b: 'x', c: null, d: [true] }, { a: 1, b: 'x', c: null, d: [true] }],
  ['odd values', { a: 1n, b: undefined, c: Number.NaN }, { a: '1', b: 'undefined', c: 'NaN' }],
  ['odder values', { a: () => 1, b: Symbol('s') }, { a: '[function]', b: 'Symbol(s)' }],
  ['dates', { at: new Date(0), bad: new Date(Number.NaN) }, { at: '1970-01-01T00:00:00.000Z', bad: 'NaN' }],
  ['bytes, never their content', { body: new Uint8Array(3) }, { body: '[3 bytes]' }],
  ['circles', { circular }, { circular: { a: 1, self: '[circular]' } }],
  ['one object twice', { a: [hostile], b: hostile }, expect.objectContaining({ b: expect.anything() })],
  ['throwing getters', { hostile }, { hostile: { explodes: '[unreadable]', fine: 1 } }],
  ['reserved names', { level: 3, event: 'x' }, { field_level: 3, field_event: 'x' }],
  ['maps and sets', { m: new Map([['token', 1]]), s: new Set([1]) }, { m: { token: '[redacted]' }, s: [1] }],
  ['names of the prototype', JSON.parse('{"__proto__": {"a": 1}}'), JSON.parse('{"__proto__": {"a": 1}}')],
])('%s', (_what, fields, expected) => {
  expect(logged(fields)).toEqual(expected);
});

test('a proxy that throws at everything does not make logging throw', () => {
  const refuse = () => {
    throw new Error('refused');
  };
  const proxy = new Proxy({}, { ownKeys: refuse, getPrototypeOf: refuse, get: refuse });
  expect(logged({ proxy })).toEqual({ proxy: '[unreadable]' });
});

test.each([
  'authorization',
  'Proxy-Authorization',
  'cookie',
  'set-cookie',
  'password',
  'dbPassword',
  'secret',
  'client_secret',
  'token',
  'sessionToken',
  'x-api-key',
  'awsSecretAccessKey',
  'private_key',
  'credentials',
])('field %s is redacted at any depth', name => {
  const value = { [name]: { a: 'marker' } };
  expect(JSON.stringify(logged({ ...value, deep: [{ value }] }))).not.toContain('marker');
});

test.each([
  ['sent Authorization: Bearer abc.def-1', 'sent Authorization: Bearer [redacted]'],
  ['GET http://user:marker@host/x', 'GET http://[redacted]@host/x'],
  ['?X-Amz-Signature=ab12&x=1', '?X-Amz-Signature=[redacted]&x=1'],
  ['http://host:8080/a@b', 'http://host:8080/a@b'],
])('in a text, %j becomes %j', (text, expected) => {
  expect(logged({ error: new Error(text) })['error']).toMatchObject({ message: expected });
});

test('an error shows code, message, stack and causes', () => {
  const error = new CodedError('HF_X', 'it broke', { cause: new TypeError('because') });
  expect(logged({ error })['error']).toMatchObject({
    name: 'CodedError',
    code: 'HF_X',
    message: 'it broke',
    stack: expect.stringContaining('logger.test.ts'),
    cause: { name: 'TypeError', message: 'because' },
  });
});

test.each<[string, LogFields]>([
  ['a long text', { text: 'x'.repeat(1_000_000) }],
  ['many fields', Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`f${i}`, 'y'.repeat(500)]))],
  ['a long array', { list: Array.from({ length: 100_000 }, () => '"\\"'.repeat(50)) }],
  ['control characters', { text: '\u0001\u0002'.repeat(4000) }],
])('%s gives a bounded line that is still JSON', (_what, fields) => {
  expect(Object.keys(logged(fields)).length).toBeGreaterThan(0);
});

test('the pretty style puts stacks below and lets nothing steer the terminal', () => {
  const { lines, logger } = capture('info', 'pretty');
  const error = Object.assign(new CodedError('HF_X', 'broke'), { stack: 'CodedError: broke\n    at here' });
  logger.warn('attemptFailed', { id: 'inv_1', ms: 12, said: 'a \u001b[2J\u009b2J b\nc', error });
  expect(lines).toEqual([
    '2023-11-14T22:13:20.123Z WARN  attemptFailed id=inv_1 ms=12 said="a \\u001b[2J?2J b\\nc"' +
      ' error={"name":"CodedError","code":"HF_X","message":"broke"}\nCodedError: broke\n    at here\n',
  ]);
});
