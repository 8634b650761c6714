import { expect, test } from 'vitest';
import type { Outcome } from '../core/effect.ts';
import type { RestartOutcome } from '../partition/engine.ts';
import { ask, DP, INV, NEW, setUp } from './testing/setup.ts';

const UNKNOWN = /^no invocation 'inv_/;
const COMPLETED = /already completed.*restart-as-new/;
const WAITS = /waits for its time or its key/;
const NOT_ENDED = /cancel or kill it first/;

test.each<[request: string, outcome: Outcome, status: number, message: RegExp]>([
  ['PATCH cancel', 'applied', 202, /^$/],
  ['PATCH cancel', 'ended', 200, /^$/],
  ['PATCH cancel', 'unknown', 404, UNKNOWN],
  ['PATCH cancel', 'alreadyCompleted', 409, COMPLETED],
  ['PATCH kill', 'ended', 200, /^$/],
  ['PATCH kill', 'unknown', 404, UNKNOWN],
  ['PATCH kill', 'alreadyCompleted', 409, COMPLETED],
  ['PATCH pause', 'applied', 202, /^$/],
  ['PATCH pause', 'alreadyPaused', 200, /^$/],
  ['PATCH pause', 'notRunning', 409, /pause what runs/],
  ['PATCH pause', 'unknown', 404, UNKNOWN],
  ['PATCH pause', 'alreadyCompleted', 409, COMPLETED],
  ['PATCH resume', 'applied', 200, /^$/],
  ['PATCH resume', 'notPaused', 409, /pause it first/],
  ['PATCH resume', 'notStarted', 425, WAITS],
  ['PATCH resume', 'unknownDeployment', 400, /GET \/deployments/],
  ['PATCH resume', 'incompatibleDeployment', 400, /protocol version/],
  ['PATCH resume', 'unknown', 404, UNKNOWN],
  ['PATCH resume', 'alreadyCompleted', 409, COMPLETED],
  ['PATCH purge', 'applied', 200, /^$/],
  ['PATCH purge', 'notCompleted', 409, NOT_ENDED],
  ['PATCH purge', 'unknown', 404, UNKNOWN],
  ['PATCH purge-journal', 'applied', 200, /^$/],
  ['PATCH purge-journal', 'notCompleted', 409, NOT_ENDED],
  ['PATCH purge-journal', 'unknown', 404, UNKNOWN],
  ['DELETE ?mode=kill', 'unknown', 202, /^$/],
  ['DELETE ?mode=purge', 'notCompleted', 202, /^$/],
  ['DELETE ', 'applied', 202, /^$/],
])('%s when %s: %i', async (request, outcome, status, message) => {
  const { engine, admin } = setUp();
  engine.outcome = outcome;
  const [method = '', rest = ''] = request.split(' ');
  const sent = await ask(admin, method, `/invocations/${INV}${method === 'PATCH' ? '/' : ''}${rest}`);
  expect(sent.status).toBe(status);
  expect(sent.body === '' ? '' : JSON.parse(sent.body).message).toMatch(message);
  expect(engine.asked).toHaveLength(1);
});

test.each<[name: string, outcome: RestartOutcome, status: number, message: RegExp]>([
  ['restarted', { kind: 'restarted', id: NEW }, 200, new RegExp(`^{"new_invocation_id":"${NEW}"}$`)],
  ['bad range', { kind: 'badRange', reason: 'it ends at 3' }, 400, /from there: it ends at 3/],
  ['old protocol', { kind: 'oldProtocol' }, 422, /from=0/],
  ['unknown', { kind: 'refused', outcome: 'unknown' }, 404, /no invocation/],
  ['running', { kind: 'refused', outcome: 'notCompleted' }, 409, NOT_ENDED],
  ['no handler', { kind: 'refused', outcome: 'unknownTarget' }, 409, /register one/],
  ['no journal', { kind: 'refused', outcome: 'journalGone' }, 410, /purged/],
  ['a workflow', { kind: 'refused', outcome: 'isWorkflow' }, 422, /once a key/],
  ['not begun', { kind: 'refused', outcome: 'notStarted' }, 425, WAITS],
  ['no deployment', { kind: 'refused', outcome: 'unknownDeployment' }, 400, /no such deployment/],
  ['another version', { kind: 'refused', outcome: 'incompatibleDeployment' }, 400, /protocol version/],
])('restart-as-new: %s', async (_name, outcome, status, message) => {
  const { engine, admin } = setUp();
  engine.restarted = outcome;
  const sent = await ask(admin, 'PATCH', `/invocations/${INV}/restart-as-new?from=2`);
  expect(sent.status).toBe(status);
  expect(sent.body).toMatch(message);
  expect(engine.asked).toEqual([{ id: INV, from: 2, deployment: 'latest' }]);
});

