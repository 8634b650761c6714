import fc from 'fast-check';
import { expect, test } from 'vitest';
import { classifyResponse, sdkErrorMessage } from './classify-response.ts';
import { decodeInvokeResponse, encodeEvent, eventBytes } from './envelope.ts';
import { parseRetryAfterMs } from './retry-after.ts';

const V6 = 'application/vnd.restate.invocation.v6';
const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

test('an event has exactly the keys, names and order that SDKs were seen to get', () => {
  const bytes = encodeEvent({
    method: 'POST',
    path: '/invoke/Obj/add',
    headers: {
      'content-type': V6,
      accept: V6,
      'x-restate-invocation-id': 'inv_1abc',
      'x-restate-service-key': 'vec%20key',
      note: 'quote " ä \\ \u2028 😀',
    },
    body: Uint8Array.from([0, 3, 0, 0, 255]),
  });
  const text = Buffer.from(bytes).toString('latin1');
  expect(text).toMatch(/^[ -~]*$/);
  expect(text).toBe(
    `{"path":"/invoke/Obj/add","httpMethod":"POST","headers":{"content-type":"${V6}","accept":"${V6}",` +
      '"x-restate-invocation-id":"inv_1abc","x-restate-service-key":"vec%20key",' +
      '"note":"quote \\" \\u00e4 \\\\ \\u2028 \\ud83d\\ude00"},' +
      '"body":"AAMAAP8=","isBase64Encoded":true}',
  );
});

