import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Exchange, handlerMetadata, serviceMetadata } from '../ingress/testing/scripted-engine.ts';
import { deploymentOf } from './testing/captured.ts';
import { ARN, ask, DP, HOST, INV, setUp } from './testing/setup.ts';

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
  [
    'not JSON',
    'POST',
    '/deployments',
    [['content-type', 'application/json']],
    '{',
    422,
    /cannot read the JSON body/,
  ],
  ['an array', 'POST', '/deployments', [['content-type', 'application/json']], '[]', 422, /not an object/],
  [
    'a form',
    'POST',
    '/deployments',
    [['content-type', 'text/plain']],
    `{"arn":"${ARN}"}`,
    415,
    /application\/json/,
  ],
  [
    'a URI that is no text',
    'POST',
    '/deployments',
    [['content-type', 'application/json']],
    '{"uri":7}',
    422,
    /"uri" is not a string/,
  ],
  [
    'a role',
    'POST',
    '/deployments',
    [['content-type', 'application/json']],
    `{"arn":"${ARN}","assume_role_arn":"r"}`,
    400,
    /'assume_role_arn'/,
  ],
  [
    'a flag that is none',
    'POST',
    '/deployments',
    [['content-type', 'application/json']],
    `{"arn":"${ARN}","force":1}`,
    422,
    /"force"/,
  ],
  [
    'a prototype',
    'POST',
    '/deployments',
    [['content-type', 'application/json']],
    `{"arn":"${ARN}","metadata":{"__proto__":"x"}}`,
    422,
    /__proto__/,
  ],
  [
    'a header that is none',
    'POST',
    '/deployments',
    [['content-type', 'application/json']],
    `{"arn":"${ARN}","additional_headers":{"a b":"x"}}`,
    400,
    /is not a header/,
  ],
  [
    'a header that is two',
    'POST',
    '/deployments',
    [['content-type', 'application/json']],
    `{"arn":"${ARN}","additional_headers":{"a":"x\\r\\nb: c"}}`,
    400,
    /is not a header/,
  ],
  [
    'a header of our own',
    'POST',
    '/deployments',
    [['content-type', 'application/json']],
    `{"arn":"${ARN}","additional_headers":{"Content-Type":"x"}}`,
    400,
    /is set by the orchestrator/,
  ],
  [
    'another service',
    'POST',
    '/deployments',
    [['content-type', 'application/json']],
    '{"arn":"arn:aws:s3:::bucket"}',
    400,
    /arn:aws:lambda/,
  ],
  ['a foreign host', 'GET', '/version', [['host', 'evil.example']], '', 403, /'evil.example' is not allowed/],
  [
    'a host that looks like ours',
    'GET',
    '/version',
    [['host', '127.0.0.1.evil.example']],
    '',
    403,
    /not allowed/,
  ],
  ['user info', 'GET', '/version', [['host', 'localhost@evil.example']], '', 403, /not allowed/],
  ['no host', 'GET', '/version', [['host', '']], '', 403, /not allowed/],
  [
    'a foreign origin',
    'GET',
    '/version',
    [
      ['host', 'localhost:9070'],
      ['origin', 'http://evil.example'],
    ],
    '',
    403,
    /another origin/,
  ],
  [
    'another port',
    'GET',
    '/version',
    [
      ['host', 'localhost:9070'],
      ['origin', 'http://localhost:3000'],
    ],
    '',
    403,
    /another origin/,
  ],
  [
    'no origin to speak of',
    'GET',
    '/version',
    [
      ['host', 'localhost:9070'],
      ['origin', 'null'],
    ],
    '',
    403,
    /another origin/,
  ],
  [
    'its own origin',
    'GET',
    '/health',
    [
      ['host', 'LOCALHOST:9070'],
      ['origin', 'http://localhost:9070'],
    ],
    '',
    200,
    /^$/,
  ],
  ['a loopback address', 'GET', '/health', [['host', '127.0.0.2']], '', 200, /^$/],
  ['the other loopback', 'GET', '/v4/health', [['host', '[::1]:9070']], '', 200, /^$/],
  ['a configured host', 'GET', '/health', [['host', 'admin.internal']], '', 200, /^$/],
  ['an unknown version', 'GET', '/v5/health', [], '', 400, /versions 2 to 4/],
  ['malformed encoding', 'GET', '/services/%zz', [], '', 400, /percent-encoding/],
  ['malformed encoding in a query', 'GET', '/services/Obj/state?key=%FF', [], '', 400, /percent-encoding/],
  ['a key given twice', 'GET', '/services/Obj/state?key=a&key=b', [], '', 400, /more than once/],
  ['an unknown handler', 'GET', '/services/Svc/handlers/nope', [], '', 404, /no handler 'nope'/],
  ['a page that is none', 'GET', `/invocations/${INV}/journal?from=-1`, [], '', 400, /'from'/],
  ['a force that is none', 'DELETE', `/deployments/${DP}?force=1`, [], '', 400, /'force'/],
  ['a mode that is none', 'DELETE', `/invocations/${INV}?mode=pause`, [], '', 400, /'mode'/],
  ['an unknown invocation', 'GET', `/invocations/${INV}`, [], '', 404, /no invocation/],
  ['a method that is none', 'POST', '/services', [], '', 405, /^$/],
])('%s', async (_name, method, url, headers, body, status, message) => {
  const { engine, admin } = setUp(['admin.internal']);
  engine.found = [serviceMetadata('Svc', []), serviceMetadata('Obj', [], { type: 'virtualObject' })];
  const hosted = headers.some(([name]) => name === 'host') ? headers : [HOST, ...headers];
  const sent = await new Exchange(admin, method, url, hosted, body).answered;
  expect(sent.status).toBe(status);
  expect(sent.body).toMatch(message);
  expect(engine.requests).toEqual([]);
});

