import { expect, test } from 'vitest';
import type { Endpoint } from '../core/model.ts';
import { serviceMetadata } from '../ingress/testing/scripted-engine.ts';
import type { Address } from '../partition/engine.ts';
import { CodedError } from '../platform/error.ts';
import { deploymentOf } from './testing/captured.ts';
import { ARN, ask, DP, setUp } from './testing/setup.ts';

const ROLE_ARN = 'arn:aws:iam::123456789012:role/team/caller';
const ROLE = `"assume_role_arn":"${ROLE_ARN}"`;

test('register hands on what was asked, and tells what became of it', async () => {
  const { engine, admin } = setUp();
  engine.all = [deploymentOf({ id: DP, services: [] })];
  const body = `{"arn":"${ARN}","additional_headers":{"x-a":"b"},"metadata":{"git":"c"},"breaking":true,"dry_run":true,"unknown":1}`;
  engine.registered = 'dryRun';
  expect((await ask(admin, 'POST', '/deployments', body)).status).toBe(201);
  expect(engine.requests[0]).toEqual({
    address: { kind: 'lambda', arn: ARN },
    additionalHeaders: { 'x-a': 'b' },
    metadata: { git: 'c' },
    force: false,
    breaking: true,
    dryRun: true,
  });
  engine.registered = 'overwritten';
  expect((await ask(admin, 'POST', '/v3/deployments', `{"arn":"${ARN}"}`)).status).toBe(200);
  expect((await ask(admin, 'POST', '/v2/deployments', `{"arn":"${ARN}"}`)).status).toBe(201);
  expect(engine.requests.map(({ force }) => force)).toEqual([false, false, true]);
  engine.registered = new CodedError('META0003', 'the function answered 502');
  expect(await ask(admin, 'POST', '/deployments', `{"arn":"${ARN}"}`)).toMatchObject({
    status: 500,
    body: '{"message":"the function answered 502","restate_code":"META0003"}',
  });
});

test('deployments are listed as they were registered', async () => {
  const { engine, admin } = setUp();
  const deployment = deploymentOf({ id: DP, services: [] });
  engine.all = [3, 1, 2].map(createdAt => ({
    ...deployment,
    createdAt,
    endpoint: { kind: 'lambda', arn: `${createdAt}` },
  }));
  const listed: { readonly arn: string }[] = JSON.parse(
    (await ask(admin, 'GET', '/deployments')).body,
  ).deployments;
  expect(listed.map(({ arn }) => arn)).toEqual(['1', '2', '3']);
});

test('a deployment in use is removed by force only', async () => {
  const { engine, admin } = setUp();
  engine.outcome = 'inUse';
  expect(await ask(admin, 'DELETE', `/deployments/${DP}`)).toMatchObject({
    status: 409,
    body: expect.stringContaining('?force=true'),
  });
});

test('a deployment is changed in place', async () => {
  const { engine, admin } = setUp();
  engine.all = [{ ...deploymentOf({ id: DP, services: [] }), services: [serviceMetadata('Svc', [])] }];
  const body = `{"arn":"${ARN}","additional_headers":{"x-a":"b"},"overwrite":true,"dry_run":true,"uri":null}`;
  const changed = await ask(admin, 'PATCH', `/deployments/${DP}`, body);
  expect([changed.status, JSON.parse(changed.body)]).toEqual([
    200,
    expect.objectContaining({ id: DP, services: [expect.objectContaining({ ty: 'Service' })] }),
  ]);
  const change = {
    address: { kind: 'lambda', arn: ARN },
    additionalHeaders: { 'x-a': 'b' },
    overwrite: true,
    dryRun: true,
  };
  expect(engine.asked).toEqual([[DP, change]]);
  expect((await ask(admin, 'PUT', `/v2/deployments/${DP}`, `{"arn":"${ARN}"}`)).status).toBe(200);
  engine.refused = new CodedError('META0016', 'another function');
  expect(await ask(admin, 'PATCH', `/deployments/${DP}`, '{}')).toMatchObject({
    status: 409,
    body: '{"message":"another function","restate_code":"META0016"}',
  });
});

