/** State of virtual objects. */
import { expect } from 'vitest';
import { until } from '../../harness/index.ts';
import {
  attempts,
  interruptedStory,
  oursOnly,
  type Play,
  type Row,
  simple,
  story,
  usesState,
} from '../play.ts';

const on =
  (t: Play, label?: string) =>
  (handler: string): string =>
    `Counter/${t.key(label)}/${handler}`;

const READS = { eager: 'GetEagerState', lazy: 'GetLazyState +GetLazyState' } as const;
const READ_ONCE = attempts(1, { lazy: 2 });

const result = async (t: Play, handler: string, input?: unknown): Promise<unknown> =>
  (await t.stack.ingress.call(t.target(handler), input)).body;

const json = (value: unknown): number[] => [...Buffer.from(JSON.stringify(value))];

const patch = (t: Play, key: string, newState: object, version?: string) =>
  t.admin('POST', `services/${t.services}Counter/state`, {
    object_key: key,
    new_state: newState,
    ...(version === undefined ? {} : { version }),
  });

const PATCHES: readonly Row[] = [
  story('state is replaced by an operator', async t => {
    const on = (handler: string) => `Counter/${t.key()}/${handler}`;
    await t.call(on('fill'), { count: 1, other: 2 }, { result: expect.anything() });
    expect((await patch(t, t.key(), { count: json(40) })).status).toBe(202);
    await until('it is seen', async () => (await result(t, on('get'))) === 40);
    await t.call(on('keys'), undefined, { result: ['count'] });
    await t.call(on('add'), 2, { result: { old: 40, new: 42 } });
  }),
  story('state of an older version is not replaced', async t => {
    const on = (handler: string) => `Counter/${t.key()}/${handler}`;
    await t.call(on('add'), 1, { result: { old: 0, new: 1 } });
    expect((await patch(t, t.key(), { count: json(40) }, '0000000000000000')).status).toBe(202);
    // What comes after it shows that it has had its turn.
    expect((await patch(t, t.key('other'), { count: json(5) })).status).toBe(202);
    await until(
      'the other one is seen',
      async () => (await result(t, `Counter/${t.key('other')}/get`)) === 5,
    );
    await t.call(on('add'), 1, { result: { old: 1, new: 2 } });
  }),
  oursOnly(
    story('state of the version that was read is replaced once', async t => {
      const on = (handler: string) => `Counter/${t.key()}/${handler}`;
      await t.call(on('add'), 1, { result: { old: 0, new: 1 } });
      const read = await t.admin('GET', `services/${t.services}Counter/state?key=${t.key()}`);
      expect(read).toMatchObject({ status: 200, body: { state: { count: json(1) } } });
      const { version } = read.body as { version: string };
      expect((await patch(t, t.key(), { count: json(10) }, version)).status).toBe(202);
      expect((await patch(t, t.key(), { count: json(20) }, version)).status).toBe(202);
      await t.call(on('add'), 1, { result: { old: 10, new: 11 } });
    }),
  ),
  interruptedStory('state is replaced when its holder has ended', async t => {
    const on = (handler: string) => `Counter/${t.key()}/${handler}`;
    await t.call(on('add'), 1, { result: { old: 0, new: 1 } });
    const holder = await t.send(on('hold'), 'awakeable');
    await holder.waits();
    const next = await t.send(on('add'), 1);
    await next.until('pending');
    expect((await patch(t, t.key(), { count: json(40) })).status).toBe(202);
    await t.interrupt();
    await t.call(on('get'), undefined, { result: 1 });
    await t.stack.ingress.resolveAwakeable(await holder.note('awakeable'), 'go');
    await t.expect(next, { result: { old: 40, new: 41 } });
  }),
  story('a plain service has no state', async t => {
    const body = { object_key: 'x', new_state: { a: [1] } };
    expect((await t.admin('POST', `services/${t.services}/state`, body)).status).toBe(400);
    expect((await t.admin('POST', `services/${t.services}Nothing/state`, body)).status).toBe(404);
  }),
];

