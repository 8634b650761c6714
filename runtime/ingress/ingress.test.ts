import { encodeAwakeableId } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { Exchange, ID } from './testing/scripted-engine.ts';
import { setUp, value } from './testing/setup.ts';

const JSON_TYPE = ['content-type', 'application/json'] as const;
test.each<[status: number, url: string, service: string, key: string, handler: string]>([
  [200, '/Obj/a%2Fb%20%00%F0%9F%92%9A/add', 'Obj', 'a/b \0💚', 'add'],
  [202, '/Obj/%2E%2E/add/send', 'Obj', '..', 'add'],
  [200, '/Obj/send/send', 'Obj', 'send', 'send'],
  [202, '/Obj/send/send/send', 'Obj', 'send', 'send'],
  [200, '/Wf/restate/run', 'Wf', 'restate', 'run'],
  [200, `/restate/call/Obj/${'%C3%BC'.repeat(512)}/peek`, 'Obj', 'ü'.repeat(512), 'peek'],
  [202, '/restate/send/Wf/%22/approve', 'Wf', '"', 'approve'],
])('%i for a keyed target: %s', (status, url, service, key, handler) => {
  const { engine, ingress } = setUp();
  engine.state = { kind: 'done', reply: value('') };
  expect(new Exchange(ingress, 'POST', url).sent?.status).toBe(status);
  expect(engine.invoked[0]?.target).toEqual({ service, handler, key });
});

const WORKFLOW = '{"target":"workflow","workflowName":"Wf","workflowKey":"a/b"}';
const OBJECT =
  '{"target":"idempotentInvocation","service":"Obj","key":"a/b","handler":"add","idempotencyKey":"i"}';