test.each<[name: string, method: string, url: string, body: string, status: number, message: RegExp]>([
  ['two addresses', 'PATCH', '', `{"arn":"${ARN}","uri":"http://x"}`, 422, /both/],
  ['a role for an HTTP endpoint', 'PATCH', '', '{"uri":"http://x","assume_role_arn":"r"}', 422, /both/],
  ['a role that is none', 'PATCH', '', `{"arn":"${ARN}","assume_role_arn":"r"}`, 400, /'assume_role_arn'/],
  ['an external id alone', 'PATCH', '', `{"arn":"${ARN}","assume_role_external_id":"x1"}`, 422, /goes with/],
  [
    'a short external id',
    'PATCH',
    '',
    `{"arn":"${ARN}",${ROLE},"assume_role_external_id":"x"}`,
    400,
    /2 to 1224/,
  ],
  ['an URI that is no text', 'PATCH', '', '{"uri":7}', 422, /"uri" is not a string/],
  [
    'an HTTP version that is no flag',
    'PATCH',
    '',
    '{"uri":"http://x","use_http_11":"yes"}',
    422,
    /use_http_11/,
  ],
  ['authentication', 'PATCH', '', '{"uri":"http://x","auth":{}}', 400, /unknown fields: 'auth'/],
  ['an ARN without version', 'PATCH', '', `{"arn":"${ARN.slice(0, -2)}"}`, 400, /version or an alias/],
  ['a field that is none', 'PATCH', '', '{"overwrit":true}', 400, /unknown fields: 'overwrit'/],
  ['not JSON', 'PATCH', '', '{', 422, /cannot read/],
  ['an unknown one', 'PATCH', '', '{}', 404, /no deployment/],
  ['PUT', 'PUT', '', '{}', 405, /use PATCH/],
  ['PUT of version 4', 'PUT', '/v4', '{}', 405, /use PATCH/],
])('a change of a deployment is refused: %s', async (_name, method, prefix, body, status, message) => {
  const { engine, admin } = setUp();
  const sent = await ask(admin, method, `${prefix}/deployments/${DP}`, body);
  expect(sent.status).toBe(status);
  expect(sent.body).toMatch(message);
  if (status !== 404) expect(engine.asked).toEqual([]);
});

test('an older deployment is promoted', async () => {
  const { engine, admin } = setUp();
  const url = `/deployments/${DP}/promote`;
  expect((await ask(admin, 'POST', url, '', [])).status).toBe(404);
  engine.all = [deploymentOf({ id: DP, services: [] })];
  expect(await ask(admin, 'POST', `${url}?breaking=true`, '', [])).toMatchObject({
    status: 200,
    body: expect.stringContaining(`"id":"${DP}"`),
  });
  engine.refused = new CodedError('META0006', 'it takes Svc/old away');
  expect((await ask(admin, 'POST', url, '', [])).status).toBe(409);
  expect((await ask(admin, 'POST', `${url}?breaking=1`, '', [])).status).toBe(400);
  expect(engine.asked).toEqual([
    ['promote', DP, false],
    ['promote', DP, true],
    ['promote', DP, false],
  ]);
});

const HTTP = { kind: 'http', uri: 'https://h:8443/a', http: 2, bidirectional: true } as const;
const LAMBDA = { kind: 'lambda', arn: ARN, assumeRole: { arn: ROLE_ARN, externalId: 'x1' } } as const;
const { bidirectional: _, ...HTTP_ADDRESS } = HTTP;

test.each<readonly [name: string, body: string, address: Address]>([
  ['a function', `{"arn":"${ARN}"}`, { kind: 'lambda', arn: ARN }],
  [
    'a function, as a role',
    `{"arn":"${ARN}",${ROLE}}`,
    { kind: 'lambda', arn: ARN, assumeRole: { arn: ROLE_ARN } },
  ],
  [
    'a function, as a role with an external id',
    `{"arn":"${ARN}",${ROLE},"assume_role_external_id":"x1"}`,
    LAMBDA,
  ],
  ['an endpoint', '{"uri":"https://h:8443/a"}', HTTP_ADDRESS],
  ['an endpoint over HTTP/2', '{"uri":"https://h:8443/a","use_http_11":false}', HTTP_ADDRESS],
  [
    'an endpoint over HTTP/1.1',
    '{"uri":"http://h","use_http_11":true}',
    { kind: 'http', uri: 'http://h', http: 1 },
  ],
])('registers %s', async (_name, body, address) => {
  const { engine, admin } = setUp();
  engine.all = [deploymentOf({ id: DP, services: [] })];
  expect((await ask(admin, 'POST', '/deployments', body)).status).toBe(201);
  expect(engine.requests.map(request => request.address)).toEqual([address]);
});

