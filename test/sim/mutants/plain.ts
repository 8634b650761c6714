/** Planted in the log, the store, and what every invocation goes through. */

import type { Mutant } from './mutant.ts';

export const PLAIN_MUTANTS: readonly Mutant[] = [
  {
    name: 'acknowledged before it is written',
    edits: {
      'runtime/log/deferred-log.ts': [
        [
          'const isWritten = this.#attempt(() => {',
          'this.#options.defer(() => this.#acknowledge(this.#durable + records.length));\n' +
            'const write = () => this.#attempt(() => {',
        ],
        [
          'if (isWritten) this.#options.defer(() => this.#acknowledge(this.#sink.durable));',
          'this.#options.defer(write);',
        ],
      ],
    },
    found: ['L1'],
  },
  {
    name: 'log writes are not synced',
    edits: {
      'runtime/log/segment-writer.ts': [
        ["this.#path(UNPUBLISHED_NAME), 'createDurable'", "this.#path(UNPUBLISHED_NAME), 'create'"],
      ],
    },
    found: ['L1', 'L2'],
  },
  {
    name: 'recovery drops the newest write',
    edits: {
      'runtime/log/recover.ts': [
        [
          'const tail = durable < end ? copyRecords(disk, newest, end, write) : [];',
          'const tail: Uint8Array[] = [];',
        ],
        [
          "assert(durable + tail.length === end, 'the tail is the newest write');",
          'void copyRecords; void write; void end;',
        ],
      ],
    },
    found: ['L1'],
  },
  {
    name: 'any attempt of a running invocation is accepted',
    edits: { 'runtime/core/handlers/attempt.ts': [['if (inv.attempt !== command.attempt || ', 'if (']] },
    found: ['C4'],
  },
  {
    name: 'an answer to an earlier life is accepted',
    edits: { 'runtime/core/handlers/attempt.ts': [[' || inv.randomSeed !== command.randomSeed', '']] },
    found: ['C4'],
  },
  {
    name: 'a timer stays after it fired',
    edits: { 'runtime/core/handlers/timer-fired.ts': [['  draft.stopTimer(key);\n', '']] },
    found: ['W1', 'C8', 'C2'],
  },
  {
    name: 'timers fire early',
    edits: {
      'runtime/timers/timer-queue.ts': [
        ['Math.min(first.at - now, MAX_WAIT_MS)', 'Math.min(first.at - now - 20, MAX_WAIT_MS)'],
        ['first.at > now', 'first.at > now + 20'],
      ],
      'runtime/core/handlers/timer-fired.ts': [
        ['if (draft.at < timer.at) {', 'if (draft.at < timer.at - 1000) {'],
      ],
    },
    found: ['W1', 'W2'],
  },
  {
    name: 'time is held at its highest',
    edits: {
      'runtime/partition/proposer.ts': [
        [
          'const at = this.options.clock.now();',
          'const at = Math.max(this.options.clock.now(), this.appliedAt);',
        ],
      ],
    },
    found: ['W1'],
  },
  {
    name: 'timers outside the window are forgotten',
    edits: { 'runtime/timers/timer-queue.ts': [['if (this.heap.length === 0) this.reload();', '']] },
    found: ['W1', 'liveness', 'C8'],
  },
  {
    name: 'an idempotency key is not looked up',
    edits: {
      'runtime/core/handlers/invoke.ts': [
        ['if (minted.deterministic && (draft', 'if (minted.deterministic && idempotencyKey === id && (draft'],
      ],
    },
    found: ['W2'],
  },
  {
    name: 'an idempotent call creates its callee again',
    edits: {
      'runtime/core/ops/call.ts': [
        [
          'if (op.callee.deterministic) {',
          'if (op.callee.deterministic && op.idempotencyKey === undefined) {',
        ],
      ],
    },
    found: ['W2', 'C4'],
  },
  {
    name: 'a restart forgets running attempts',
    edits: {
      'runtime/core/outstanding.ts': [["inv.state.status === 'running'", "inv.state.status === 'scheduled'"]],
    },
    found: ['C2', 'liveness'],
  },
  {
    name: 'an answer is given before the record is durable',
    edits: {
      'runtime/partition/proposer.ts': [
        [
          'this.waiting.push({ command, done });',
          "done?.('applied', this.options.clock.now());\nthis.waiting.push({ command, done: undefined });",
        ],
      ],
    },
    found: ['P1', 'C1'],
  },
  {
    name: 'effects are dispatched before the record is durable',
    edits: {
      'runtime/partition/proposer.ts': [
        [
          'this.options.log.append(encoded, first => {',
          'for (const record of records)\n' +
            'for (const effect of apply(this.options.state, record).effects) this.options.dispatch(effect);\n' +
            'this.options.log.append(encoded, first => {',
        ],
      ],
    },
    found: ['P1', 'A2'],
  },
  {
    name: 'a delivered completion stays pending',
    edits: { 'runtime/core/lifecycle.ts': [['  inv.pending = inv.pending.toSpliced(at, 1);\n', '']] },
    found: ['C2', 'C7'],
  },
  {
    name: 'what came during the attempt does not wake it',
    edits: {
      'runtime/core/handlers/attempt.ts': [
        [
          'const left = afterFresh(inv, awaiting, seenEntries);',
          'const left = inv.entries < 0 ? afterFresh(inv, awaiting, seenEntries) : awaiting;',
        ],
      ],
    },
    found: ['liveness', 'A4'],
  },
  {
    name: 'a handler may wait for what it was given',
    edits: {
      'runtime/core/check.ts': [
        ['if (canComplete(left, id =>', 'if (coming.size >= 0 || canComplete(left, id =>'],
      ],
    },
    found: ['liveness'],
  },
  {
    name: 'a part of a cut answer is applied',
    edits: { 'runtime/partition/attempts.ts': [["end.kind === 'missing' ? [] : ops", 'ops']] },
    found: ['C6'],
  },
  {
    name: 'a throttled attempt is forgotten',
    edits: {
      'runtime/invoker/invoker.ts': [
        ['    lane.queue.push(running, attempt.flow);\n    const now', '    const now'],
      ],
    },
    found: ['C2', 'liveness'],
  },
  {
    name: 'the position is stored ahead of the rows',
    edits: {
      'runtime/partition/state.ts': [
        [
          'await this.store.write(batch);',
          'await this.store.write(batch.slice(0, 1));\nawait this.store.write(batch.slice(1));',
        ],
      ],
    },
    found: ['S2'],
  },
  {
    name: 'a journal is read from memory alone',
    edits: {
      'runtime/partition/state.ts': [
        ['if (!layers.some(layer => layer?.get(first)?.fresh)) {', 'if (layers.length === 0) {'],
      ],
    },
    found: ['C6', 'S2'],
  },
  {
    name: 'a dropped result leaves its journal',
    edits: {
      'runtime/core/handlers/timer-fired.ts': [
        [
          'if (row !== undefined) forget(draft, row);',
          "if (row !== undefined && forget !== undefined) draft.put('completed', invocation, undefined);",
        ],
      ],
    },
    found: ['C8', 'C6'],
  },
  {
    name: 'an ended invocation leaves its sleeps',
    edits: {
      'runtime/core/lifecycle.ts': [
        ['        draft.stopTimer(pending.timer);\n', '        void pending.timer;\n'],
      ],
    },
    found: ['C8'],
  },
  {
    name: 'a recorded step is run again',
    edits: {
      'sdk-lambda/runs.ts': [['if (this.#host.machine.received(request.id)) return;', '']],
    },
    found: ['W2'],
  },
  {
    name: 'a step that is not batched does not wait for batched results to be stored',
    edits: {
      'sdk-lambda/runs.ts': [
        [
          'const isReady = !this.isBatchOpen && this.#isStored(this.#proposedBatched);',
          'const isReady = !this.isBatchOpen;',
        ],
      ],
    },
    found: ['D3'],
  },
  {
    name: 'every step is batched',
    edits: {
      'sdk-lambda/context/run.ts': [['batched = false,', 'batched = true,']],
    },
    found: ['C7', 'C6', 'D3'],
  },
  {
    name: 'what is in the journal reaches user code before batched results do',
    edits: {
      'sdk-lambda/attempt.ts': [
        ['(!runs.isBatchOpen && blocked && this.#wakeSomeone())', '(blocked && this.#wakeSomeone())'],
      ],
    },
    found: ['C6', 'mismatch', 'liveness'],
  },
  {
    name: 'the last value of an awakeable wins',
    edits: {
      'sdk-lambda/inbox.ts': [
        [
          'else if (!this.#untaken.has(id)) this.#untaken.set(id, notification);',
          'else this.#untaken.set(id, notification);',
        ],
      ],
    },
    found: ['C7', 'C6'],
  },
  {
    name: 'a waiter is told and kept',
    edits: {
      'runtime/partition/waiters.ts': [
        [
          '    this.waiting.delete(id);\n    for (const waiter of waiters)',
          '    for (const waiter of waiters)',
        ],
      ],
    },
    found: ['liveness'],
  },
  {
    name: 'a result is told to the first listener only',
    edits: {
      'runtime/core/lifecycle.ts': [['of } of inv.listeners) {', 'of } of inv.listeners.slice(0, 1)) {']],
    },
    found: ['C2', 'liveness'],
  },
  {
    name: 'a signal wakes nobody',
    edits: {
      'runtime/core/lifecycle.ts': [
        [
          'const awaiting = after(state.awaiting, fresh);',
          "const awaiting = typeof id === 'number' ? after(state.awaiting, fresh) : state.awaiting;",
        ],
      ],
    },
    found: ['liveness', 'A4'],
  },
  {
    name: 'a resume leaves the retry timer',
    edits: {
      'runtime/core/handlers/resume.ts': [
        [
          "if (state.status === 'backingOff') draft.stopTimer(state.timer);",
          "if (state.status === 'backingOff') void state.timer;",
        ],
      ],
    },
    found: ['C8'],
  },
  {
    name: 'the random seed changes with the attempt',
    edits: {
      'runtime/invoker/attempt.ts': [
        ['randomSeed: inv.randomSeed }', 'randomSeed: inv.randomSeed + BigInt(inv.attempt) }'],
      ],
    },
    found: ['C6'],
  },
  {
    name: 'the SDK compares a command with the one after it',
    edits: {
      'sdk-lambda/machine/machine.ts': [
        [
          'const recorded = this.#recorded[this.#commandsIssued++];',
          'const recorded = this.#recorded[++this.#commandsIssued];',
        ],
      ],
    },
    found: ['C6', 'W2', 'liveness', 'C7', 'A1'],
  },
  {
    name: 'an old leader still writes to the log',
    edits: {
      'runtime/log/inline-log.ts': [
        ['newest.get(directory) !== writer.epoch', 'newest.get(directory) === -1'],
      ],
    },
    found: ['L1', 'L2'],
  },
];