test('any event is the JSON of its parts, and as long as was foretold', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 20 });
  const arbitrary = fc.record({
    method: fc.constantFrom('GET' as const, 'POST' as const),
    headers: fc.dictionary(fc.stringMatching(/^[a-z][a-z"ä-]{0,8}$/), text, { maxKeys: 4 }),
    body: fc.uint8Array({ maxLength: 300 }),
  });
  fc.assert(
    fc.property(arbitrary, ({ method, headers, body }) => {
      // A view into a larger buffer, as frames are.
      const view = new Uint8Array([1, 2, ...body, 3]).subarray(2, 2 + body.length);
      const request = { method, path: '/invoke/S/h', headers, body: view };
      const bytes = encodeEvent(request);
      expect(bytes.length).toBe(eventBytes(request));
      expect(JSON.parse(Buffer.from(bytes).toString())).toEqual({
        path: '/invoke/S/h',
        httpMethod: method,
        headers: { ...headers },
        body: Buffer.from(body).toString('base64'),
        isBase64Encoded: true,
      });
    }),
  );
});

test.each<[string, unknown, { statusCode: number; headers: object; body: string }]>([
  [
    'as the TypeScript SDK writes it',
    { headers: { 'content-type': V6 }, statusCode: 200, isBase64Encoded: true, body: 'AAMAAA==' },
    { statusCode: 200, headers: { 'content-type': V6 }, body: '00030000' },
  ],
  [
    'names in any case, text body',
    { statusCode: 404, headers: { 'Content-Type': 'a/b' }, body: 'ä', more: { body: 1 } },
    { statusCode: 404, headers: { 'content-type': 'a/b' }, body: 'c3a4' },
  ],
  ['nothing but a status', { statusCode: 500 }, { statusCode: 500, headers: {}, body: '' }],
  [
    'nulls',
    { statusCode: 200, headers: null, body: null, isBase64Encoded: null },
    { statusCode: 200, headers: {}, body: '' },
  ],
])('takes a response: %s', (_name, value, expected) => {
  const response = decodeInvokeResponse(json(value));
  expect({
    ...response,
    headers: { ...response.headers },
    body: Buffer.from(response.body).toString('hex'),
  }).toEqual(expected);
  expect(Object.getPrototypeOf(response.headers)).toBeNull();
});

test('a large body is taken as text unless it is said to be base64', () => {
  const text = 'QUJD'.repeat(8000);
  for (const flag of [{ isBase64Encoded: false }, {}]) {
    const response = decodeInvokeResponse(json({ statusCode: 200, ...flag, body: text }));
    expect(Buffer.from(response.body).toString()).toBe(text);
  }
});

const B64 = { statusCode: 200, isBase64Encoded: true };

test.each<[string, Uint8Array, RegExp]>([
  ['nothing', new Uint8Array(), /not JSON/],
  ['the null of a handler without result', json(null), /not a JSON object/],
  ['an array', json([]), /not a JSON object/],
  ['text that is cut off', Buffer.from('{"statusCode":200,"bo'), /not JSON/],
  ['not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), /not UTF-8/],
  ['no status', json({ body: '' }), /'statusCode'/],
  ['a status in text', json({ statusCode: '200' }), /'statusCode'/],
  ['a fractional status', json({ statusCode: 200.5 }), /'statusCode'/],
  ['a status out of range', json({ statusCode: 42 }), /'statusCode' is 42/],
  ['a status from a prototype', Buffer.from('{"__proto__":{"statusCode":200}}'), /'statusCode'/],
  ['a flag in text', json({ statusCode: 200, isBase64Encoded: 'true' }), /'isBase64Encoded'/],
  ['a body that is an object', json({ statusCode: 200, body: {} }), /'body' is not a string/],
  ['base64 that is too short', json({ ...B64, body: 'AAM' }), /base64/],
  ['base64 with a blank', json({ ...B64, body: 'AAMA AA=' }), /base64/],
  ['base64 with padding within', json({ ...B64, body: 'AA==AAAA' }), /base64/],
  ['base64 of the URL alphabet', json({ ...B64, body: 'AA-_' }), /base64/],
  ['base64 that is large and bad', json({ ...B64, body: `${'A'.repeat(40_000)}!AAA` }), /base64/],
  ['headers in a list', json({ statusCode: 200, headers: [] }), /'headers'/],
  ['a header that is a number', json({ statusCode: 200, headers: { a: 1 } }), /header 'a'/],
  ['a header twice', json({ statusCode: 200, headers: { A: 'x', a: 'y' } }), /'a' occurs twice/],
  ['a header too long', json({ statusCode: 200, headers: { a: 'x'.repeat(40_000) } }), /32768 characters/],
  [
    'too many headers',
    json({
      statusCode: 200,
      headers: Object.fromEntries(Array.from({ length: 129 }, (_, i) => [`h${i}`, ''])),
    }),
    /more than 128/,
  ],
])('refuses a response: %s', (_name, bytes, reason) => {
  expect(() => decodeInvokeResponse(bytes)).toThrow(expect.objectContaining({ code: 'RT0012' }));
  expect(() => decodeInvokeResponse(bytes)).toThrow(reason);
});

test('large responses are read the same wherever their members stand', () => {
  const body = fc.uint8Array({ minLength: 12_500, maxLength: 13_500 });
  const headers = fc.constantFrom<object>(
    { 'content-type': V6 },
    { a: 'ä', body: 'x' },
    { a: ',"body":"' },
    {},
  );
  fc.assert(
    fc.property(body, headers, fc.nat(5), fc.nat(20_000), (bytes, head, order, cut) => {
      const members: [string, unknown][] = [
        ['headers', head],
        ['statusCode', 200],
        ['isBase64Encoded', true],
      ];
      members.splice(order, 0, ['body', Buffer.from(bytes).toString('base64')]);
      const text = Buffer.from(JSON.stringify(Object.fromEntries(members)));
      const response = decodeInvokeResponse(text);
      expect(Buffer.compare(response.body, bytes)).toBe(0);
      expect({ ...response.headers }).toEqual(head);
      if (cut < text.length) expect(() => decodeInvokeResponse(text.subarray(0, cut))).toThrow(/malformed/);
    }),
    { numRuns: 60 },
  );
});

const NOW = Date.UTC(2026, 10, 20, 17, 0, 0);

test.each<[number, Record<string, string>, object]>([
  [200, { 'content-type': V6 }, { kind: 'ok' }],
  [200, { 'content-type': `${V6}; charset=utf-8` }, { code: 'RT0012', failureCode: 500 }],
  [200, { 'content-type': 'application/json' }, { code: 'RT0012' }],
  [200, {}, { code: 'RT0012', message: expect.stringContaining('no content type') }],
  [200, { 'content-type': V6, 'content-encoding': 'zstd' }, { code: 'RT0012' }],
  [204, {}, { code: 'RT0012' }],
  [302, {}, { code: 'RT0012' }],
  [401, {}, { code: 'RT0012' }],
  [404, {}, { code: 'RT0012' }],
  [413, {}, { code: 'RT0019' }],
  [415, {}, { code: 'RT0015', failureCode: 415 }],
  [429, { 'retry-after': '2' }, { code: 'RT0023', retryAfterMs: 2000 }],
  [429, {}, { code: 'RT0023' }],
  [429, { 'retry-after': '0' }, { code: 'RT0023' }],
  [503, { 'retry-after': 'Fri, 20 Nov 2026 16:59:55 GMT' }, { code: 'RT0023' }],
  [500, { 'retry-after': '2' }, { code: 'RT0012' }],
  [502, { 'retry-after': '2' }, { code: 'RT0010' }],
  [503, { 'retry-after': 'Fri, 20 Nov 2026 17:00:05 GMT' }, { code: 'RT0023', retryAfterMs: 5000 }],
  [504, {}, { code: 'RT0010' }],
])('status %i with %o', (status, headers, expected) => {
  const found = classifyResponse(status, headers, V6, NOW);
  expect(found).toMatchObject(expected);
  expect('retryAfterMs' in found).toBe('retryAfterMs' in expected);
});

test.each<[string, number | undefined]>([
  ['0', 0],
  [' 120 ', 120_000],
  ['Fri, 20 Nov 2026 17:00:10 GMT', 10_000],
  ['20 Nov 2026 18:01 +0100', 60_000],
  ['Fri, 20 Nov 2026 11:30:00 -0530', 0],
  ['Fri, 20 Nov 2026 11:31:00 -0530', 60_000],
  ['Fri, 20 Nov 2020 17:00:10 GMT', 0],
  ['-1', undefined],
  ['1.5', undefined],
  ['soon', undefined],
  ['Fri, 20 Foo 2026 17:00:10 GMT', undefined],
  ['Fri, 20 Nov 2026 25:00:10 GMT', undefined],
  ['2026-11-20T17:00:10Z', undefined],
])('Retry-After %j', (value, expected) => {
  expect(parseRetryAfterMs(value, NOW)).toBe(expected);
});

test('takes the message of an SDK error, if there is one', () => {
  expect(sdkErrorMessage(json({ message: 'no such handler' }))).toBe('no such handler');
  for (const body of ['', '<html>', 'null', '{"message":7}', '[]']) {
    expect(sdkErrorMessage(Buffer.from(body))).toBeUndefined();
  }
});
