import { expect, test } from 'vitest';
import type { Endpoint } from '../core/model.ts';
import { handlerMetadata, serviceMetadata } from '../ingress/testing/scripted-engine.ts';
import { deploymentOf } from './testing/captured.ts';
import { ask, DP, setUp } from './testing/setup.ts';

function withServices() {
  const fixture = setUp();
  fixture.engine.found = [
    serviceMetadata('Svc', [handlerMetadata('echo')]),
    serviceMetadata(
      'Wf',
      [
        handlerMetadata('run', { type: 'workflow', workflowRetentionMs: 7 * 86_400_000 }),
        handlerMetadata('ask', { type: 'shared' }),
      ],
      { type: 'workflow' },
    ),
  ];
  return fixture;
}

test.each<[url: string, body: unknown, asked: unknown]>([
  ['/services/Svc', {}, {}],
  ['/services/Svc', { public: false, journal_retention: null }, { public: false }],
  [
    '/services/Svc',
    {
      idempotency_retention: 'PT4H',
      journal_retention: '1 day',
      inactivity_timeout: '0s',
      abort_timeout: '1h 30m',
      retry_policy: {
        initial_interval: '50ms',
        exponentiation_factor: 1.5,
        max_attempts: 3,
        max_interval: 'PT10S',
        on_max_attempts: 'Kill',
      },
    },
    {
      idempotencyRetentionMs: 14_400_000,
      journalRetentionMs: 86_400_000,
      inactivityTimeoutMs: 0,
      abortTimeoutMs: 5_400_000,
      retryPolicy: {
        initialIntervalMs: 50,
        maxIntervalMs: 10_000,
        factor: 1.5,
        maxAttempts: 3,
        onMaxAttempts: 'kill',
      },
    },
  ],
  ['/services/Wf', { workflow_completion_retention: '2d' }, { workflowRetentionMs: 172_800_000 }],
  ['/services/Svc/handlers/echo', { public: true }, { public: true, handler: 'echo' }],
  [
    '/services/Wf/handlers/run',
    { workflow_completion_retention: '1s' },
    { workflowRetentionMs: 1000, handler: 'run' },
  ],
  [
    '/services/Wf/handlers/ask',
    { idempotency_retention: '1s' },
    { idempotencyRetentionMs: 1000, handler: 'ask' },
  ],
])('PATCH %s %j', async (url, body, asked) => {
  const { engine, admin } = withServices();
  const sent = await ask(admin, 'PATCH', url, JSON.stringify(body));
  const [, , name, , handler] = url.split('/');
  expect([sent.status, JSON.parse(sent.body).name]).toEqual([200, handler ?? name]);
  expect(engine.asked).toEqual([[name, asked]]);
});

test.each<[name: string, url: string, body: string, status: number, message: RegExp]>([
  ['an unknown service', '/services/Nope', '{}', 404, /no service 'Nope'/],
  ['an unknown handler', '/services/Svc/handlers/nope', '{}', 404, /no handler 'nope'/],
  ['unknown fields', '/services/Svc', '{"privat":true,"x":1}', 400, /unknown fields: 'privat', 'x'/],
  ['an unknown part of the policy', '/services/Svc', '{"retry_policy":{"max":1}}', 400, /'retry_policy.max'/],
  ['no duration', '/services/Svc', '{"abort_timeout":"soon"}', 422, /"abort_timeout" is not a duration/],
  ['a bare number', '/services/Svc', '{"abort_timeout":10}', 422, /not a duration/],
  ['a string for a flag', '/services/Svc', '{"public":"no"}', 422, /"public"/],
  ['no policy', '/services/Svc', '{"retry_policy":[]}', 422, /"retry_policy" is not an object/],
  ['no attempts', '/services/Svc', '{"retry_policy":{"max_attempts":0}}', 400, /at least 1/],
  ['attempts without end', '/services/Svc', '{"retry_policy":{"max_attempts":null}}', 400, /give a number/],
  ['no wait', '/services/Svc', '{"retry_policy":{"initial_interval":"0s"}}', 400, /initial_interval.* 1ms/],
  ['no wait later', '/services/Svc', '{"retry_policy":{"max_interval":"1us"}}', 400, /max_interval.* 1ms/],
  ['a factor of 0', '/services/Svc', '{"retry_policy":{"exponentiation_factor":0}}', 400, /above 0/],
  ['an end that is none', '/services/Svc', '{"retry_policy":{"on_max_attempts":"stop"}}', 400, /'Pause'/],
  ['a retention of workflows', '/services/Svc', '{"workflow_completion_retention":"1h"}', 400, /no workflow/],
  [
    'one of the run',
    '/services/Wf/handlers/ask',
    '{"workflow_completion_retention":"1h"}',
    400,
    /not the run/,
  ],
  [
    'one of keys',
    '/services/Wf/handlers/run',
    '{"idempotency_retention":"1h"}',
    400,
    /has workflow_completion/,
  ],
])('settings are refused: %s', async (_name, url, body, status, message) => {
  const { engine, admin } = withServices();
  const sent = await ask(admin, 'PATCH', url, body);
  expect([sent.status, engine.asked]).toEqual([status, []]);
  expect(sent.body).toMatch(message);
});

test('a service that goes away meanwhile', async () => {
  const { engine, admin } = withServices();
  engine.updateService = () => Promise.resolve(undefined);
  expect((await ask(admin, 'PATCH', '/services/Svc', '{}')).status).toBe(404);
});

test('the retention of a workflow is that of its run', async () => {
  const { admin } = withServices();
  expect(JSON.parse((await ask(admin, 'GET', '/services/Wf')).body).workflow_completion_retention).toBe('7d');
});

test.each<readonly [Endpoint, timeout: string, info: boolean]>([
  [{ kind: 'lambda', arn: 'a' }, '0s', true],
  [{ kind: 'http', uri: 'http://h', http: 2, bidirectional: false }, '0s', true],
  [{ kind: 'http', uri: 'http://h', http: 2, bidirectional: true }, '7s', false],
])('an inactivity timeout counts where answers are streams: %j', async (endpoint, timeout, info) => {
  const { engine, admin } = setUp();
  const service = serviceMetadata('Svc', [], { inactivityTimeoutMs: 7000 });
  engine.found = [service];
  engine.all = [{ ...deploymentOf({ id: DP, services: [] }), endpoint, services: [service] }];
  const shown = JSON.parse((await ask(admin, 'GET', '/services/Svc')).body);
  expect([shown.inactivity_timeout, shown.info !== undefined]).toEqual([timeout, info]);
});
