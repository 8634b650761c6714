import { encodeAwakeableId } from '@holdfast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Exchange, ID } from './testing/scripted-engine.ts';
import { setUp, value } from './testing/setup.ts';

const JSON_TYPE = ['content-type', 'application/json'] as const;
test.each<
  [
    name: string,
    method: string,
    url: string,
    headers: (readonly [string, string])[],
    body: string,
    status: number,
    message: RegExp,
  ]
>([
  ['malformed percent-encoding', 'GET', '/Svc/%zz', [], '', 400, /percent-encoding/],
  ['an empty segment', 'GET', '/Svc//echo', [], '', 400, /segment is empty/],
  ['too many segments', 'GET', '/Svc/echo/x', [], '', 400, /called as \/service\/handler/],
  ['an object without a key', 'GET', '/Obj/add', [], '', 400, /called as \/service\/key\/handler/],
  ['a virtual object', 'POST', '/Obj/k/add', [], '', 501, /'Obj' is a virtual object/],
  ['an over-long service', 'GET', `/${'s'.repeat(300)}/h`, [], '', 400, /at most 255/],
  ['an over-long handler', 'GET', `/Svc/${'s'.repeat(300)}`, [], '', 400, /at most 255/],
  [
    'an unknown name is repeated in part',
    'GET',
    `/${'s'.repeat(200)}/h`,
    [],
    '',
    404,
    /^service 's{100}…' not found/,
  ],
  [
    'two idempotency keys',
    'POST',
    '/Svc/echo',
    [
      ['idempotency-key', 'a'],
      ['idempotency-key', 'b'],
    ],
    '',
    400,
    /more than once/,
  ],
  ['two content types', 'POST', '/Svc/echo', [JSON_TYPE, JSON_TYPE], '', 400, /more than once/],
  [
    'a control character in the key',
    'POST',
    '/Svc/echo',
    [['idempotency-key', 'a\tb']],
    '',
    400,
    /visible ASCII/,
  ],
  ['an empty key', 'POST', '/Svc/echo', [['idempotency-key', '']], '', 400, /visible ASCII/],
  [
    'a control character in the key of a path',
    'GET',
    '/restate/invocation/Svc/echo/a%00/output',
    [],
    '',
    400,
    /visible ASCII/,
  ],
  [
    'an over-long key',
    'POST',
    '/Svc/echo',
    [['idempotency-key', 'k'.repeat(2000)]],
    '',
    400,
    /longer than 1024/,
  ],
  ['two delays', 'POST', '/Svc/echo/send?delay=1s&delay=2s', [], '', 400, /more than once/],
  ['a delay of centuries', 'POST', '/Svc/echo/send?delay=101y', [], '', 400, /longer than 100 years/],
  [
    'a delay with malformed encoding',
    'POST',
    '/Svc/echo/send?delay=%',
    [],
    '',
    400,
    /malformed percent-encoding/,
  ],
  ['a limit key in a header', 'POST', '/Svc/echo', [['x-restate-limit-key', 'a']], '', 400, /scope/],
  ['a private handler', 'POST', '/Svc/hidden', [], '', 400, /handler is not public/],
  ['an unknown route', 'GET', '/restate/nope', [], '', 404, /no such route/],
  ['the bare prefix', 'GET', '/restate', [], '', 404, /no such route/],
  ['an admin route', 'GET', '/deployments', [], '', 404, /service 'deployments' not found/],
  ['a versioned admin route', 'PATCH', `/v3/invocations/${ID}/kill`, [], '', 404, /service 'v3' not found/],
  [
    'the cancel signal as an awakeable',
    'POST',
    `/restate/a/${encodeAwakeableId(new Uint8Array(24), 1)}/resolve`,
    [],
    '',
    400,
    /names no awakeable/,
  ],
  ['a target that is not JSON', 'POST', '/restate/lookup', [], '{', 400, /not JSON/],
  ['a target that is no object', 'POST', '/restate/lookup', [], '[]', 400, /not a JSON object/],
  ['a target of no kind', 'POST', '/restate/lookup', [], '{}', 400, /"target"/],
  ['a target with a scope', 'POST', '/restate/attach', [], '{"scope":"a"}', 400, /scoped/],
  [
    'a keyed plain target',
    'POST',
    '/restate/output',
    [],
    '{"target":"idempotentInvocation","service":"Svc","handler":"echo","key":"k","idempotencyKey":"i"}',
    400,
    /has no keys/,
  ],
  [
    'a target that lacks its key',
    'POST',
    '/restate/output',
    [],
    '{"target":"idempotentInvocation","service":"Svc","handler":"echo"}',
    400,
    /"idempotencyKey"/,
  ],
  ['no body where one is needed', 'POST', '/Svc/must', [], '', 400, /content-type/],
  ['a body where none is taken', 'POST', '/Svc/no', [], 'x', 400, /takes no input/],
  [
    'text where text is taken',
    'POST',
    '/Svc/text',
    [['content-type', 'Text/Plain; charset=utf-8']],
    'x',
    202,
    /^$/,
  ],
  ['JSON where text is taken', 'POST', '/Svc/text', [JSON_TYPE], 'x', 400, /'text\/\*'/],
  [
    'a parameter in the type',
    'POST',
    '/Svc/echo',
    [['content-type', 'application/json; charset=utf-8']],
    '{}',
    202,
    /^$/,
  ],
  ['anything where anything is taken', 'POST', '/Svc/any', [], 'x', 202, /^$/],
  ['no JSON against a schema', 'POST', '/Svc/schema', [], 'x', 400, /not JSON/],
  ['bad UTF-8 against a schema', 'POST', '/Svc/schema', [], '"\ud800', 400, /not JSON/],
  ['a handler called send', 'POST', '/Svc/send', [], '', 200, /^$/],
  ['a slash at the end', 'POST', '/Svc/echo/', [], '', 200, /^$/],
])('%s', (_name, method, url, headers, body, status, message) => {
  const { engine, ingress } = setUp();
  engine.state = { kind: 'done', reply: value('') };
  const path = status === 202 ? `${url}/send` : url;
  const { sent } = new Exchange(ingress, method, path, headers, body);
  expect(sent?.status).toBe(status);
  if (status < 300) return;
  expect(engine.invoked).toEqual([]);
  expect(JSON.parse(sent?.body ?? '')).toEqual({
    code: status,
    message: expect.stringMatching(message),
    source: 'ingress',
  });
});

