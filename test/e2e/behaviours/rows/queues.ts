/** One at a time for each key of an object, in the order of arrival; and the lock of a key is given back. */
import { expect } from 'vitest';
import { until } from '../../harness/index.ts';
import type { Change, Waits } from '../handlers/objects.ts';
import { attempts, interruptedStory, type Play, type Row, type Run, story, usesState } from '../play.ts';

const ADD = attempts(1, { lazy: 2 });
const CANCELLED = { code: 409, message: 'Cancelled' };
const KILLED = { code: 409, message: 'killed' };

const ordered = (how: readonly ('call' | 'send')[]): Row =>
  story(`issued in order, arrived in order: ${how.join(', ')}`, async t => {
    await t.call('Keyed/ordered', { key: t.key(), how }, { result: how.map((_, i) => i) });
  });

const object =
  (t: Play, label?: string) =>
  (handler: string): string =>
    `Counter/${t.key(label)}/${handler}`;

async function letGo(t: Play, holder: Run): Promise<void> {
  await t.stack.ingress.resolveAwakeable(await holder.note('awakeable'), 'go');
}

/** Whoever comes next finds it free. */
const isFree = (t: Play, label?: string) =>
  t.call(object(t, label)('add'), 1, { result: { old: 0, new: 1 } });

const QUEUES: readonly Row[] = [
  ordered(['call', 'call', 'call']),
  ordered(['call', 'send', 'call']),
  ordered(['send', 'call', 'send']),
  ordered(['send', 'send', 'send']),

  interruptedStory('a suspended holder keeps its key, and the others queue', async t => {
    const on = object(t);
    const holder = await t.send(on('hold'), 'awakeable');
    await holder.waits();
    const queue: Run[] = [];
    for (let n = 1; n <= 5; n++) queue.push(await t.send(on('add'), n));
    for (const run of queue) await run.until('pending');
    await t.interrupt();
    // A key of its own for each.
    await isFree(t, 'another');
    for (const run of queue) await run.until('pending');
    await letGo(t, holder);
    await t.expect(holder, { result: 'go', attempts: 2 });
    for (const [i, run] of queue.entries()) {
      const before = (i * (i + 1)) / 2;
      await t.expect(run, { result: { old: before, new: before + i + 1 }, attempts: ADD });
    }
  }),
  story('shared handlers run beside a busy exclusive one', async t => {
    const on = object(t);
    const busy = await t.send(on('busy'));
    await until('it is busy', () => busy.count('busy') > 0);
    const next = await t.send(on('add'), 1);
    await next.until('pending');
    // What it has set is recorded with its answer, or as soon as it is streamed.
    const seen = t.variant.transport === 'http2' ? expect.any(Number) : 0;
    await t.call(on('get'), undefined, { result: seen });
    t.notes.write(busy.id, 'release', 'go');
    await t.expect(busy, { result: { old: 0, new: 1 }, attempts: ADD });
    await t.expect(next, { result: { old: 1, new: 2 }, attempts: ADD });
  }),
  interruptedStory('shared handlers run beside a suspended exclusive one', async t => {
    const on = object(t);
    const holder = await t.send(on('hold'), 'awakeable');
    await holder.waits();
    await t.interrupt();
    await t.call(on('get'), undefined, { result: 0 });
    await letGo(t, holder);
    await t.expect(holder, { result: 'go' });
  }),
  story('20 clients add to one key at once', async t => {
    const add = t.target(object(t)('add'));
    const calls = Array.from({ length: 20 }, () => t.stack.ingress.call<Change>(add, 1));
    const seen = (await Promise.all(calls)).map(({ body }) => body.old);
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  }),
  interruptedStory('one is cancelled in the queue, another one killed', async t => {
    const on = object(t);
    const holder = await t.send(on('hold'), 'awakeable');
    await holder.waits();
    const queue: Run[] = [];
    for (let n = 1; n <= 5; n++) queue.push(await t.send(on('add'), n));
    for (const run of queue) await run.until('pending');
    const [first, second, third, fourth, last] = queue as [Run, Run, Run, Run, Run];
    await t.interrupt();
    expect(await t.operate(second, 'cancel')).toBe(200);
    expect(await t.operate(fourth, 'kill')).toBe(200);
    expect(await t.operate(last, 'cancel')).toBe(200);
    for (const one of [second, fourth, last]) expect(await t.operate(one, 'resume')).toBeGreaterThan(400);
    const newest = await t.send(on('add'), 6);
    await letGo(t, holder);
    await t.expect(first, { result: { old: 0, new: 1 } });
    await t.expect(third, { result: { old: 1, new: 4 } });
    await t.expect(newest, { result: { old: 4, new: 10 } });
    for (const one of [second, fourth, last]) expect(one.count('attempt')).toBe(0);
  }),
  interruptedStory('what ended in the queue is remembered', async t => {
    const on = object(t);
    const holder = await t.send(on('hold'), 'sleep');
    await holder.waits();
    const [cancelled, killed] = [await t.send(on('add'), 1), await t.send(on('add'), 2)];
    for (const run of [cancelled, killed]) await run.until('pending');
    expect(await t.operate(cancelled, 'cancel')).toBe(200);
    expect(await t.operate(killed, 'kill')).toBe(200);
    await t.interrupt();
    await t.expect(cancelled, { failure: { code: 409, message: 'canceled' }, attempts: 0 });
    await t.expect(killed, { failure: KILLED, attempts: 0 });
    expect(await t.operate(holder, 'kill')).toBe(200);
    await isFree(t);
  }),
  interruptedStory('10 sends with a delay', async t => {
    const input = { key: t.key(), count: 10, ms: t.pauseMs };
    const run = await t.send('Keyed/delayedAdds', input);
    await run.until('completed');
    const ids = (await t.attach(run)).body as string[];
    expect(new Set(ids).size).toBe(10);
    if (t.killed) for (const id of ids) await t.run(id).until('scheduled');
    // They wait outside the queue.
    await t.call(object(t)('get'), undefined, { result: t.killed ? 0 : expect.any(Number) });
    await t.interrupt();
    const results = await Promise.all(ids.map(async id => (await t.attach(t.run(id))).body as Change));
    expect(results.map(({ old }) => old).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  }),
  interruptedStory('the delay comes before the queue', async t => {
    const on = object(t);
    const late = await t.send(on('add'), 1, { delayMs: 600_000 });
    await t.interrupt();
    await isFree(t);
    expect(await t.operate(late, 'cancel')).toBe(200);
  }),
];

const IDEMPOTENT: readonly Row[] = [
  story('an object: two calls of a client with one idempotency key', async t => {
    const add = t.target(object(t)('add'));
    const call = () => t.stack.ingress.call(add, 1, { idempotencyKey: t.key() });
    const [first, second] = await Promise.all([call(), call()]);
    expect(first).toMatchObject({ status: 200, body: { old: 0, new: 1 } });
    expect(second).toEqual(first);
    // The key is of this object and handler alone.
    const other = t.target(object(t, 'another')('add'));
    const apart = await t.stack.ingress.call(other, 5, { idempotencyKey: t.key() });
    expect(apart.body).toEqual({ old: 0, new: 5 });
    await t.call(object(t)('get'), undefined, { result: 1 });
  }),
  interruptedStory('an object: two sends of a client with one idempotency key', async t => {
    const add = object(t)('addSlowly');
    const send = () =>
      t.stack.ingress.send(t.target(add), { n: 1, ms: t.pauseMs }, { idempotencyKey: t.key() });
    const first = await send();
    const byKey = (what: string) =>
      t.ingress('GET', `restate/invocation/${t.target(add)}/${t.key()}/${what}`);
    expect((await byKey('output')).status).toBe(470);
    await t.interrupt();
    const second = await send();
    expect([first.status, second.status]).toEqual(['Accepted', 'PreviouslyAccepted']);
    expect(second.invocationId).toBe(first.invocationId);
    const ended = { status: 200, body: { old: 0, new: 1 } };
    expect(await byKey('attach')).toEqual(ended);
    expect(await byKey('output')).toEqual(ended);
    const target = { target: 'idempotentInvocation', service: `${t.services}Counter`, key: t.key() };
    const body = { ...target, handler: 'addSlowly', idempotencyKey: t.key() };
    expect(await t.ingress('POST', 'restate/output', body)).toEqual(ended);
    expect((await t.ingress('POST', 'restate/lookup', body)).body).toEqual({
      invocationId: first.invocationId,
    });
  }),
  story('an object: a call and a send of a handler with one idempotency key', async t => {
    const change = { old: 0, new: 1 };
    await t.call('Keyed/addTwiceWithKey', t.key(), { result: { results: [change, change], ids: 1 } });
    await t.call(object(t)('get'), undefined, { result: 1 });
  }),
  story('an object: generic call and send', async t => {
    await t.call('Keyed/genericAdd', t.key(), { result: { old: 2, new: 5 } });
  }),
];

/** Everything below it, itself included, as far as it is there. */
async function tree(run: Run): Promise<Run[]> {
  const below = await Promise.all((await run.children()).map(tree));
  return [run, ...below.flat()];
}

const freed = (on: Waits, by: 'an operator' | 'a handler'): Row =>
  interruptedStory(`cancelled by ${by} while its callee holds a key and waits for ${on}`, async t => {
    const run = await t.send('Keyed/callHolder', { key: t.key(), on });
    const size = on === 'call' ? 3 : 2;
    await until('all wait', async () => {
      const all = await tree(run);
      return all.length === size;
    });
    for (const one of await tree(run)) await one.waits();
    const next = await t.send(object(t)('add'), 1);
    await next.until('pending');
    await t.interrupt();
    if (by === 'an operator') expect(await t.operate(run, 'cancel')).toBe(202);
    else await t.call('Keyed/cancelThat', run.id, { result: undefined });
    for (const one of await tree(run)) await t.expect(one, { failure: CANCELLED });
    await t.expect(next, { result: { old: 0, new: 1 } });
  });

const LOCKS: readonly Row[] = [
  ...(['sleep', 'call', 'awakeable'] as const).flatMap(on => [
    freed(on, 'an operator'),
    freed(on, 'a handler'),
  ]),
  interruptedStory('a kill of a holder lets the next one run', async t => {
    const on = object(t);
    const holder = await t.send(on('hold'), 'sleep');
    await holder.waits();
    const next = await t.send(on('add'), 1);
    await next.until('pending');
    await t.interrupt();
    expect(await t.operate(holder, 'kill')).toBe(200);
    await t.expect(holder, { failure: KILLED });
    await t.expect(next, { result: { old: 0, new: 1 } });
  }),
  interruptedStory('a kill ends a tree and frees every key in it', async t => {
    const [calls, sends] = [['a', 'b', 'c'].map(label => t.key(label)), t.key('sent')];
    const run = await t.send('Keyed/tree', { calls, sends });
    const all = await until('all of them wait', async () => {
      const found = await tree(run);
      return found.length === 5 && found;
    });
    for (const one of all) await one.waits();
    const queued = await Promise.all([...calls, sends].map(key => t.send(`Counter/${key}/add`, 1)));
    for (const one of queued) await one.until('pending');
    await t.interrupt();
    expect(await t.operate(run, 'kill')).toBe(200);
    for (const one of all) await t.expect(one, { failure: KILLED });
    for (const one of queued) await t.expect(one, { result: { old: 0, new: 1 } });
  }),
];

export const OBJECTS: readonly Row[] = [...QUEUES, ...IDEMPOTENT, ...LOCKS].map(usesState);
