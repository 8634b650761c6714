/** What operators do to invocations and services: pause, resume, restart, purge, in batches; settings. */
import { expect } from 'vitest';
import { until } from '../../harness/index.ts';
import { SUSPENDED, since } from '../dimensions.ts';
import {
  attempts,
  interruptedStory,
  only,
  oursOnly,
  type Play,
  type Row,
  type Run,
  story,
  usesState,
} from '../play.ts';

const RETRIED = 'try 3 succeeded';
const KILLED = { code: 409, message: 'killed' };
/** Also on a stream: a pause ends the first one. */
const TWO = attempts(2, { streamed: 2 });
/** The copy of a prefix draws what was drawn. */
const SEEDED = since(6, 'what is random has a seed that can be handed on since V6');
const UNKNOWN = 'inv_1000000000000000000000000000000001';

/** Its first attempts fail, and it is paused. */
async function paused(t: Play): Promise<Run> {
  const run = await t.send('pausing', 2);
  await run.until('paused');
  return run;
}

const PAUSE: readonly Row[] = [
  interruptedStory('paused while an attempt is under way', async t => {
    const run = await t.send('Keyed/busyFirst');
    await until('it is busy', () => run.count('busy') > 0);
    expect(await t.operate(run, 'pause')).toBe(202);
    await t.interrupt();
    if (t.killed) await until('it is busy again', () => run.count('busy') > 1);
    t.notes.write(run.id, 'release', 'go');
    await run.until('paused');
    expect(await t.operate(run, 'pause')).toBe(200);
    expect(await t.operate(run, 'resume')).toBe(200);
    await t.expect(run, { result: 'done', attempts: TWO, journal: 'Input Run +Run Output' });
    expect(await t.operate(run, 'pause')).toBe(409);
  }),
  interruptedStory('paused while it waits for its retry', async t => {
    const run = await t.send('flakySlowly', 1);
    await run.until('backing-off');
    expect(await t.operate(run, 'pause')).toBe(202);
    await run.until('paused');
    await t.interrupt();
    await run.until('paused');
    expect(await t.operate(run, 'resume')).toBe(200);
    await t.expect(run, { result: 'try 2 succeeded', attempts: TWO });
  }),
  oursOnly(
    only(
      SUSPENDED,
      story('what waits cannot be paused, what runs not be moved', async t => {
        const suspended = await t.send('sleeper', 600_000);
        await suspended.waits();
        expect(await t.operate(suspended, 'pause')).toBe(409);
        const busy = await t.send('busy');
        await until('it is busy', () => busy.count('busy') > 0);
        expect(await t.operate(busy, 'resume')).toBe(200);
        expect(await t.operate(busy, 'resume?deployment=latest')).toBe(409);
        for (const run of [suspended, busy]) expect(await t.operate(run, 'kill')).toBe(200);
        t.notes.write(busy.id, 'release', 'go');
      }),
    ),
  ),
  story('what has not begun, or has ended, cannot be resumed', async t => {
    const scheduled = await t.send('echo', 1, { delayMs: 600_000 });
    expect(await t.operate(scheduled, 'resume')).toBe(425);
    expect(await t.operate(scheduled, 'restart-as-new')).toBe(425);
    expect(await t.operate(scheduled, 'pause')).toBe(409);
    expect(await t.operate(scheduled, 'kill')).toBe(200);
    const ended = await t.call('echo', 1, { result: 1 });
    for (const what of ['cancel', 'kill', 'pause', 'resume']) expect(await t.operate(ended, what)).toBe(409);
    for (const what of ['cancel', 'kill', 'pause', 'resume', 'restart-as-new', 'purge', 'purge-journal']) {
      expect(await t.operate(t.run(UNKNOWN), what)).toBe(404);
    }
  }),
  interruptedStory('what comes while it is paused is there when it is resumed', async t => {
    const run = await t.send('Keyed/busyAwakeable');
    const awakeable = await run.note('awakeable');
    await until('it is busy', () => run.count('busy') > 0);
    expect(await t.operate(run, 'pause')).toBe(202);
    t.notes.write(run.id, 'release', 'go');
    await run.until('paused');
    await t.stack.ingress.resolveAwakeable(awakeable, 'while it was paused');
    await t.interrupt();
    await run.until('paused');
    expect(await t.operate(run, 'resume')).toBe(200);
    await t.expect(run, { result: 'while it was paused', attempts: TWO, journal: 'Input +Signal Output' });
  }),
];

