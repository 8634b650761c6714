import { expect, test } from 'vitest';
import { serviceMetadata } from '../ingress/testing/scripted-engine.ts';
import { CodedError } from '../platform/error.ts';
import { deploymentOf } from './testing/captured.ts';
import { ARN, ask, DP, setUp } from './testing/setup.ts';

test('register hands on what was asked, and tells what became of it', async () => {
  const { engine, admin } = setUp();
  engine.all = [deploymentOf({ id: DP, services: [] })];
  const body = `{"arn":"${ARN}","additional_headers":{"x-a":"b"},"metadata":{"git":"c"},"breaking":true,"dry_run":true,"unknown":1}`;
  engine.registered = 'dryRun';
  expect((await ask(admin, 'POST', '/deployments', body)).status).toBe(201);
  expect(engine.requests[0]).toEqual({
    arn: ARN,
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
  engine.all = [3, 1, 2].map(createdAt => ({ ...deployment, createdAt, arn: `${createdAt}` }));
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
  const change = { arn: ARN, additionalHeaders: { 'x-a': 'b' }, overwrite: true, dryRun: true };
  expect(engine.asked).toEqual([[DP, change]]);
  expect((await ask(admin, 'PUT', `/v2/deployments/${DP}`, `{"arn":"${ARN}"}`)).status).toBe(200);
  engine.refused = new CodedError('META0016', 'another function');
  expect(await ask(admin, 'PATCH', `/deployments/${DP}`, '{}')).toMatchObject({
    status: 409,
    body: '{"message":"another function","restate_code":"META0016"}',
  });
});

test.each<[name: string, method: string, url: string, body: string, status: number, message: RegExp]>([
  ['an HTTP address', 'PATCH', '', '{"uri":"http://x"}', 400, /not supported yet/],
  ['a role', 'PATCH', '', '{"assume_role_arn":"r"}', 400, /not supported yet/],
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
