import { expect } from 'vitest';
import { until } from '../../harness/index.ts';
import { METADATA } from '../dimensions.ts';
import { interruptedStory, only, type Row, type Run, refusal, simple, story } from '../play.ts';
import { privateServiceOf } from '../sdk.ts';
import { lateService } from '../versions.ts';

const CALL = 'Input Call +CallInvocationId +Call Output';
const SEND = 'Input OneWayCall +CallInvocationId Output';
const notBefore = (dueAt: number) => (at: number) => expect(at).toBeGreaterThanOrEqual(dueAt);
const ERROR = { message: 'no such book', code: 404, metadata: { isbn: '0' } };

const childrenEnded = async (run: Run) => {
  for (const child of await run.children()) await child.until('completed');
};

export const CALLS: readonly Row[] = [
  simple({
    name: 'call',
    handler: 'call',
    input: { deep: ['value'] },
    expected: { result: { deep: ['value'] }, attempts: 2, journal: CALL },
  }),
  simple({
    name: 'call with a megabyte',
    handler: 'call',
    input: 'x'.repeat(1024 * 1024),
    expected: { result: 'x'.repeat(1024 * 1024), attempts: 2, journal: CALL },
  }),
  simple({
    name: 'call without input and output',
    handler: 'callNothing',
    expected: { result: 'undefined', attempts: 2, journal: CALL },
  }),
  interruptedStory('call of a slow callee', async t => {
    const run = await t.send('callSlow', t.pauseMs);
    if (t.killed) await run.waits();
    await t.interrupt();
    const { body } = await t.attach(run);
    await t.expect(run, { result: body, attempts: 2, journal: CALL });
    const [callee] = await run.children();
    if (callee === undefined) throw new Error('there is no callee');
    await t.expect(callee, { result: body, attempts: 2, journal: 'Input Sleep +Sleep Output' });
    expect(await callee.view()).toMatchObject({ invoked_by: 'service', invoked_by_id: run.id });
  }),
  simple({
    name: 'call of a handler of the other SDK',
    handler: 'callOtherSdk',
    input: { from: 'here' },
    expected: { result: { from: 'here' }, attempts: 2, journal: CALL },
  }),
  simple({
    name: 'calls three deep',
    handler: 'chain',
    input: 3,
    expected: { result: '3>2>1>bottom', attempts: 2, journal: CALL },
  }),
  simple({
    name: '10 calls at once',
    handler: 'fanOut',
    input: { count: 10, ms: 0 },
    expected: { result: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] },
  }),
  simple({
    name: '10 slow calls at once',
    handler: 'fanOut',
    input: t => ({ count: 10, ms: t.pauseMs }),
    waits: 'suspended',
    expected: { result: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] },
  }),
  simple({
    name: 'headers of a call',
    handler: 'callWithHeaders',
    expected: { result: expect.objectContaining({ custom: 'from a handler' }), attempts: 2 },
  }),
  only(
    METADATA,
    simple({
      name: 'a terminal error of a callee is caught',
      handler: 'callTerminal',
      input: ERROR,
      expected: { result: { name: 'TerminalError', ...ERROR }, attempts: 2, journal: CALL },
    }),
  ),
  only(
    METADATA,
    simple({
      name: 'a terminal error of a callee reaches the caller',
      handler: 'callTerminal',
      input: { ...ERROR, rethrow: true },
      expected: { failure: ERROR, attempts: 2, journal: CALL },
    }),
  ),
  simple({
    name: 'generic call',
    handler: 'genericCall',
    input: 'x',
    expected: { result: 'x', attempts: 2, journal: CALL },
  }),
  simple({
    name: 'generic call with bytes',
    handler: 'genericBytes',
    expected: { result: [0, 255, 128], attempts: 2, journal: CALL },
  }),
  simple({
    name: 'generic send, attached to',
    handler: 'genericSend',
    input: 'y',
    expected: {
      result: 'y',
      attempts: 3,
      journal: 'Input OneWayCall +CallInvocationId AttachInvocation +AttachInvocation Output',
    },
  }),

  story('send', async t => {
    const run = await t.send('send', 'sent');
    await t.expect(run, { result: expect.stringMatching(/^inv_1/), attempts: 2, journal: SEND });
    const [callee] = await run.children();
    if (callee === undefined) throw new Error('there is no callee');
    expect((await t.attach(run)).body).toBe(callee.id);
    await t.expect(callee, { result: 'sent', attempts: 1 });
  }),
  interruptedStory('a delayed send starts when its delay has passed', async t => {
    const run = await t.send('sendLater', t.pauseMs);
    await run.until('completed');
    const { sentAt, id } = (await t.attach(run)).body as { sentAt: number; id: string };
    const callee = t.run(id);
    if (t.killed) await callee.until('scheduled');
    await t.interrupt();
    const dueAt = await run.dueAt();
    expect(dueAt).toBeGreaterThanOrEqual(sentAt + t.pauseMs);
    await t.expect(callee, { attempts: 1, result: notBefore(dueAt) });
  }),
  interruptedStory('a delayed send of a client starts when its delay has passed', async t => {
    const sentAt = Date.now();
    const path = `restate/send/${t.target('startedAt')}?delay=${t.pauseMs}ms`;
    const sent = await fetch(`${t.stack.ingress.url}/${path}`, { method: 'POST' });
    const { invocationId, executionTime } = (await sent.json()) as Record<string, string>;
    const run = t.run(invocationId ?? '');
    if (t.killed) await run.until('scheduled');
    await t.interrupt();
    const dueAt = Date.parse(executionTime ?? '');
    expect(dueAt).toBeGreaterThanOrEqual(sentAt + t.pauseMs);
    await t.expect(run, { attempts: 1, result: notBefore(dueAt) });
  }),
  simple({
    name: 'attach from a handler',
    handler: 'sendAndAttach',
    input: t => t.pauseMs,
    waits: 'suspended',
    expected: {
      result: expect.stringMatching(/^inv_1/),
      attempts: 3,
      journal: 'Input OneWayCall +CallInvocationId AttachInvocation +AttachInvocation Output',
    },
  }),

  story('two calls of a handler with one idempotency key', async t => {
    const key = t.key();
    const run = await t.call('callTwiceWithKey', key, { result: { results: [1, 1], sameId: true } });
    await childrenEnded(run);
    expect(t.notes.count(key, 'counted')).toBe(1);
  }),
  story('two sends of a handler with one idempotency key', async t => {
    const key = t.key();
    const run = await t.call('sendTwiceWithKey', key, { result: { result: 1, sameId: true } });
    await childrenEnded(run);
    expect(t.notes.count(key, 'counted')).toBe(1);
  }),
  story('two calls of a client with one idempotency key', async t => {
    const key = t.key();
    const call = () => t.stack.ingress.call(t.target('counted'), key, { idempotencyKey: key });
    const [first, second] = await Promise.all([call(), call()]);
    expect(first).toMatchObject({ status: 200, body: 1 });
    expect(second).toEqual(first);
    expect(await call()).toEqual(first);
    const other = await t.stack.ingress.call(t.target('counted'), key, { idempotencyKey: `${key}2` });
    expect(other.body).toBe(2);
  }),
  story('an idempotency key is forgotten after its retention', async t => {
    const key = t.key();
    const call = () => t.stack.ingress.call(t.target('countedBriefly'), key, { idempotencyKey: key });
    const first = await call();
    const repeated = await call();
    expect([first.body, repeated.body]).toEqual([1, 1]);
    await until('it runs again', async () => (await call()).body === 2);
  }),
  interruptedStory('a call whose connection broke is repeated with its key', async t => {
    const options = { idempotencyKey: t.key() };
    const call = () => t.stack.ingress.call(t.target('sleeper'), t.pauseMs, options);
    const broken = call().then(
      () => 'answered',
      () => 'broken',
    );
    const run = t.run((await t.stack.ingress.send(t.target('sleeper'), 0, options)).invocationId);
    if (t.killed) await run.waits();
    await t.interrupt();
    expect((await call()).id).toBe(run.id);
    expect(await broken).toBe(t.killed ? 'broken' : 'answered');
    await t.expect(run, { result: expect.any(Number), attempts: 2, journal: 'Input Sleep +Sleep Output' });
  }),
  interruptedStory('two sends of a client with one idempotency key', async t => {
    const key = t.key();
    const send = () => t.stack.ingress.send(t.target('sleeper'), t.pauseMs, { idempotencyKey: key });
    const first = await send();
    await t.interrupt();
    const second = await send();
    expect([first.status, second.status]).toEqual(['Accepted', 'PreviouslyAccepted']);
    expect(second.invocationId).toBe(first.invocationId);
    const run = t.run(first.invocationId);
    await t.expect(run, { result: expect.any(Number), attempts: 2 });
    const { url } = t.stack.ingress;
    const byKey = await fetch(`${url}/restate/invocation/${t.target('sleeper')}/${key}/output`);
    expect([byKey.status, await byKey.json()]).toEqual([200, (await t.attach(run)).body]);
  }),
  interruptedStory('the output is there when it is ready', async t => {
    const run = await t.send('sleeper', t.pauseMs);
    const output = () => fetch(`${t.stack.ingress.url}/restate/output/${run.id}`);
    expect((await output()).status).toBe(470);
    await t.interrupt();
    const { body } = await t.attach(run);
    const ready = await output();
    expect([ready.status, await ready.json()]).toEqual([200, body]);
  }),

  interruptedStory('a call of what is not registered waits for it', async t => {
    const late = lateService(t.sdk, t.killed);
    const run = await t.send('callUnknown', late);
    await run.until('backing-off');
    expect((await run.view()).last_failure).toMatchObject({ error_code: 'RT0018' });
    expect(await run.journal()).toBe('Input');
    await t.interrupt();
    await t.stack.register(`late-${late}`);
    await t.expect(run, { result: 'at last', journal: CALL });
  }),
  story('a private service is for handlers only', async t => {
    const target = `${privateServiceOf(t.services)}/secret`;
    expect(await t.stack.ingress.call(target)).toMatchObject({ status: 400, body: { source: 'ingress' } });
    expect(await refusal(t.stack.ingress.send(target))).toMatchObject({ status: 400 });
    await t.call('callPrivate', undefined, { result: 'secret', attempts: 2, journal: CALL });
  }),
];