const source = (run: Run) => ({ invoked_by: 'restart_as_new', restarted_from: run.id });
const DRAWN = 'Input Run +Run Sleep +Sleep Run +Run Output';

interface Drawn {
  readonly first: string;
  readonly second: string;
  readonly drawn: readonly string[];
}

const RESTART: readonly Row[] = [
  interruptedStory('restarted from its input', async t => {
    const run = await t.send('Keyed/drawn', t.pauseMs);
    await t.interrupt();
    const before = (await t.attach(run)).body as Drawn;
    const again = await t.restart(run);
    expect(again.id).not.toBe(run.id);
    const after = (await t.attach(again)).body as Drawn;
    expect(after).toMatchObject({ first: `first of ${again.id}`, second: `second of ${again.id}` });
    for (const drawn of after.drawn) expect(before.drawn).not.toContain(drawn);
    expect([await run.journal(), await again.journal()]).toEqual([DRAWN, DRAWN]);
    expect(await again.view()).toMatchObject(source(run));
    // The first one is still what it was.
    await t.expect(run, { result: before });
  }),
  only(
    SEEDED,
    interruptedStory('restarted from a step, with what was recorded before it', async t => {
      const run = await t.send('Keyed/drawn', t.killed ? 10 : t.pauseMs);
      const before = (await t.attach(run)).body as Drawn;
      await t.interrupt();
      // Input Run +Run: the first step is kept.
      const again = await t.restart(run, '?from=2');
      const result = expect.objectContaining({ first: before.first, second: `second of ${again.id}` });
      await t.expect(again, { result, journal: DRAWN });
      expect(['first', 'second'].map(step => again.count(step))).toEqual([0, 1]);
      expect(await again.view()).toMatchObject(source(run));
      // Up to the second Run, whose result came after it.
      const last = await t.restart(run, '?from=5');
      const { first, second } = before;
      await t.expect(last, { result: expect.objectContaining({ first, second }), journal: DRAWN });
      expect(['first', 'second'].map(step => last.count(step))).toEqual([0, 0]);
      expect(await t.operate(run, 'restart-as-new?from=100')).toBe(400);
    }),
  ),
  oursOnly(
    only(
      SEEDED,
      story('restarted from a step, it draws what was drawn before', async t => {
        const run = await t.send('Keyed/drawn', 10);
        const { drawn } = (await t.attach(run)).body as Drawn;
        for (const from of [2, 5]) {
          const again = await t.restart(run, `?from=${from}`);
          await t.expect(again, { result: expect.objectContaining({ drawn }) });
        }
        // From its end there is nothing left to run.
        expect(await t.operate(run, 'restart-as-new?from=7')).toBe(400);
      }),
    ),
  ),
  usesState(
    story('an object is restarted behind what has its key', async t => {
      const on = (handler: string) => `Counter/${t.key()}/${handler}`;
      const run = await t.call(on('add'), 1, { result: { old: 0, new: 1 } });
      const holder = await t.send(on('hold'), 'awakeable');
      await holder.waits();
      const again = await t.restart(run);
      await again.until('pending');
      await t.stack.ingress.resolveAwakeable(await holder.note('awakeable'), 'go');
      await t.expect(again, { result: { old: 1, new: 2 } });
    }),
  ),
  story('what cannot be restarted', async t => {
    const holder = await t.send('awaitAwakeable');
    await holder.waits();
    expect(await t.operate(holder, 'restart-as-new')).toBe(409);
    await t.operate(holder, 'kill');
    await t.expect(holder, { failure: KILLED });
    const workflow = await t.send(`Flow/${t.key()}/run`, 1);
    await t.call(`Flow/${t.key()}/approve`, 1, { result: 'given' });
    await t.expect(workflow, { result: expect.anything() });
    expect(await t.operate(workflow, 'restart-as-new')).toBe(422);
    const run = await t.call('echo', 1, { result: 1 });
    expect(await t.operate(run, 'restart-as-new?deployment=dp_11111111111111111111111')).toBe(400);
    expect(await t.operate(run, 'purge-journal')).toBe(200);
    expect(await t.operate(run, 'restart-as-new')).toBe(410);
  }),
];

