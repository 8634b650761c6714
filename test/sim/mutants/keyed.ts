/** Planted in keys, state, promises and signals. */

import type { Mutant } from './mutant.ts';

export const KEYED_MUTANTS: readonly Mutant[] = [
  {
    name: 'exclusive handlers take no lock',
    edits: {
      'runtime/core/lifecycle.ts': [
        ['if (!isExclusive(inv) || acquire(draft, inv)) {', 'if (!isExclusive(inv) || inv.attempt === 0) {'],
      ],
    },
    found: ['C5'],
  },
  {
    name: 'the holder of a key does not keep others out',
    edits: {
      'runtime/core/instance.ts': [
        [
          '  if (row?.holder === undefined) {\n    draft.put',
          '  if (row?.first === undefined && row?.holder !== inv.id) {\n    draft.put',
        ],
      ],
    },
    found: ['C5'],
  },
  {
    name: 'the queue of a key is served from its end',
    edits: {
      'runtime/core/instance.ts': [
        [
          'const next = row.first === undefined ? undefined : draft.invocation(row.first);',
          'const next = row.last === undefined ? undefined : draft.invocation(row.last);',
        ],
      ],
    },
    found: ['C5'],
  },
  {
    name: 'the key of a killed holder is not handed over',
    edits: {
      'runtime/core/lifecycle.ts': [
        [
          '  if (!isExclusive(inv)) return;\n  release',
          "  if (!isExclusive(inv) || event === 'kill') return;\n  release",
        ],
      ],
    },
    found: ['C5', 'C8'],
  },
  {
    name: 'who leaves a queue stays linked',
    edits: {
      'runtime/core/instance.ts': [['  if (next !== undefined) queued(draft, next, { previous });\n', '']],
    },
    found: ['C8', 'C5', 'assertion'],
  },
  {
    name: 'who leaves the end of a queue is still its end',
    edits: {
      'runtime/core/instance.ts': [['last: next === undefined ? previous : row.last,', 'last: row.last,']],
    },
    found: ['C8', 'C5', 'assertion'],
  },
  {
    name: 'a cancelled one in the queue keeps its place',
    edits: {
      'runtime/core/instance.ts': [
        [
          "  if (inv.state.status === 'queued') {\n    if (row",
          "  if (inv.state.status === 'queued') {\n    if (inv.attempt > 0 && row",
        ],
      ],
    },
    found: ['C8', 'C5', 'assertion'],
  },
  {
    name: 'shared handlers queue',
    edits: {
      'runtime/core/instance.ts': [
        [
          "role === 'exclusive' || role === 'workflow';",
          "role === 'exclusive' || role === 'workflow' || role === 'shared';",
        ],
      ],
    },
    found: ['C5'],
  },
  {
    name: 'a write of a failed attempt is lost',
    edits: {
      'runtime/core/ops/state.ts': [
        [
          '  set(draft, inv.target, key, value);',
          '  if (inv.failures.counted === 0) set(draft, inv.target, key, value);',
        ],
      ],
    },
    found: ['O1'],
  },
  {
    name: 'the state is not cleared of its first key',
    edits: {
      'runtime/core/object-state.ts': [
        [
          "for (const [row] of draft.scan('state', statePrefix(of))) draft.put('state', row, undefined);",
          "for (const [row] of [...draft.scan('state', statePrefix(of))].slice(1)) draft.put('state', row, undefined);",
        ],
      ],
    },
    found: ['O1', 'C8'],
  },
  {
    name: 'a clear is forgotten',
    edits: {
      'runtime/core/ops/state.ts': [
        [
          "if (draft.read('state', row) !== undefined) draft.put('state', row, undefined);",
          "draft.read('state', row);",
        ],
      ],
    },
    found: ['O1'],
  },
  {
    name: 'writes of one record are not read by it',
    edits: {
      'runtime/core/draft.ts': [
        [
          '  *scan<N extends PlainTable>(table: N, prefix: string): Iterable<readonly [key: string, row: Rows[N]]> {\n    const written = this.rows[table];',
          "  *scan<N extends PlainTable>(table: N, prefix: string): Iterable<readonly [key: string, row: Rows[N]]> {\n    const written = table === 'state' ? undefined : this.rows[table];",
        ],
      ],
    },
    found: ['O1', 'C8'],
  },
  {
    name: 'a part of the state is sent as the whole',
    edits: {
      'runtime/invoker/attempt.ts': [['      isPartial = true;\n', '']],
    },
    found: ['O1'],
  },
  {
    name: 'no state is sent and said to be all',
    edits: {
      'runtime/invoker/attempt.ts': [
        ['{ entries: [], isPartial: true }', '{ entries: [], isPartial: false }'],
      ],
    },
    found: ['O1'],
  },
  {
    name: 'state is sent as it once was',
    edits: {
      'runtime/partition/state.ts': [
        [
          "for (const [, { key, value }] of view.scan('state', statePrefix(of))) yield [key, value];",
          'const once = ((globalThis as { once?: Map<string, StateEntry> }).once ??= new Map());\n' +
            "  for (const [, { key, value }] of view.scan('state', statePrefix(of))) {\n" +
            '    const name = statePrefix(of) + key;\n' +
            '    if (!once.has(name)) once.set(name, [key, value]);\n' +
            '    yield once.get(name) as StateEntry;\n  }',
        ],
      ],
    },
    found: ['O1'],
  },
  {
    name: 'the SDK still knows what it has cleared',
    edits: {
      'sdk-lambda/context/state-view.ts': [['    this.#known.clear();\n', '']],
    },
    found: ['O1'],
  },
  {
    name: 'the SDK forgets what it has set',
    edits: { 'sdk-lambda/context/state.ts': [['  view.set(name, value);', '  void view;']] },
    found: ['O1'],
  },
  {
    name: 'the last completion of a promise wins',
    edits: {
      'runtime/core/ops/promise.ts': [
        [
          "  if (row?.result !== undefined) {\n    notifyCompletion(draft, inv, 'completePromise'",
          "  if (row?.result !== undefined && inv.attempt === 0) {\n    notifyCompletion(draft, inv, 'completePromise'",
        ],
      ],
    },
    found: ['C7'],
  },
  {
    name: 'a promise tells its first listener only',
    edits: {
      'runtime/core/ops/promise.ts': [
        ['of row?.listeners ?? []) {', 'of row?.listeners.slice(0, 1) ?? []) {'],
      ],
    },
    found: ['C7'],
  },
  {
    name: 'a listener of a promise takes the place of another',
    edits: {
      'runtime/core/ops/promise.ts': [
        ['draft.added(row?.listeners ?? [], { caller', 'draft.added([], { caller'],
      ],
    },
    found: ['C7', 'C8'],
  },
  {
    name: 'an ended listener of a promise stays',
    edits: {
      'runtime/core/lifecycle.ts': [
        ['const listeners = without(row.listeners, inv.id);', 'const { listeners } = row;'],
      ],
    },
    found: ['C8'],
  },
  {
    name: 'a promise without a run is kept for ever',
    edits: {
      'runtime/core/ops/promise.ts': [
        [
          "if (draft.read('instance', instanceKey(inv.target))?.run !== undefined) return undefined;",
          'if (inv.attempt > 0) return undefined;',
        ],
      ],
    },
    found: ['C8'],
  },
  {
    name: 'a promise is dropped although its workflow runs now',
    edits: {
      'runtime/core/handlers/timer-fired.ts': [
        ['hasRun ? { ...row, timer: undefined } : undefined', 'undefined'],
      ],
    },
    found: ['C7'],
  },
  {
    name: 'a workflow runs again',
    edits: {
      'runtime/partition/ids.ts': [
        ["return this.keyed('wf', of, []);", "return this.keyed('wf', of, [String(this.random.float())]);"],
      ],
    },
    found: ['W2'],
  },
  {
    name: 'a call runs a workflow that was run before',
    edits: {
      'runtime/core/ops/call.ts': [
        ['if (op.idempotencyKey === undefined && isKnown(draft, op)) {', 'if (inv.attempt < 0) {'],
      ],
    },
    found: ['W2'],
  },
  {
    name: 'the state of a workflow outlives it',
    edits: {
      'runtime/core/instance.ts': [["!== 'virtualObject') clearState", "!== 'workflow') clearState"]],
    },
    found: ['O1', 'C8'],
  },
  {
    name: 'the promises of a workflow outlive it',
    edits: {
      'runtime/core/instance.ts': [
        ["    if (result !== undefined) draft.put('promise', name, undefined);\n", '    void result;\n'],
      ],
    },
    found: ['C8', 'C7'],
  },
  {
    name: 'a signal that nobody waits for is dropped',
    edits: {
      'runtime/core/lifecycle.ts': [
        [
          "  notify(draft, inv, { kind: 'signal', signal, result }, { signal }, result);",
          "  if (typeof signal === 'number' || inv.state.status === 'suspended') notify(draft, inv, { kind: 'signal', signal, result }, { signal }, result);",
        ],
      ],
    },
    found: ['C7'],
  },
  {
    name: 'the SDK gives the newest signal of a name first',
    edits: {
      'sdk-lambda/inbox.ts': [['repeatable.untaken.shift()', 'repeatable.untaken.pop()']],
    },
    found: ['C7', 'C6'],
  },
];
