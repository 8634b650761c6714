/** Registering, end to end in this process: discovery, the plan, the record, and where new invocations go. */
import { expect, test } from 'vitest';
import type { Deployment } from '../core/model.ts';
import type { RegisterRequest } from './engine.ts';
import { addressOf } from './registration.ts';
import {
  arnOf,
  at,
  discovered,
  type Fixture,
  type Offer,
  register,
  routes,
  setUp,
} from './testing/registering.ts';
import { settled } from './testing/world.ts';

type Step = readonly [version: string, Offer, options: Partial<RegisterRequest>, kind: string];

const ONE: Step = ['1', { Svc: ['a', 'b'] }, {}, 'created'];
test.for<readonly [string, { readonly steps: readonly Step[]; readonly routes: readonly string[] }]>([
  ['a first one', { steps: [ONE], routes: ['Svc@1 r1 a,b'] }],
  [
    'a known address is not asked again',
    { steps: [ONE, ['1', { Svc: ['z'] }, {}, 'unchanged']], routes: ['Svc@1 r1 a,b'] },
  ],
  [
    'other headers are another address',
    {
      steps: [ONE, ['1', { Svc: ['a', 'b', 'c'] }, { additionalHeaders: { 'X-A': '1' } }, 'created']],
      routes: ['Svc@1 r2 a,b,c'],
    },
  ],
  [
    'a new address is a new revision',
    { steps: [ONE, ['2', { Svc: ['b', 'a'] }, {}, 'created']], routes: ['Svc@2 r2 b,a'] },
  ],
  [
    'a removed handler breaks its callers',
    { steps: [ONE, ['2', { Svc: ['a'] }, {}, 'META0006']], routes: ['Svc@1 r1 a,b'] },
  ],
  [
    'unless that is meant',
    { steps: [ONE, ['2', { Svc: ['a'] }, { breaking: true }, 'created']], routes: ['Svc@2 r2 a'] },
  ],
  [
    'force means it too',
    { steps: [ONE, ['2', { Svc: ['a'] }, { force: true }, 'created']], routes: ['Svc@2 r2 a'] },
  ],
  [
    'overwriting keeps the revision',
    { steps: [ONE, ['1', { Svc: ['z'] }, { force: true }, 'overwritten']], routes: ['Svc@1 r1 z'] },
  ],
  [
    'overwriting with fewer services falls back to who has them',
    {
      steps: [
        ONE,
        ['2', { Svc: ['a', 'b'], Other: ['o'] }, {}, 'created'],
        ['2', { New: ['n'] }, { force: true }, 'overwritten'],
      ],
      routes: ['New@2 r1 n', 'Svc@1 r1 a,b'],
    },
  ],
  [
    'overwriting an older one leaves new invocations with the newest',
    {
      steps: [
        ONE,
        ['2', { Svc: ['a', 'b', 'c'] }, {}, 'created'],
        ['1', { Svc: ['z'], New: ['n'] }, { force: true }, 'overwritten'],
      ],
      routes: ['New@1 r1 n', 'Svc@2 r2 a,b,c'],
    },
  ],
  ['a dry run keeps nothing', { steps: [['1', { Svc: ['a'] }, { dryRun: true }, 'dryRun']], routes: [] }],
  [
    'a dry run of an overwrite keeps nothing either',
    {
      steps: [ONE, ['1', { Svc: ['z'] }, { dryRun: true, force: true }, 'dryRun']],
      routes: ['Svc@1 r1 a,b'],
    },
  ],
  [
    'every type of service',
    {
      steps: [['1', { Svc: ['a'], Obj: ['o'], Wf: ['run'] }, {}, 'created']],
      routes: ['Obj@1 r1 o', 'Svc@1 r1 a', 'Wf@1 r1 run'],
    },
  ],
])('%s', async ([, story]) => {
  const fixture = await setUp();
  for (const [version, offer, options, kind] of story.steps) {
    expect(await register(fixture, version, offer, options)).toBe(kind);
  }
  expect(routes(fixture)).toEqual(story.routes);
});

test('an overwritten deployment keeps its id and when it was created; a removed one does not come back', async () => {
  const fixture = await setUp();
  const { world, engine } = fixture;
  await register(fixture, '1', { Svc: ['a'] });
  const [first] = engine.deployments();
  world.now += 1000;
  await register(fixture, '1', { Svc: ['b'] }, { force: true });
  expect(engine.deployments()).toMatchObject([{ id: first?.id, createdAt: first?.createdAt }]);
  expect(await engine.removeDeployment(first?.id as never, true)).toBe('applied');
  expect(routes(fixture)).toEqual([]);
  expect(await register(fixture, '1', { Svc: ['c'] })).toBe('created');
  expect(engine.deployments()).toHaveLength(1);
  expect(engine.deployments()[0]?.id).not.toBe(first?.id);
});

test('two registrations at once never share a revision', async () => {
  const fixture = await setUp();
  const { world, engine } = fixture;
  const both = [engine.register({ address: at('1') }), engine.register({ address: at('2') })];
  for (const call of [0, 1]) {
    await settled();
    discovered(world, call, { Svc: ['a'] });
  }
  expect((await Promise.all(both)).map(({ kind }) => kind)).toEqual(['created', 'created']);
  expect(routes(fixture)).toEqual(['Svc@2 r2 a']);
});

