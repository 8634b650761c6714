/** Workflows: one run for each key, with promises that its other handlers settle. */
import { expect } from 'vitest';
import { until } from '../../harness/index.ts';
import {
  attempts,
  interruptedStory,
  type Play,
  type Row,
  type Run,
  refusal,
  story,
  usesState,
} from '../play.ts';

const RUN = 'Input SetState GetPromise +GetPromise SetState Output';
const RUN_BEFORE = { code: 409, message: 'the workflow method was already invoked' };
const COMPLETED = { name: 'TerminalError', code: 409, message: 'promise was already completed' };

const on =
  (t: Play, flow = 'Flow') =>
  (handler: string): string =>
    `${flow}/${t.key()}/${handler}`;

const begun = async (t: Play, input: unknown = 'begun'): Promise<Run> => {
  const run = await t.send(on(t)('run'), input);
  await until('it waits for its approval', async () => (await run.journal()).endsWith('GetPromise'));
  await run.waits();
  return run;
};

const approve = (t: Play, value: unknown) =>
  t.call(on(t)('approve'), value, { result: 'given', attempts: 2 });

const ofKey = (t: Play, what: 'attach' | 'output', flow = 'Flow') =>
  t.ingress('GET', `restate/workflow/${t.services}${flow}/${t.key()}/${what}`);

const ended = (approval: unknown, input: unknown = 'begun') => ({ input, approval });

const RUNS: readonly Row[] = [
  interruptedStory('a workflow: a promise lets the run go on', async t => {
    const run = await begun(t, { order: 1 });
    await t.call(on(t)('peek'), undefined, { result: { is: 'nothing' }, attempts: 2 });
    await t.call(on(t)('status'), undefined, {
      result: [t.key(), 'waiting'],
      attempts: attempts(1, { lazy: 2 }),
    });
    expect((await ofKey(t, 'output')).status).toBe(470);
    await t.interrupt();
    await approve(t, { yes: true });
    const result = ended({ yes: true }, { order: 1 });
    await t.expect(run, { result, attempts: 2, journal: RUN });
    for (const what of ['attach', 'output', 'output'] as const) {
      expect(await ofKey(t, what)).toEqual({ status: 200, body: result });
    }
    await t.call(on(t)('status'), undefined, { result: [t.key(), 'approved'] });
    await t.call(on(t)('peek'), undefined, { result: { is: { yes: true } } });
    await t.call(on(t)('wait'), undefined, { result: { yes: true } });
  }),
  interruptedStory('a workflow runs once for each key', async t => {
    const run = await begun(t);
    const again = () => t.stack.ingress.send(t.target(on(t)('run')), 'again');
    const previous = { invocationId: run.id, status: 'PreviouslyAccepted' };
    expect(await again()).toMatchObject(previous);
    await t.call(on(t)('run'), 'again', { failure: RUN_BEFORE });
    await t.interrupt();
    expect(await again()).toMatchObject(previous);
    await approve(t, 'yes');
    await t.expect(run, { result: ended('yes') });
    expect(await again()).toMatchObject(previous);
    await t.call(on(t)('run'), 'again', { failure: RUN_BEFORE });
    if (!t.killed) expect(t.notes.count(t.key(), 'run')).toBe(t.attempts(attempts(2, { lazy: 2 })));
  }),
  story('a workflow: its key takes the place of an idempotency key', async t => {
    const options = { idempotencyKey: 'x' };
    expect((await t.stack.ingress.call(t.target(on(t)('run')), 1, options)).status).toBe(400);
    expect(await refusal(t.stack.ingress.send(t.target(on(t)('run')), 1, options))).toMatchObject({
      status: 400,
    });
  }),
  interruptedStory('a workflow: its promise is settled before it runs', async t => {
    await t.call(on(t)('status'), undefined, { result: [t.key(), null] });
    await approve(t, 'early');
    await t.call(on(t)('peek'), undefined, { result: { is: 'early' } });
    await t.interrupt();
    await t.call(on(t)('run'), 'late', { result: ended('early', 'late'), attempts: 2, journal: RUN });
  }),
  interruptedStory('a workflow: a rejected promise fails the run', async t => {
    const run = await begun(t);
    await t.interrupt();
    await t.call(on(t)('refuse'), 'too dear', { result: 'refused' });
    const failure = { code: 500, message: 'too dear' };
    await t.expect(run, { failure });
    expect(await ofKey(t, 'output')).toMatchObject({ status: 500, body: failure });
    const shown = { name: 'TerminalError', ...failure };
    await t.call(on(t)('peek'), undefined, { result: shown });
    await t.call(on(t)('wait'), undefined, { result: shown });
    await t.call(on(t)('status'), undefined, { result: [t.key(), 'waiting'] });
  }),
  story('a workflow: a promise is settled once', async t => {
    const run = await begun(t);
    await t.call(on(t)('approveTwice'), undefined, {
      result: { again: COMPLETED, refused: COMPLETED, is: 'first' },
      attempts: 5,
    });
    await t.expect(run, { result: ended('first') });
  }),
  interruptedStory('a workflow: all who wait for a promise get it', async t => {
    const run = await begun(t);
    const waiting = [await t.send(on(t)('wait')), await t.send(on(t)('wait'))];
    const racing = await t.send(on(t)('waitWithTimeout'), 600_000);
    for (const one of [...waiting, racing]) await one.waits();
    await t.interrupt();
    await approve(t, 'for all');
    for (const one of [...waiting, racing]) await t.expect(one, { result: 'for all', attempts: 2 });
    await t.expect(run, { result: ended('for all') });
  }),
  story('a workflow: a sleep wins over a promise', async t => {
    await t.call(on(t)('waitWithTimeout'), 20, { result: 'too late', attempts: 2 });
    await approve(t, 'still');
    await t.call(on(t)('peek'), undefined, { result: { is: 'still' } });
  }),
  story('a workflow is addressed in JSON', async t => {
    const target = { target: 'workflow', workflowName: `${t.services}Flow`, workflowKey: t.key() };
    expect((await ofKey(t, 'output')).status).toBe(404);
    expect((await ofKey(t, 'attach')).status).toBe(404);
    const { body } = await t.ingress('POST', 'restate/lookup', target);
    const run = await begun(t);
    expect(body).toEqual({ invocationId: run.id });
    expect((await t.ingress('POST', 'restate/output', target)).status).toBe(470);
    const attached = t.ingress('POST', 'restate/attach', target);
    await approve(t, 1);
    expect(await attached).toEqual({ status: 200, body: ended(1) });
    expect(await t.ingress('POST', 'restate/output', target)).toEqual({ status: 200, body: ended(1) });
  }),
  interruptedStory('a cancelled workflow', async t => {
    const run = await begun(t);
    await t.interrupt();
    expect(await t.operate(run, 'cancel')).toBe(202);
    await t.expect(run, { failure: { code: 409, message: 'Cancelled' } });
    // Its promise can still be settled, and its state be read.
    await approve(t, 'late');
    await t.call(on(t)('status'), undefined, { result: [t.key(), 'waiting'] });
    await t.call(on(t)('run'), 'again', { failure: RUN_BEFORE });
  }),
];