test('the handler sees the path and the headers in order, but no credentials', () => {
  const { engine, ingress } = setUp();
  const headers: (readonly [string, string])[] = [
    ['host', 'x'],
    ['connection', 'close'],
    ['x-a', '1'],
    ['authorization', 'Bearer s'],
    JSON_TYPE,
    ['cookie', 's'],
    ['proxy-authorization', 's'],
    ['idempotency-key', 'K'],
    ['idempotency-expires', 'x'],
    ['x-a', '2'],
    ['x-restate-ingress-path', '/forged'],
    ['content-length', '2'],
  ];
  new Exchange(ingress, 'POST', '/Svc/echo/send?delay=1.5s', headers, '{}');
  expect(engine.invoked).toEqual([
    {
      target: { service: 'Svc', handler: 'echo', key: '' },
      headers: [
        ['x-restate-ingress-path', '/Svc/echo/send?delay=1.5s'],
        ['x-a', '1'],
        JSON_TYPE,
        ['x-a', '2'],
        ['content-length', '2'],
      ],
      body: new TextEncoder().encode('{}'),
      idempotencyKey: 'K',
      delayMs: 1500,
    },
  ]);
});

test('a call waits for the result; a client that leaves stops waiting and nothing else', () => {
  const { engine, ingress } = setUp();
  const stays = new Exchange(ingress, 'POST', '/Svc/echo');
  const leaves = new Exchange(ingress, 'GET', `/restate/attach/${ID}`);
  expect([stays.sent, leaves.sent, engine.waiters.size]).toEqual([undefined, undefined, 2]);
  leaves.close();
  expect(engine.waiters.size).toBe(1);
  engine.end(value('"done"'));
  expect(stays.sent).toMatchObject({ status: 200, body: '"done"', headers: { 'x-restate-id': ID } });
  expect(leaves.sent).toBeUndefined();
});

test('past the bound requests are refused before anything is accepted; places come back', () => {
  const { engine, ingress } = setUp({ maxHeld: 2 });
  engine.deferred = [];
  const waits = new Exchange(ingress, 'POST', '/Svc/echo');
  const gone = new Exchange(ingress, 'POST', '/Svc/echo');
  gone.close(); // its place stays taken: the engine still has it
  for (const url of [
    '/Svc/echo',
    '/Svc/echo/send',
    `/restate/a/${encodeAwakeableId(new Uint8Array(24), 17)}/resolve`,
  ]) {
    const { sent } = new Exchange(ingress, 'POST', url);
    expect(sent).toMatchObject({
      status: 429,
      headers: { 'retry-after': '1', 'x-restate-error-source': 'ingress' },
    });
  }
  expect(engine.invoked.length).toBe(2);
  expect(new Exchange(ingress, 'GET', '/restate/health').sent?.status).toBe(200);
  engine.flush();
  expect(engine.waiters.size).toBe(1);
  engine.end(value(''));
  expect(waits.sent?.status).toBe(200);
  engine.state = { kind: 'done', reply: value('') };
  for (let i = 0; i < 5; i++) {
    const { sent } = new Exchange(ingress, 'GET', `/restate/attach/${ID}`);
    expect(sent?.status).toBe(200);
  }
});

