/** State of virtual objects. */
import { expect } from 'vitest';
import { until } from '../../harness/index.ts';
import { interruptedStory, oursOnly, type Play, type Row, simple, story } from '../play.ts';

type Kind = 'Counter' | 'Lazy';

const READ = { Counter: 'GetEagerState', Lazy: 'GetLazyState +GetLazyState' } as const;
const ATTEMPTS = { Counter: 1, Lazy: 2 } as const;
const BOTH: readonly Kind[] = ['Counter', 'Lazy'];

const stateOf = (kind: Kind): string => (kind === 'Lazy' ? 'lazy state' : 'eager state');

/** A row for each kind of state. */
const both = (name: string, play: (t: Play, on: (handler: string) => string, kind: Kind) => Promise<void>) =>
  BOTH.map(kind =>
    story(`${stateOf(kind)}: ${name}`, t => play(t, handler => `${kind}/${t.key()}/${handler}`, kind)),
  );

const result = async (t: Play, handler: string, input?: unknown): Promise<unknown> =>
  (await t.stack.ingress.call(t.target(handler), input)).body;

const json = (value: unknown): number[] => [...Buffer.from(JSON.stringify(value))];

const patch = (t: Play, key: string, newState: object, version?: string) =>
  t.admin('POST', `services/${t.sdk}Counter/state`, {
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
      const read = await t.admin('GET', `services/${t.sdk}Counter/state?key=${t.key()}`);
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
    await holder.until('suspended');
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
    expect((await t.admin('POST', `services/${t.sdk}/state`, body)).status).toBe(400);
    expect((await t.admin('POST', `services/${t.sdk}Nothing/state`, body)).status).toBe(404);
  }),
];

export const STATE: readonly Row[] = [
  ...both('read, modify, write', async (t, on, kind) => {
    const [attempts, journal] = [ATTEMPTS[kind], `Input ${READ[kind]} SetState Output`];
    await t.call(on('add'), 5, { result: { old: 0, new: 5 }, attempts, journal });
    await t.call(on('add'), 7, { result: { old: 5, new: 12 }, attempts, journal });
    await t.call(on('get'), undefined, { result: 12, attempts });
    await t.call(`${kind}/${t.key('another')}/get`, undefined, { result: 0 });
  }),
  ...both('keys, and all are cleared of this object alone', async (t, on, kind) => {
    const another = `${kind}/${t.key('another')}`;
    const values = { count: 1, b: null, c: { deep: ['x'] }, ключ: '' };
    const keys = ['b', 'c', 'count', 'ключ'];
    await t.call(on('fill'), values, { result: { keys, count: 1 } });
    await t.call(`${another}/fill`, values, { result: { keys, count: 1 } });
    await t.call(on('keys'), undefined, { result: keys });
    await t.call(on('read'), 'c', { result: { deep: ['x'] } });
    // With eager state the official SDK lists it until the end of the attempt.
    const listed = t.sdk === 'Official' && kind === 'Counter' ? keys : ['b', 'count', 'ключ'];
    await t.call(on('clear'), 'c', { result: { value: null, keys: listed } });
    await t.call(on('keys'), undefined, { result: ['b', 'count', 'ключ'] });
    const left = { keys: ['b', 'count', 'ключ'], left: [], count: null };
    await t.call(on('clearAll'), undefined, { result: left });
    await t.call(on('keys'), undefined, { result: [] });
    await t.call(`${another}/keys`, undefined, { result: keys });
  }),
  ...both('bytes', async (t, on) => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 31) ^ (i >> 8));
    const url = (handler: string) => `${t.stack.ingress.url}/restate/call/${t.target(on(handler))}`;
    const headers = { 'content-type': 'application/octet-stream' };
    expect((await fetch(url('store'), { method: 'POST', headers, body: bytes })).status).toBe(200);
    const loaded = await (await fetch(url('load'), { method: 'POST' })).arrayBuffer();
    expect(Buffer.compare(Buffer.from(loaded), bytes)).toBe(0);
  }),
  ...both('kept after a terminal failure', async (t, on) => {
    const failure = { code: 422, message: 'added, and failed' };
    await t.call(on('addAndFail'), 3, { failure });
    await t.call(on('get'), undefined, { result: 3 });
  }),
  ...both('a change that was recorded is not made again by a retry', async (t, on, kind) => {
    await t.call(on('addFlaky'), 2, { result: { old: 0, new: 2 }, attempts: 2 + ATTEMPTS[kind] });
    await t.call(on('get'), undefined, { result: 2 });
  }),
  ...BOTH.map(kind =>
    simple({
      name: `${stateOf(kind)}: read before and after a suspension`,
      handler: t => `${kind}/${t.key()}/addSlowly`,
      input: t => ({ n: 5, ms: t.pauseMs }),
      waits: 'suspended',
      expected: {
        result: { old: 0, new: 5 },
        // What it has written it knows.
        journal: `Input ${READ[kind]} Sleep +Sleep ${READ[kind]} SetState GetEagerState Output`,
      },
    }),
  ),
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
    await t.call(path('key'), undefined, { result: [key, `${t.sdk}Counter/${key}/key`] });
  }),
  story('three adds are sent, one way', async t => {
    const run = await t.call('Keyed/oneWayAdds', t.key(), { result: undefined });
    for (const child of await run.children()) await t.expect(child, { result: expect.anything() });
    await t.call(`Counter/${t.key()}/get`, undefined, { result: 3 });
  }),
  ...PATCHES,
];