const PURGE: readonly Row[] = [
  interruptedStory('purged: nothing is left of it', async t => {
    const key = t.key();
    const call = () => t.stack.ingress.call(t.target('counted'), key, { idempotencyKey: key });
    const first = await call();
    const run = t.run(first.id ?? '');
    expect(await t.operate(run, 'purge')).toBe(200);
    await t.interrupt();
    expect(await t.stack.admin.invocation(run.id)).toBeUndefined();
    expect((await t.attach(run)).status).toBe(404);
    expect((await t.ingress('GET', `restate/output/${run.id}`)).status).toBe(404);
    expect(await t.operate(run, 'purge')).toBe(404);
    const again = await call();
    expect([again.id, again.body]).toEqual([first.id, 2]);
  }),
  interruptedStory('its journal is purged, its result is kept', async t => {
    const run = await t.call('runOnce', 1, { result: 1 });
    expect(await t.operate(run, 'purge-journal')).toBe(200);
    await t.interrupt();
    await t.expect(run, { result: 1, journal: '' });
    expect(await t.operate(run, 'purge-journal')).toBe(200);
  }),
  usesState(
    interruptedStory('a purged workflow runs again', async t => {
      const on = (handler: string) => `Flow/${t.key()}/${handler}`;
      const run = await t.send(on('run'), 1);
      await t.call(on('approve'), 'first', { result: 'given' });
      await t.expect(run, { result: { input: 1, approval: 'first' } });
      expect(await t.operate(run, 'purge')).toBe(200);
      await t.interrupt();
      await t.call(on('status'), undefined, { result: [t.key(), null] });
      await t.call(on('peek'), undefined, { result: { is: 'nothing' } });
      const again = await t.send(on('run'), 2);
      expect(again.id).toBe(run.id);
      await t.call(on('approve'), 'second', { result: 'given' });
      await t.expect(again, { result: { input: 2, approval: 'second' } });
    }),
  ),
  story('what has not ended is not purged', async t => {
    const run = await t.send('awaitAwakeable');
    for (const what of ['purge', 'purge-journal']) expect(await t.operate(run, what)).toBe(409);
    await t.stack.ingress.resolveAwakeable(await run.note('awakeable'), 1);
    await t.expect(run, { result: { value: 1 } });
  }),
];

/** As a batch of `restart-as-new` tells it. */
interface Restarted {
  readonly old_invocation_id: string;
  readonly new_invocation_id: string;
}

/** All of them succeed, and what is unknown fails. */
async function batch(t: Play, operation: string, runs: readonly Run[]): Promise<void> {
  const ids = runs.map(({ id }) => id);
  const path = `internal/invocations_batch_operations/${operation}`;
  const { status, body } = await t.admin('POST', path, { invocation_ids: [...ids, UNKNOWN] });
  const answer = body as { succeeded: (string | Restarted)[]; failed: unknown };
  const succeeded = answer.succeeded.map(one => (typeof one === 'string' ? one : one.old_invocation_id));
  const isRestart = operation === 'restart-as-new';
  expect(answer.succeeded.every(one => (typeof one === 'object') === isRestart)).toBe(true);
  expect({ status, succeeded: succeeded.toSorted(), failed: answer.failed }).toEqual({
    status: 200,
    succeeded: ids.toSorted(),
    failed: [{ invocation_id: UNKNOWN, error: expect.any(String) }],
  });
}

