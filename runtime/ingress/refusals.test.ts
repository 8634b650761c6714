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
    body: string | Uint8Array,
    status: number,
    message: RegExp,
  ]
>([
  ['malformed percent-encoding', 'GET', '/Svc/%zz', [], '', 400, /percent-encoding/],
  ['an empty segment', 'GET', '/Svc//echo', [], '', 400, /segment is empty/],
  ['too many segments', 'GET', '/Svc/echo/x', [], '', 400, /called as \/service\/handler/],
  ['an object without a key', 'GET', '/Obj/add', [], '', 400, /called as \/service\/key\/handler/],
  ['a key that is not text', 'GET', '/Obj/%ff/add', [], '', 400, /percent-encoding/],
  ['a key that is not encoded', 'GET', '/Obj/\xe4/add', [], '', 400, /must be percent-encoded/],
  [
    'an over-long key',
    'GET',
    `/Obj/${'%C3%BC'.repeat(1025)}/add`,
    [],
    '',
    400,
    /longer than 1024 characters/,
  ],
  [
    'an over-long key of a workflow',
    'GET',
    `/restate/workflow/Wf/${'k'.repeat(1025)}/attach`,
    [],
    '',
    400,
    /longer than 1024 characters/,
  ],
  [
    'a workflow that is none',
    'GET',
    '/restate/workflow/Obj/k/output',
    [],
    '',
    400,
    /'Obj' is not a workflow/,
  ],
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
    'an over-long idempotency key',
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
  ['a target that is too large', 'POST', '/restate/attach', [], ' '.repeat(65_537), 413, /65536 bytes/],
  [
    'a target that is not UTF-8',
    'POST',
    '/restate/lookup',
    [],
    Buffer.from('{"target":"workflow","workflowName":"Wf","workflowKey":"\xff"}', 'latin1'),
    400,
    /UTF-8/,
  ],
  [
    'a target with half a character in its key',
    'POST',
    '/restate/lookup',
    [],
    '{"target":"workflow","workflowName":"Wf","workflowKey":"\\ud800"}',
    400,
    /lone surrogate/,
  ],
  [
    'a target with an empty key',
    'POST',
    '/restate/lookup',
    [],
    '{"target":"workflow","workflowName":"Wf","workflowKey":""}',
    400,
    /"workflowKey"/,
  ],
  [
    'an object target without its key',
    'POST',
    '/restate/lookup',
    [],
    '{"target":"idempotentInvocation","service":"Obj","handler":"add","idempotencyKey":"i"}',
    400,
    /needs a "key"/,
  ],
  ['a scope that is empty', 'POST', '/restate/scope//call/Svc/echo', [], '', 400, /scope/],
  ['a scope that is long', 'POST', `/restate/scope/${'s'.repeat(37)}/send/Svc/echo`, [], '', 400, /1 to 36/],
  ['a scope with a slash', 'POST', '/restate/scope/a%2Fb/call/Svc/echo', [], '', 400, /a scope is/],
  ['a scope of an object', 'POST', '/restate/scope/s/send/Obj/k/add', [], '', 400, /virtual object/],
  ['a limit key in the query', 'POST', '/Svc/echo/send?limit-key=a', [], '', 400, /no scope/],
  [
    'a limit key with a hole',
    'POST',
    '/restate/scope/s/call/Svc/echo?limit-key=a/',
    [],
    '',
    400,
    /one or two/,
  ],
  [
    'a target in a scope that is none',
    'POST',
    '/restate/attach',
    [],
    '{"target":"workflow","workflowName":"Wf","workflowKey":"k","scope":"a b"}',
    400,
    /a scope is/,
  ],
  [
    'an object target in a scope',
    'POST',
    '/restate/lookup',
    [],
    '{"target":"idempotentInvocation","service":"Obj","key":"k","handler":"add","idempotencyKey":"i","scope":"s"}',
    400,
    /virtual object/,
  ],
  [
    'a scope that is no text',
    'POST',
    '/restate/output',
    [],
    '{"target":"workflow","workflowName":"Wf","workflowKey":"k","scope":1}',
    400,
    /the string "scope"/,
  ],
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
        workflowKey: segment,
        key: segment,
        invocationId: segment,
      })
      .map(json => new TextEncoder().encode(JSON.stringify(json))),
  );
  fc.assert(
    fc.property(method, path, query, headers, body, (verb, where, asked, given, bytes) => {
      const { sent } = new Exchange(ingress, verb, where + asked, given, bytes);
      if (sent === undefined) throw new Error('not answered');
      if (sent.status < 300) return;
      expect([400, 404, 405]).toContain(sent.status);
      expect(JSON.parse(sent.body)).toMatchObject({
        code: sent.status,
        source: 'ingress',
        message: expect.any(String),
      });
    }),
    { numRuns: 3000 },
  );
});