const COUNTERS: readonly Row[] = [
  story('state: read, modify, write', async t => {
    const journal = `Input ${READS[t.variant.state]} SetState Output`;
    const rest = { attempts: READ_ONCE, journal };
    await t.call(on(t)('add'), 5, { result: { old: 0, new: 5 }, ...rest });
    await t.call(on(t)('add'), 7, { result: { old: 5, new: 12 }, ...rest });
    await t.call(on(t)('get'), undefined, { result: 12, attempts: READ_ONCE });
    await t.call(on(t, 'another')('get'), undefined, { result: 0 });
  }),
  story('state: keys, and all are cleared of this object alone', async t => {
    const another = on(t, 'another');
    const values = { count: 1, b: null, c: { deep: ['x'] }, ключ: '' };
    const keys = ['b', 'c', 'count', 'ключ'];
    await t.call(on(t)('fill'), values, { result: { keys, count: 1 } });
    await t.call(another('fill'), values, { result: { keys, count: 1 } });
    await t.call(on(t)('keys'), undefined, { result: keys });
    await t.call(on(t)('read'), 'c', { result: { deep: ['x'] } });
    // With eager state the official SDK lists it until the end of the attempt.
    const listed = t.sdk === 'Official' && t.variant.state === 'eager' ? keys : ['b', 'count', 'ключ'];
    await t.call(on(t)('clear'), 'c', { result: { value: null, keys: listed } });
    await t.call(on(t)('keys'), undefined, { result: ['b', 'count', 'ключ'] });
    const left = { keys: ['b', 'count', 'ключ'], left: [], count: null };
    await t.call(on(t)('clearAll'), undefined, { result: left });
    await t.call(on(t)('keys'), undefined, { result: [] });
    await t.call(another('keys'), undefined, { result: keys });
  }),
  story('state: bytes', async t => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 31) ^ (i >> 8));
    const url = (handler: string) => `${t.stack.ingress.url}/restate/call/${t.target(on(t)(handler))}`;
    const headers = { 'content-type': 'application/octet-stream' };
    expect((await fetch(url('store'), { method: 'POST', headers, body: bytes })).status).toBe(200);
    const loaded = await (await fetch(url('load'), { method: 'POST' })).arrayBuffer();
    expect(Buffer.compare(Buffer.from(loaded), bytes)).toBe(0);
  }),
  story('state: kept after a terminal failure', async t => {
    const failure = { code: 422, message: 'added, and failed' };
    await t.call(on(t)('addAndFail'), 3, { failure });
    await t.call(on(t)('get'), undefined, { result: 3 });
  }),
  story('state: a change that was recorded is not made again by a retry', async t => {
    const made = attempts(3, { lazy: 4, streamed: 3 });
    await t.call(on(t)('addFlaky'), 2, { result: { old: 0, new: 2 }, attempts: made });
    await t.call(on(t)('get'), undefined, { result: 2 });
  }),
  simple({
    name: 'state: read before and after a suspension',
    handler: t => on(t)('addSlowly'),
    input: t => ({ n: 5, ms: t.pauseMs }),
    waits: 'suspended',
    expected: t => ({
      result: { old: 0, new: 5 },
      // What it has written it knows.
      journal: `Input ${READS[t.variant.state]} Sleep +Sleep ${READS[t.variant.state]} SetState GetEagerState Output`,
    }),
  }),
  interruptedStory('a counter goes on', async t => {
    const add = `Counter/${t.key()}/add`;
    await t.call(add, 1, { result: { old: 0, new: 1 } });
    await t.interrupt();
    await t.call(add, 1, { result: { old: 1, new: 2 } });
    await t.call(`Counter/${t.key()}/get`, undefined, { result: 2 });
  }),
  story('a key is any text', async t => {
    const key = `${t.key()} /%?&#+ ☕ключ`;
    const path = (handler: string) => `Counter/${encodeURIComponent(key)}/${handler}`;
    await t.call(path('add'), 1, { result: { old: 0, new: 1 } });
    await t.call(path('add'), 1, { result: { old: 1, new: 2 } });
    await t.call(path('key'), undefined, { result: [key, `${t.services}Counter/${key}/key`] });
  }),
  story('three adds are sent, one way', async t => {
    const run = await t.call('Keyed/oneWayAdds', t.key(), { result: undefined });
    for (const child of await run.children()) await t.expect(child, { result: expect.anything() });
    await t.call(`Counter/${t.key()}/get`, undefined, { result: 3 });
  }),
];

export const STATE: readonly Row[] = [...COUNTERS, ...PATCHES].map(usesState);