test("'any' leaves names unchecked, but not origins", async () => {
  const { admin } = setUp('any');
  const own: (readonly [string, string])[] = [
    ['host', 'lb.example'],
    ['origin', 'https://lb.example'],
  ];
  expect((await new Exchange(admin, 'GET', '/health', own).answered).status).toBe(200);
  const foreign: (readonly [string, string])[] = [
    ['host', 'lb.example'],
    ['origin', 'https://x.example'],
  ];
  expect((await new Exchange(admin, 'GET', '/health', foreign).answered).status).toBe(403);
});

test('a long answer is compressed for who accepts it', async () => {
  const { admin } = setUp();
  const raw: (readonly [string, string])[] = [HOST, ['accept-encoding', 'br, gzip;q=0.5']];
  const seen: { headers: readonly string[]; body: Uint8Array | string | undefined }[] = [];
  await new Promise<void>(resolve => {
    const request = {
      method: 'GET',
      path: '/version',
      query: '',
      headers: raw,
      takeBody: () => new Uint8Array(),
      onClose: () => {},
    };
    const send = (_status: number, headers: readonly string[], body?: Uint8Array | string): void => {
      seen.push({ headers, body });
      resolve();
    };
    admin.handle(request, { send });
  });
  expect(seen[0]?.headers).toEqual(
    expect.arrayContaining(['content-encoding', 'gzip', 'vary', 'accept-encoding']),
  );
  expect(JSON.parse(gunzipSync(seen[0]?.body as Uint8Array).toString())).toMatchObject({ version: '0.1.0' });
  const refusing = await ask(admin, 'GET', '/version', '', [['accept-encoding', 'gzip;q=0']]);
  expect(refusing.headers['content-encoding']).toBeUndefined();
});

test('whatever is sent, there is one answer', async () => {
  const { engine, admin } = setUp();
  engine.all = [deploymentOf({ id: DP, services: [] })];
  engine.found = [serviceMetadata('Svc', [handlerMetadata('echo')], { type: 'virtualObject' })];
  const segment = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        'v2',
        'v9',
        'health',
        'version',
        'deployments',
        'services',
        'handlers',
        'invocations',
        'journal',
        'cancel',
        'restart-as-new',
        'resume',
        'internal',
        'invocations_batch_operations',
        'openapi',
        'state',
        'promote',
        'Svc',
        'echo',
        DP,
        INV,
        '__proto__',
        '%',
      ),
    },
    fc.string(),
  );
  const path = fc.array(segment, { maxLength: 5 }).map(parts => `/${parts.join('/')}`);
  const method = fc.constantFrom('GET', 'POST', 'PATCH', 'DELETE', 'OPTIONS', 'PUT');
  const query = fc.oneof(
    fc.constant(''),
    fc.string().map(text => `?${text}`),
    fc.constantFrom('?force=true', '?mode=kill', '?from=9999', '?deployment=latest&from=1', '?key=k'),
  );
  const body = fc.oneof(
    fc.string(),
    fc.json(),
    fc
      .record(
        {
          arn: fc.oneof(fc.constant(ARN), fc.string()),
          metadata: fc.json(),
          force: fc.boolean(),
          invocation_ids: fc.oneof(fc.constant([INV]), fc.jsonValue()),
          public: fc.oneof(fc.boolean(), fc.jsonValue()),
          journal_retention: fc.oneof(fc.constant('1h'), fc.string()),
          retry_policy: fc.jsonValue(),
          object_key: fc.string(),
          new_state: fc.oneof(fc.constant({ a: [1] }), fc.jsonValue()),
        },
        { requiredKeys: [] },
      )
      .map(json => JSON.stringify(json)),
  );
  await fc.assert(
    fc.asyncProperty(method, path, query, body, async (verb, where, asked, sent) => {
      const { status } = await ask(admin, verb, where + asked, sent);
      expect([200, 201, 202, 400, 404, 405, 409, 422]).toContain(status);
    }),
    { numRuns: 2000 },
  );
});
