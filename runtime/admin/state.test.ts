import { expect, test } from 'vitest';
import { serviceMetadata } from '../ingress/testing/scripted-engine.ts';
import { STATE_BYTES_MAX } from './state.ts';
import { ask, bytes, setUp } from './testing/setup.ts';

function withServices() {
  const fixture = setUp();
  fixture.engine.found = [serviceMetadata('Svc', []), serviceMetadata('Obj', [], { type: 'virtualObject' })];
  return fixture;
}

test('a state is read, changed and sent back under its version', async () => {
  const { engine, admin } = withServices();
  engine.stored = {
    version: 'v7',
    entries: [
      ['__proto__', bytes('1')],
      ['count', bytes('42')],
      ['7', new Uint8Array()],
    ],
  };
  const read = await ask(admin, 'GET', '/services/Obj/state?key=a%20b');
  expect([read.status, read.body]).toEqual([
    200,
    '{"version":"v7","state":{"__proto__":[49],"count":[52,50],"7":[]}}',
  ]);
  const { version, state } = JSON.parse(read.body);
  const body = JSON.stringify({ object_key: 'a b', version, new_state: state, scope: null });
  expect(await ask(admin, 'POST', '/services/Obj/state', body)).toMatchObject({ status: 202, body: '' });
  engine.outcome = 'tooMany';
  expect(await ask(admin, 'POST', '/services/Obj/state', body)).toMatchObject({ status: 429 });
  engine.asked.pop();
  const entries = expect.arrayContaining([...engine.stored.entries]);
  expect(engine.asked).toEqual([
    ['state', { service: 'Obj', key: 'a b' }],
    { of: { service: 'Obj', key: 'a b' }, version: 'v7', entries },
  ]);
});

test('what a removed service left behind can be cleared', async () => {
  const { engine, admin } = withServices();
  const cleared = await ask(admin, 'POST', '/services/Gone/state', '{"object_key":"","new_state":{}}');
  expect(cleared.status).toBe(202);
  expect(engine.asked).toEqual([{ of: { service: 'Gone', key: '' }, entries: [] }]);
});

const post = (body: unknown): [string, string] => ['POST', JSON.stringify(body)];
const large = new Array(STATE_BYTES_MAX).fill(7);

test.each<[name: string, service: string, request: [string, string], status: number, message: RegExp]>([
  ['of a plain service', 'Svc', post({ object_key: 'k', new_state: {} }), 400, /plain service/],
  ['of an unknown service', 'Nope', post({ object_key: 'k', new_state: { a: [] } }), 404, /no service/],
  ['in a scope that is none', 'Obj', post({ object_key: 'k', new_state: {}, scope: 'a b' }), 400, /'scope'/],
  [
    'with a misspelt version',
    'Obj',
    post({ object_key: 'k', new_state: {}, Version: 'v' }),
    400,
    /'Version'/,
  ],
  ['without a key', 'Obj', post({ new_state: {} }), 422, /"object_key"/],
  ['without a state', 'Obj', post({ object_key: 'k' }), 422, /no "new_state"/],
  ['that is a list', 'Obj', post({ object_key: 'k', new_state: [] }), 422, /not an object/],
  ['that is text', 'Obj', post({ object_key: 'k', new_state: { a: 'x' } }), 422, /for 'a'/],
  ['of more than bytes', 'Obj', post({ object_key: 'k', new_state: { a: [256] } }), 422, /0 to 255/],
  ['that is too large', 'Obj', post({ object_key: 'k', new_state: { a: large } }), 413, /at most 1048576/],
  ['with too much around it', 'Obj', ['POST', ' '.repeat(7 * 1024 * 1024)], 413, /the body/],
  ['read without a key', 'Obj', ['GET', ''], 400, /'key'/],
])('a state is refused: %s', async (_name, service, [method, body], status, message) => {
  const { engine, admin } = withServices();
  const sent = await ask(admin, method, `/services/${service}/state`, body);
  expect([sent.status, engine.asked]).toEqual([status, []]);
  expect(sent.body).toMatch(message);
});

test('a state that is too large to be sent back is not shown', async () => {
  const { engine, admin } = withServices();
  engine.stored = { version: 'v', entries: [['k', new Uint8Array(STATE_BYTES_MAX)]] };
  expect((await ask(admin, 'GET', '/services/Obj/state?key=k')).status).toBe(413);
});

test('a workflow in a scope has a state of its own', async () => {
  const { engine, admin } = withServices();
  engine.found = [serviceMetadata('Wf', [], { type: 'workflow' })];
  const read = await ask(admin, 'GET', '/services/Wf/state?key=k&scope=s-1');
  const body = JSON.stringify({ object_key: 'k', new_state: {}, scope: 's-1' });
  const patched = await ask(admin, 'POST', '/services/Wf/state', body);
  const refused = await ask(admin, 'GET', '/services/Wf/state?key=k&scope=a%20b');
  expect([read.status, patched.status, refused.status]).toEqual([200, 202, 400]);
  const of = { service: 'Wf', key: 'k', scope: 's-1' };
  expect(engine.asked).toEqual([['state', of], { of, entries: [] }]);
});
