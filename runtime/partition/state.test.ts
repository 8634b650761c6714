/** The memtable generations against a plain map: whatever is written, deleted, flushed and reopened in between. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Instance, InvocationId, JournalChunk, ServicePointer, Timer } from '../core/model.ts';
import {
  instanceKey,
  journalKey,
  journalPrefix,
  stateKey,
  statePrefix,
  type TableWrite,
} from '../core/table.ts';
import type { Timers } from '../platform/ports.ts';
import { openMemoryStore } from '../store/memory-store.ts';
import { State } from './state.ts';

const timers: Timers = {
  set: () => ({}),
  clear: () => undefined,
  soon: callback => queueMicrotask(callback),
};
const id = (n: number): InvocationId => `inv_${n}` as InvocationId;

const timerRow = (n: number): Timer => ({ at: n, invocation: id(n), kind: 'start' });
const chunk = (n: number, first: number): JournalChunk => ({
  first,
  entries: [{ kind: 'input', headers: [['n', String(n)]], body: new Uint8Array([first]) }],
});
const pointer = (n: number): ServicePointer => ({
  name: `s${n}`,
  deployment: 'dp_1' as never,
  revision: n + 1,
});

const TABLES = ['timer', 'journal', 'service', 'instance', 'state', 'promise'] as const;
/** Large enough for all there is, and so small that what is cached is pushed out. */
const caches = fc.constantFrom(
  { states: 100, instances: 100, rows: 100 },
  { states: 2, instances: 3, rows: 4 },
);

type Step =
  | {
      readonly do: 'put' | 'delete';
      readonly table: (typeof TABLES)[number];
      readonly n: number;
      readonly m: number;
    }
  | { readonly do: 'flush' | 'finish' | 'reopen' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('put' as const, 'put' as const, 'delete' as const),
      table: fc.constantFrom(...TABLES),
      n: fc.nat(4),
      m: fc.nat(3),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('flush' as const, 'finish' as const, 'reopen' as const) }),
  },
);

test('reads are what was written last, in order, over every generation', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 100, size: 'max' }), caches, async (steps, sizes) => {
      const store = openMemoryStore();
      let state = new State(store, timers, sizes);
      const model = new Map<string, TableWrite>();
      let position = 0;
      let flushing: Promise<void> | undefined;
      for (const current of steps) {
        if (current.do === 'put' || current.do === 'delete') {
          const write = toWrite(current, model);
          if (write === undefined) continue;
          position += 1;
          state.commit([write]);
          model.set(`${write.table} ${write.key}`, write);
        } else if (current.do === 'flush') {
          flushing ??= state.flush({ position, at: position });
          void flushing.then(() => {
            flushing = undefined;
          });
        } else {
          await flushing;
          if (current.do === 'reopen') {
            await state.flush({ position, at: position });
            state = new State(store, timers, sizes);
            expect(state.stored).toEqual({ position, at: position });
          }
        }
        compare(state, model);
      }
      await flushing;
    }),
    { numRuns: 100 },
  );
});

function toWrite(
  { do: what, table, n, m }: Extract<Step, { table: string }>,
  model: ReadonlyMap<string, TableWrite>,
): TableWrite | undefined {
  const key = keyOf(table, n, m);
  const exists = model.get(`${table} ${key}`)?.row !== undefined;
  if (what === 'delete' && !exists) return undefined;
  // A journal grows from its first chunk on and is dropped whole, in this test as in the core.
  if (
    table === 'journal' &&
    what === 'put' &&
    m > 0 &&
    model.get(`journal ${journalKey(id(n), 0)}`)?.row === undefined
  )
    return undefined;
  if (table === 'journal' && what === 'delete' && m === 0) return undefined;
  const fresh = what === 'put' && !exists;
  if (what === 'delete') return { table, key, row: undefined, fresh: false };
  if (table === 'journal') return { table, key, row: chunk(n, m), fresh };
  switch (table) {
    case 'timer':
      return { table, key, row: timerRow(n + 10 * m), fresh };
    case 'service':
      return { table, key, row: pointer(m), fresh };
    case 'instance':
      return { table, key, row: instance(m), fresh };
    case 'state':
      return { table, key, row: { key: `k${m}`, value: new Uint8Array(m === 3 ? 5000 : m) }, fresh };
    case 'promise':
      return { table, key, row: { result: undefined, listeners: [], timer: `t${m}` }, fresh };
    default:
      return table satisfies never;
  }
}

const object = (n: number) => ({ service: 'Obj', key: `key ${n}/` });
const instance = (n: number): Instance => ({
  holder: undefined,
  first: undefined,
  last: undefined,
  patches: [{ version: `${n}`, entries: [] }],
  run: undefined,
});

function keyOf(table: (typeof TABLES)[number], n: number, m: number): string {
  switch (table) {
    case 'journal':
      return journalKey(id(n), m);
    case 'timer':
      return `t${n}`;
    case 'service':
      return `s${n}`;
    case 'instance':
      return instanceKey(object(n));
    case 'state':
    case 'promise':
      return stateKey(object(n), `k${m}`);
    default:
      return table satisfies never;
  }
}

function compare(state: State, model: ReadonlyMap<string, TableWrite>): void {
  const rows = [...model.values()]
    .filter(({ row }) => row !== undefined)
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  for (const { table, key, row } of model.values()) expect(state.get(table, key)).toEqual(row);
  for (const table of TABLES) {
    const expected = rows.filter(write => write.table === table).map(({ key, row }) => [key, row]);
    expect([...state.scan(table, '')]).toEqual(expected);
    const after = expected[0]?.[0] as string | undefined;
    if (after !== undefined) expect([...state.scanAfter(table, '', after)]).toEqual(expected.slice(1));
  }
  for (let n = 0; n < 5; n++) {
    const prefix = journalPrefix(id(n));
    const expected = rows.filter(({ table, key }) => table === 'journal' && key.startsWith(prefix));
    expect([...state.scan('journal', prefix)]).toEqual(expected.map(({ key, row }) => [key, row]));
    const objectPrefix = statePrefix(object(n));
    for (const table of ['state', 'promise'] as const) {
      const its = rows.filter(write => write.table === table && write.key.startsWith(objectPrefix));
      expect([...state.scan(table, objectPrefix)]).toEqual(its.map(({ key, row }) => [key, row]));
    }
  }
}

test('what is created and deleted within a generation leaves nothing to store', async () => {
  const state = new State(openMemoryStore(), timers);
  state.commit([
    { table: 'timer', key: 't', row: timerRow(1), fresh: true },
    { table: 'journal', key: journalKey(id(1), 0), row: chunk(1, 0), fresh: true },
  ]);
  expect(state.dirty).toBe(2);
  state.commit([
    { table: 'timer', key: 't', row: undefined, fresh: false },
    { table: 'journal', key: journalKey(id(1), 0), row: undefined, fresh: false },
  ]);
  expect(state.dirty).toBe(0);
});

test('a key that is dropped, created and dropped again stays dropped', async () => {
  const state = new State(openMemoryStore(), timers);
  state.commit([{ table: 'timer', key: 't', row: timerRow(1), fresh: true }]);
  await state.flush({ position: 1, at: 1 });
  state.commit([{ table: 'timer', key: 't', row: undefined, fresh: false }]);
  state.commit([{ table: 'timer', key: 't', row: timerRow(2), fresh: true }]);
  state.commit([{ table: 'timer', key: 't', row: undefined, fresh: false }]);
  expect(state.get('timer', 't')).toBeUndefined();
  await state.flush({ position: 4, at: 4 });
  expect(state.get('timer', 't')).toBeUndefined();
});