const FROM_HANDLERS: readonly Row[] = [
  interruptedStory('a workflow is called by a handler, once', async t => {
    const caller = await t.send('Keyed/runFlow', t.key());
    await caller.waits();
    const [run] = await until('it has begun', async () => {
      const children = await caller.children();
      return children.length > 0 && children;
    });
    await run?.waits();
    const refused = { name: 'TerminalError', code: 409, message: expect.stringContaining('already') };
    await t.call('Keyed/runFlow', t.key(), { result: refused });
    const attached = await t.send('Keyed/attachTo', run?.id);
    await attached.waits();
    await t.interrupt();
    await approve(t, 'yes');
    await t.expect(caller, { result: ended('yes', 'from a handler') });
    await t.expect(attached, { result: ended('yes', 'from a handler') });
    await t.call('Keyed/attachTo', run?.id, { result: ended('yes', 'from a handler') });
  }),
  story('a workflow is sent by a handler, and attached to', async t => {
    const result = ended('by the same handler', 'submitted');
    await t.call('Keyed/submitFlow', t.key(), { result: { sameId: true, result } });
  }),
  interruptedStory('the retention of a workflow ends', async t => {
    const flow = on(t, 'BriefFlow');
    const first = await t.send(flow('run'), 1);
    await first.waits();
    await t.interrupt();
    await t.call(flow('approve'), 'first', { result: 'given' });
    expect(await ofKey(t, 'attach', 'BriefFlow')).toEqual({ status: 200, body: ended('first', 1) });
    await until('it is forgotten', async () => (await ofKey(t, 'output', 'BriefFlow')).status === 404);
    expect((await t.stack.ingress.attach(first.id)).status).toBe(404);
    await t.call(flow('status'), undefined, { result: [t.key(), null] });
    await t.call(flow('peek'), undefined, { result: { is: 'nothing' } });
    const second = await t.send(flow('run'), 2);
    expect(second.id).toBe(first.id);
    await t.call(flow('approve'), 'second', { result: 'given' });
    await t.expect(second, { result: ended('second', 2) });
  }),
];

export const WORKFLOWS: readonly Row[] = [...RUNS, ...FROM_HANDLERS].map(usesState);