test.each<[method: string, url: string, body: string, found: number, none: number]>([
  ['GET', '/restate/workflow/Wf/a%2Fb/attach', '', 200, 404],
  ['GET', '/restate/workflow/Wf/a%2Fb/output', '', 200, 404],
  ['POST', '/restate/attach', WORKFLOW, 200, 404],
  ['POST', '/restate/output', WORKFLOW, 200, 404],
  ['POST', '/restate/lookup', WORKFLOW, 200, 200],
  ['GET', '/restate/invocation/Obj/a%2Fb/add/i/attach', '', 200, 404],
  ['GET', '/restate/invocation/Obj/a%2Fb/add/i/output', '', 200, 404],
  ['POST', '/restate/attach', OBJECT, 200, 404],
  ['POST', '/restate/lookup', OBJECT, 200, 200],
])('an invocation by its key: %s %s %s', (method, url, body, found, none) => {
  const { engine, ingress } = setUp();
  engine.state = { kind: 'done', reply: value('') };
  expect(new Exchange(ingress, method, url, [], body).sent?.status).toBe(found);
  engine.state = { kind: 'unknown' };
  const { sent } = new Exchange(ingress, method, url, [], body);
  expect(sent?.status).toBe(none);
  // Who waits learns how the invocation ended, and one that was never there ended as not found.
  const source = url.endsWith('attach') ? 'invocation' : 'ingress';
  if (none === 404) expect(sent?.headers['x-restate-error-source']).toBe(source);
  const byWorkflow = url.includes('workflow') || body === WORKFLOW;
  const target = { service: 'Obj', handler: 'add', key: 'a/b' };
  expect([engine.workflows, engine.idempotent]).toEqual(
    byWorkflow ? [Array(2).fill({ service: 'Wf', key: 'a/b' }), []] : [[], Array(2).fill([target, 'i'])],
  );
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

test('bodies that are not durable yet stay within their bound, and bring it back when they are', () => {
  const { engine, ingress } = setUp({ heldBytesMax: 10 });
  const post = (url: string, bytes: number): Exchange =>
    new Exchange(ingress, 'POST', url, [JSON_TYPE], new Uint8Array(bytes));
  const awakeable = `/restate/a/${encodeAwakeableId(new Uint8Array(24), 17)}/resolve`;
  engine.deferred = [];
  const waits = post('/Svc/echo', 6);
  waits.close(); // the engine still has its body
  for (const url of ['/Svc/echo', '/Obj/k/add/send', awakeable]) {
    expect(post(url, 5).sent).toMatchObject({ status: 429, headers: { 'retry-after': '1' } });
    post(url, 0);
  }
  post(awakeable, 4);
  expect([engine.invoked.length, engine.signals.length]).toEqual([3, 2]);
  engine.flush();
  // It waits for its result, but not for its body any more.
  post('/Svc/echo', 6);
  engine.flush();
  post('/Svc/echo', 11);
  expect([engine.invoked.length, engine.deferred.length]).toEqual([5, 1]);
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

test.each([
  ['unavailable', 503],
  ['overloaded', 429],
] as const)('when the engine is %s, nothing is accepted', (kind, status) => {
  const { engine, ingress } = setUp();
  engine.outcome = { kind, reason: 'why' };
  for (const path of ['/Svc/echo', '/Svc/echo/send']) {
    const { sent } = new Exchange(ingress, 'POST', path);
    expect(sent).toMatchObject({
      status,
      headers: { 'retry-after': '1', 'x-restate-error-source': 'ingress' },
    });
    expect(JSON.parse(sent?.body ?? '').message).toBe('why');
  }
});

test.each<
  [method: string, url: string, headers: [string, string][], target: object, limitKey: string | undefined]
>([
  ['POST', '/restate/scope/s-1/call/Svc/echo', [], { service: 'Svc', handler: 'echo', key: '' }, undefined],
  ['GET', '/restate/scope/s-1/send/Svc/any', [], { service: 'Svc', handler: 'any', key: '' }, undefined],
  [
    'POST',
    '/restate/scope/s-1/call/Svc/echo',
    [['x-restate-limit-key', 'a/b']],
    { service: 'Svc', handler: 'echo', key: '' },
    'a/b',
  ],
  [
    'POST',
    '/restate/scope/s-1/send/Svc/echo?limit-key=q',
    [],
    { service: 'Svc', handler: 'echo', key: '' },
    'q',
  ],
  [
    'POST',
    '/restate/scope/s-1/send/Svc/echo?limit-key=query',
    [['x-restate-limit-key', 'header']],
    { service: 'Svc', handler: 'echo', key: '' },
    'header',
  ],
  ['POST', '/restate/scope/s-1/send/Wf/k/run', [], { service: 'Wf', handler: 'run', key: 'k' }, undefined],
])('in a scope: %s %s %j', (method, url, headers, target, limitKey) => {
  const { engine, ingress } = setUp();
  engine.state = { kind: 'done', reply: value('') };
  const body = method === 'GET' ? '' : '{}';
  const { sent } = new Exchange(ingress, method, url, [...headers, JSON_TYPE], body);
  expect(sent?.status).toBe(url.includes('/send/') ? 202 : 200);
  expect(engine.invoked.map(request => [request.target, request.limitKey])).toEqual([
    [{ ...target, scope: 's-1' }, limitKey],
  ]);
});

test('a JSON target may be in a scope', () => {
  const { engine, ingress } = setUp();
  engine.state = { kind: 'done', reply: value('') };
  const asked = (json: object) =>
    new Exchange(ingress, 'POST', '/restate/output', [], JSON.stringify({ ...json, scope: 's-1' })).sent
      ?.status;
  const idempotent = { target: 'idempotentInvocation', service: 'Svc', handler: 'echo', idempotencyKey: 'i' };
  const statuses = [asked({ target: 'workflow', workflowName: 'Wf', workflowKey: 'k' }), asked(idempotent)];
  expect(statuses).toEqual([200, 200]);
  expect(engine.workflows).toEqual([{ service: 'Wf', key: 'k', scope: 's-1' }]);
  const target = { service: 'Svc', handler: 'echo', key: '', scope: 's-1' };
  expect(engine.idempotent).toEqual([[target, 'i']]);
});