test('unused is decided after the removal before it, which may have made it used', async () => {
  const fixture = await setUp();
  const { engine } = fixture;
  await register(fixture, '1', { Svc: ['a'] });
  await register(fixture, '2', { Svc: ['a'] });
  const [one, two] = [...engine.deployments()].sort(byAddress);
  const outcomes = [
    engine.removeDeployment(two?.id as never, true),
    engine.removeDeployment(one?.id as never, false),
  ];
  expect(await Promise.all(outcomes)).toEqual(['applied', 'inUse']);
  expect(routes(fixture)).toEqual(['Svc@1 r1 a']);
});

const byAddress = (a: Deployment, b: Deployment): number =>
  addressOf(a.endpoint) < addressOf(b.endpoint) ? -1 : 1;

async function versions(fixture: Fixture, ...offers: readonly (readonly string[])[]) {
  for (const [index, handlers] of offers.entries()) {
    await register(fixture, String(index + 1), { Svc: handlers }, { breaking: true });
  }
  return [...fixture.engine.deployments()].sort(byAddress).map(({ id }) => id);
}

test('a rollback is one call; the next registration is measured by what callers have then', async () => {
  const fixture = await setUp();
  const { engine } = fixture;
  const [one] = await versions(fixture, ['a', 'b'], ['a', 'c']);
  await expect(engine.promoteDeployment(one as never, false)).rejects.toMatchObject({ code: 'META0006' });
  expect(routes(fixture)).toEqual(['Svc@2 r2 a,c']);
  expect(await engine.promoteDeployment(one as never, true)).toMatchObject({ id: one });
  expect(routes(fixture)).toEqual(['Svc@1 r1 a,b']);
  expect(await register(fixture, '3', { Svc: ['a', 'c'] })).toBe('META0006');
  expect(await register(fixture, '3', { Svc: ['a', 'b'] })).toBe('created');
  expect(routes(fixture)).toEqual(['Svc@3 r3 a,b']);
  expect(await engine.promoteDeployment('dp_none' as never, true)).toBeUndefined();
});

test('an operator changes settings, of a service or of one handler, until the next revision', async () => {
  const fixture = await setUp();
  const { engine } = fixture;
  await versions(fixture, ['a', 'b']);
  await engine.updateService('Svc', {
    public: false,
    journalRetentionMs: 7,
    retryPolicy: { maxAttempts: 2 },
  });
  await engine.updateService('Svc', { handler: 'b', public: true, retryPolicy: { maxAttempts: 9 } });
  expect(engine.service('Svc')).toMatchObject({
    public: false,
    journalRetentionMs: 7,
    retryPolicy: { maxAttempts: 2, initialIntervalMs: 10 },
    handlers: [
      { name: 'a', public: false },
      { name: 'b', public: true, retryPolicy: { maxAttempts: 9 } },
    ],
  });
  expect(await engine.updateService('Svc', { handler: 'none' })).toBeUndefined();
  expect(await engine.updateService('None', {})).toBeUndefined();
  await register(fixture, '2', { Svc: ['a', 'b'] });
  expect(engine.service('Svc')).toMatchObject({ public: true, journalRetentionMs: 0 });
});

test('a deployment moves to another address when that offers the same', async () => {
  const fixture = await setUp();
  const { world, engine } = fixture;
  const [one] = await versions(fixture, ['a', 'b']);
  const moved = async (
    version: string,
    offer: Offer,
    options: { overwrite?: boolean; dryRun?: boolean } = {},
  ) => {
    const asked = world.calls.length;
    const updating = engine.updateDeployment(one as never, { address: at(version), ...options }).then(
      deployment => deployment && addressOf(deployment.endpoint),
      (error: { readonly code: string }) => error.code,
    );
    await settled();
    discovered(world, asked, offer);
    return updating;
  };
  expect(await moved('7', { Svc: ['a'] })).toBe('META0016');
  expect(await moved('7', { Svc: ['b', 'a'] }, { dryRun: true })).toBe(arnOf('7'));
  expect(routes(fixture)).toEqual(['Svc@1 r1 a,b']);
  expect(await moved('7', { Svc: ['b', 'a'] })).toBe(arnOf('7'));
  expect(await moved('8', { Svc: ['z'] }, { overwrite: true })).toBe(arnOf('8'));
  expect(routes(fixture)).toEqual(['Svc@8 r1 z']);
  expect(engine.deployments()).toHaveLength(1);
  await register(fixture, '9', { Svc: ['z'] });
  expect(await moved('9', { Svc: ['z'] })).toBe('META0004');
});

test('an address that does not answer holds up no other registration', async () => {
  const fixture = await setUp();
  const slow = fixture.engine.register({ address: at('1') });
  await settled();
  expect(await register(fixture, '2', { Svc: ['a'] })).toBe('created');
  discovered(fixture.world, 0, { Svc: ['a'] });
  expect((await slow).deployment.services).toMatchObject([{ name: 'Svc', revision: 2 }]);
  expect(routes(fixture)).toEqual(['Svc@1 r2 a']);
});