test.each<readonly [name: string, body: string, status: number, message: RegExp]>([
  ['neither', '{}', 422, /neither "arn" nor "uri"/],
  ['both', `{"arn":"${ARN}","uri":"http://h"}`, 422, /both/],
  ['a role without a function', `{${ROLE}}`, 422, /"arn" is not a string/],
  ['an HTTP version for a function', `{"arn":"${ARN}","use_http_11":true}`, 422, /both/],
  ['an HTTP version alone', '{"use_http_11":true}', 422, /"uri" is not a string/],
  ['authentication', '{"uri":"http://h","auth":{"type":"x"}}', 400, /additional_headers/],
])('refuses to register %s', async (_name, body, status, message) => {
  const { engine, admin } = setUp();
  const sent = await ask(admin, 'POST', '/deployments', body);
  expect([sent.status, engine.requests]).toEqual([status, []]);
  expect(sent.body).toMatch(message);
});

test.each(['HF_ENDPOINT_URI', 'HF_ENDPOINT_NOT_ALLOWED'])('%s is the caller’s fault', async code => {
  const { engine, admin } = setUp();
  engine.registered = new CodedError(code, 'why');
  const sent = await ask(admin, 'POST', '/deployments', '{"uri":"http://h"}');
  expect(sent).toMatchObject({ status: 400, body: expect.stringContaining(code) });
});

test.each<readonly [name: string, before: Endpoint, body: string, address: Address | undefined]>([
  ['headers alone', HTTP, '{"additional_headers":{}}', undefined],
  [
    'another URI keeps the version',
    { ...HTTP, http: 1 },
    '{"uri":"http://b"}',
    { kind: 'http', uri: 'http://b', http: 1 },
  ],
  ['another version keeps the URI', HTTP, '{"use_http_11":true}', { ...HTTP_ADDRESS, http: 1 }],
  ['another function keeps the role', LAMBDA, `{"arn":"${ARN}2"}`, { ...LAMBDA, arn: `${ARN}2` }],
  [
    'another role keeps function and external id',
    LAMBDA,
    '{"assume_role_arn":"arn:aws:iam::123456789012:role/b"}',
    { ...LAMBDA, assumeRole: { arn: 'arn:aws:iam::123456789012:role/b', externalId: 'x1' } },
  ],
  [
    'another external id keeps the role',
    LAMBDA,
    '{"assume_role_external_id":"x2"}',
    { ...LAMBDA, assumeRole: { arn: ROLE_ARN, externalId: 'x2' } },
  ],
  ['from Lambda to HTTP', LAMBDA, '{"uri":"http://b"}', { kind: 'http', uri: 'http://b', http: 2 }],
  ['from HTTP to Lambda', HTTP, `{"arn":"${ARN}"}`, { kind: 'lambda', arn: ARN }],
])('a change: %s', async (_name, endpoint, body, address) => {
  const { engine, admin } = setUp();
  engine.all = [{ ...deploymentOf({ id: DP, services: [] }), endpoint }];
  expect((await ask(admin, 'PATCH', `/deployments/${DP}`, body)).status).toBe(200);
  const [asked] = engine.asked as [[string, { readonly address?: Address }]];
  expect(asked[1].address).toEqual(address);
});

test.each<readonly [name: string, endpoint: Endpoint, shown: object]>([
  [
    'an HTTP/2 stream',
    HTTP,
    { uri: 'https://h:8443/a', protocol_type: 'BidiStream', http_version: 'HTTP/2.0' },
  ],
  [
    'HTTP/1.1',
    { kind: 'http', uri: 'http://h', http: 1, bidirectional: false },
    { uri: 'http://h', protocol_type: 'RequestResponse', http_version: 'HTTP/1.1' },
  ],
  [
    'Lambda',
    { ...LAMBDA, compression: 'zstd', offload: true },
    { arn: ARN, assume_role_arn: ROLE_ARN, assume_role_external_id: 'x1', compression: 'Zstd' },
  ],
  ['plain Lambda', { kind: 'lambda', arn: ARN }, { arn: ARN }],
])('a deployment is shown: %s', async (_name, endpoint, shown) => {
  const { engine, admin } = setUp();
  engine.all = [{ ...deploymentOf({ id: DP, services: [] }), endpoint }];
  const { id, created_at, min_protocol_version, max_protocol_version, services, ...rest } = JSON.parse(
    (await ask(admin, 'GET', `/deployments/${DP}`)).body,
  );
  expect([id, services, min_protocol_version, max_protocol_version]).toEqual([DP, [], 5, 7]);
  expect(created_at).toMatch(/^1970/);
  expect(rest).toEqual(shown);
});