test.each([
  ['resume', 'resume keep'],
  ['resume?deployment=latest', 'resume latest'],
  [`resume?deployment=${DP}`, `resume ${DP}`],
  // What an operation does not take is not read.
  ['kill?deployment=zzz', 'kill'],
])('choice of %s', async (path, verb) => {
  const { engine, admin } = setUp();
  await ask(admin, 'PATCH', `/v4/invocations/${INV}/${path}`);
  expect(engine.asked).toEqual([[verb, INV]]);
});

test.each([
  ['resume?deployment=', /'deployment'/],
  ['resume?deployment=dp_1', /'deployment'/],
  ['restart-as-new?from=-1', /'from'/],
  ['restart-as-new?from=1.5', /'from'/],
  ['restart-as-new?from=9007199254740993', /'from'/],
])('no choice: %s', async (path, message) => {
  const { engine, admin } = setUp();
  const sent = await ask(admin, 'PATCH', `/invocations/${INV}/${path}`);
  expect([sent.status, engine.asked]).toEqual([400, []]);
  expect(sent.body).toMatch(message);
});

const batch = (name: string): string => `/internal/invocations_batch_operations/${name}`;

test('a batch tells of each invocation once', async () => {
  const { engine, admin } = setUp();
  engine.outcomes.set(NEW, 'alreadyCompleted');
  const body = JSON.stringify({ invocation_ids: [NEW, INV, NEW, INV], deployment: 'latest' });
  const sent = await ask(admin, 'POST', batch('resume?deployment=keep'), body);
  expect([sent.status, JSON.parse(sent.body)]).toEqual([
    200,
    {
      succeeded: [INV],
      failed: [{ invocation_id: NEW, error: expect.stringMatching(COMPLETED) }],
    },
  ]);
  expect(engine.asked).toEqual([
    ['resume latest', NEW],
    ['resume latest', INV],
  ]);
  const restart = await ask(
    admin,
    'POST',
    batch('restart-as-new?deployment=keep&from=3'),
    `{"invocation_ids":["${INV}"]}`,
  );
  expect(JSON.parse(restart.body)).toEqual({
    succeeded: [{ old_invocation_id: INV, new_invocation_id: NEW }],
    failed: [],
  });
  expect(engine.asked.at(-1)).toEqual({ id: INV, from: 3, deployment: 'keep' });
  expect((await ask(admin, 'POST', `/v2${batch('purge')}`, '{"invocation_ids":[]}')).body).toBe(
    '{"succeeded":[],"failed":[]}',
  );
});

test('a batch waits for its last invocation', async () => {
  const { engine, admin } = setUp();
  const held: (() => void)[] = [];
  engine.pause = (id, done) => held.push(() => done(id === INV ? 'applied' : 'notRunning'));
  let answered = false;
  const answer = ask(admin, 'POST', batch('pause'), JSON.stringify({ invocation_ids: [INV, NEW] }));
  answer.then(() => {
    answered = true;
  });
  held[1]?.();
  await Promise.resolve();
  expect(answered).toBe(false);
  held[0]?.();
  expect(JSON.parse((await answer).body)).toMatchObject({
    succeeded: [INV],
    failed: [{ invocation_id: NEW }],
  });
});

test.each<[name: string, body: string, status: number, message: RegExp]>([
  ['a malformed id', `{"invocation_ids":["${INV}","inv_1"]}`, 400, /'invocation_ids'/],
  ['a number', `{"invocation_ids":["${INV}",1]}`, 422, /other than strings/],
  ['no list', '{"invocation_ids":{}}', 422, /no list/],
  ['too many', JSON.stringify({ invocation_ids: new Array(1001).fill(INV) }), 400, /at most 1000/],
  ['a choice it does not take', `{"invocation_ids":["${INV}"],"deployment":"latest"}`, 400, /'deployment'/],
  ['no JSON', '', 422, /cannot read/],
])('a batch with %s does nothing', async (_name, body, status, message) => {
  const { engine, admin } = setUp();
  const sent = await ask(admin, 'POST', batch('kill'), body);
  expect([sent.status, engine.asked]).toEqual([status, []]);
  expect(sent.body).toMatch(message);
});