test('awakeables are resolved with bytes and rejected with text', () => {
  const { engine, ingress } = setUp();
  const awakeable = encodeAwakeableId(new Uint8Array(24).fill(7), 18);
  expect(
    new Exchange(ingress, 'POST', `/restate/awakeables/${awakeable}/resolve`, [], '{"a":1}').sent?.status,
  ).toBe(202);
  expect(new Exchange(ingress, 'POST', `/restate/a/${awakeable}/reject`, [], 'no').sent?.status).toBe(202);
  expect(engine.signals).toEqual([
    [ID, 18, { kind: 'success', value: new TextEncoder().encode('{"a":1}') }],
    [ID, 18, { kind: 'failure', failure: { code: 500, message: 'no' } }],
  ]);
});

test.each([
  [404, 404],
  [599, 599],
  [600, 500],
  [1000, 500],
  [0, 500],
  [100, 500],
  [204, 500],
  [304, 500],
])('a failure with code %i has status %i, its code and its metadata', (code, status) => {
  const { engine, ingress } = setUp();
  const failure = {
    code,
    message: 'm',
    metadata: [
      ['__proto__', 'p'],
      ['a', 'b'],
    ] as const,
  };
  engine.state = { kind: 'done', reply: { ...value(''), result: { kind: 'failure', failure } } };
  const { sent } = new Exchange(ingress, 'POST', '/Svc/echo');
  expect(sent?.status).toBe(status);
  expect(sent?.body).toBe(
    `{"code":${code},"message":"m","metadata":{"__proto__":"p","a":"b"},"source":"invocation"}`,
  );
});

test('the content type of an empty output is sent only if the manifest says so', () => {
  const { engine, ingress } = setUp();
  engine.state = { kind: 'done', reply: value('') };
  expect(new Exchange(ingress, 'POST', '/Svc/empty').sent?.headers['content-type']).toBe('text/plain');
  expect(new Exchange(ingress, 'POST', '/Svc/echo').sent?.headers['content-type']).toBeUndefined();
});

test('a handler that was removed meanwhile is a 404', () => {
  const { engine, ingress } = setUp();
  engine.outcome = { kind: 'unknownTarget' };
  expect(new Exchange(ingress, 'POST', '/Svc/echo').sent?.status).toBe(404);
  expect(new Exchange(ingress, 'POST', '/Svc/echo/send').sent?.status).toBe(404);
});

test('when nothing can be stored, nothing is accepted', () => {
  const { engine, ingress } = setUp();
  engine.outcome = { kind: 'unavailable', reason: 'the disk is full' };
  for (const path of ['/Svc/echo', '/Svc/echo/send']) {
    const { sent } = new Exchange(ingress, 'POST', path);
    expect(sent?.status).toBe(503);
    expect(sent?.headers['retry-after']).toBe('1');
  }
});

test('whatever is sent, there is one answer, and an error is JSON', () => {
  const { engine, ingress } = setUp();
  engine.state = { kind: 'done', reply: value('') };
  const words = [
    'restate',
    'call',
    'send',
    'attach',
    'output',
    'lookup',
    'invocation',
    'workflow',
    'a',
    'awakeables',
    'resolve',
    'scope',
    'Svc',
    'Obj',
    'Wf',
    'echo',
    'run',
    ID,
    '',
    '%',
    '%2F',
    '__proto__',
    'constructor',
  ];
  const segment = fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...words) }, fc.string());
  const path = fc.array(segment, { maxLength: 8 }).map(parts => `/${parts.join('/')}`);
  const query = fc.oneof(
    fc.constant(''),
    fc.constantFrom('?delay=1s', '?delay=', '?limit-key', '?&&==%'),
    fc.string().map(text => `?${text}`),
  );
  const name = fc.constantFrom(
    'content-type',
    'idempotency-key',
    'origin',
    'x-y',
    'x-restate-limit-key',
    '__proto__',
  );
  const headers = fc.array(fc.tuple(name, fc.string()), { maxLength: 6 });
  const method = fc.constantFrom('GET', 'POST', 'PUT', 'OPTIONS', 'HEAD', 'CONNECT', 'x');
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 50 }),
    fc.json().map(text => new TextEncoder().encode(text)),
    fc
      .record({
        target: fc.constantFrom('invocation', 'workflow', 'idempotentInvocation'),
        service: segment,
        handler: segment,
        idempotencyKey: segment,
        workflowName: segment,
        invocationId: segment,
      })
      .map(json => new TextEncoder().encode(JSON.stringify(json))),
  );
  fc.assert(
    fc.property(method, path, query, headers, body, (verb, where, asked, given, bytes) => {
      const { sent } = new Exchange(ingress, verb, where + asked, given, bytes);
      if (sent === undefined) throw new Error('not answered');
      if (sent.status < 300) return;
      expect([400, 404, 405, 501]).toContain(sent.status);
      expect(JSON.parse(sent.body)).toMatchObject({
        code: sent.status,
        source: 'ingress',
        message: expect.any(String),
      });
    }),
    { numRuns: 3000 },
  );
});