const BATCHES: readonly Row[] = [
  interruptedStory('a batch is cancelled', async t => {
    const runs = await Promise.all(['a', 'b', 'c'].map(() => t.send('sleeper', 600_000)));
    for (const run of runs) await run.waits();
    await t.interrupt();
    await batch(t, 'cancel', runs);
    for (const run of runs) await t.expect(run, { failure: { code: 409, message: 'Cancelled' } });
  }),
  interruptedStory('a batch is resumed, restarted and purged', async t => {
    const runs = await Promise.all(['a', 'b', 'c'].map(() => paused(t)));
    await batch(t, 'pause', runs);
    await t.interrupt();
    await batch(t, 'resume', runs);
    for (const run of runs) await t.expect(run, { result: RETRIED });
    await batch(t, 'restart-as-new', runs);
    await batch(t, 'purge-journal', runs);
    for (const run of runs) await t.expect(run, { result: RETRIED, journal: '' });
    await batch(t, 'purge', runs);
    for (const run of runs) expect((await t.attach(run)).status).toBe(404);
  }),
  interruptedStory('a batch is killed', async t => {
    const runs = await Promise.all(['a', 'b', 'c'].map(() => t.send('sleeper', 600_000)));
    for (const run of runs) await run.waits();
    await t.interrupt();
    await batch(t, 'kill', runs);
    for (const run of runs) await t.expect(run, { failure: KILLED });
  }),
];

const SETTINGS: readonly Row[] = [
  interruptedStory('a service is made private, and public again', async t => {
    const service = `${t.services}Settings${t.killed ? 'Killed' : ''}`;
    const settings = (change: object) => t.admin('PATCH', `services/${service}`, change);
    const call = () => t.stack.ingress.call(`${service}/counted`, t.key(), { idempotencyKey: t.key() });
    expect(await settings({ public: false })).toMatchObject({ status: 200, body: { public: false } });
    await t.interrupt();
    expect(await call()).toMatchObject({ status: 400, body: { source: 'ingress' } });
    expect(
      await settings({ public: true, idempotency_retention: '0s', journal_retention: '0s' }),
    ).toMatchObject({
      status: 200,
      body: { public: true, idempotency_retention: '0s' },
    });
    expect([(await call()).body, (await call()).body]).toEqual([1, 2]);
    expect((await settings({ workflow_completion_retention: '1h' })).status).toBe(400);
    expect((await settings({ idempotency_retention: 'soon' })).status).toBeGreaterThanOrEqual(400);
  }),
  oursOnly(
    story('retries are bounded by an operator', async t => {
      const service = `${t.services}Retries`;
      const retry_policy = { max_attempts: 2, initial_interval: '10ms', on_max_attempts: 'Kill' };
      expect((await t.admin('PATCH', `services/${service}`, { retry_policy })).status).toBe(200);
      const failure = { code: 500, message: 'try 2' };
      await t.call('Retries/flaky', undefined, { failure });
    }),
  ),
  story('the APIs describe themselves', async t => {
    for (const path of [
      'openapi',
      `services/${t.services}/openapi`,
      `services/${t.services}Counter/openapi`,
    ]) {
      const { status, body } = await t.admin('GET', path);
      expect({ path, status }).toEqual({ path, status: 200 });
      expect(body).toMatchObject({ openapi: expect.stringMatching(/^3\.1/), paths: expect.anything() });
    }
  }),
];

export const OPERATIONS: readonly Row[] = [...PAUSE, ...RESTART, ...PURGE, ...BATCHES, ...SETTINGS];
