/** Planted in live attempts, and in the trees that suspended ones wait for. */

import type { Mutant } from './mutant.ts';

export const LIVE_MUTANTS: readonly Mutant[] = [
  {
    name: 'a handler is not told its scope',
    edits: {
      'runtime/invoker/attempt.ts': [['  ...(scope === undefined ? {} : { scope }),\n', '']],
    },
    found: ['C6'],
  },
  {
    name: 'a run is acknowledged before its result is durable',
    edits: {
      'runtime/invoker/live-attempt.ts': [
        [
          'for (const id of read.answer.acks) this.#acks.add(id);',
          "for (const completionId of read.answer.acks) { const ack = new FrameWriter(); ack.frame('ProposeRunCompletionAck', { completionId }); this.#push(ack.finish()); }",
        ],
      ],
    },
    found: ['A2'],
  },
  {
    name: 'a run is acknowledged although nobody asked for it',
    edits: {
      'runtime/invoker/live-attempt.ts': [
        ['this.#acks.delete(entry.completionId)', 'this.#acks !== undefined'],
      ],
    },
    found: ['A2'],
  },
  {
    name: 'what came with the start is pushed again',
    edits: {
      'runtime/invoker/live-attempt.ts': [
        ['if (this.#over || first + entries.length <= this.#sent) return;', 'if (this.#over) return;'],
      ],
    },
    found: ['A2'],
  },
  {
    name: 'the second notification of a record is not pushed',
    edits: {
      'runtime/invoker/live-attempt.ts': [
        [
          "if (entry.kind === 'input' || entry.kind === 'command') continue;",
          "if (entry.kind === 'input' || entry.kind === 'command' || pushed > 0) continue;",
        ],
      ],
    },
    found: ['A2', 'A3', 'A1'],
  },
  {
    name: 'a suspension is taken to have seen what came after it',
    edits: {
      'runtime/invoker/live-attempt.ts': [
        ['this.#sentAtClose ?? this.#options.request.seenEntries', 'this.#sent'],
      ],
    },
    found: ['A3', 'A4', 'A1', 'liveness'],
  },
  {
    name: 'a part is proposed before the one before it is applied',
    edits: {
      'runtime/invoker/live-attempt.ts': [
        ['if (this.#over || this.#isRecording) return;', 'if (this.#over) return;'],
      ],
    },
    found: ['A1', 'C6', 'liveness'],
  },
  {
    name: 'what had come is left out when the stream breaks',
    edits: {
      'runtime/invoker/live-attempt.ts': [
        [
          'if (this.#refusal === undefined) this.#flush();',
          'if (this.#refusal === undefined) this.#brokeOff(end);',
        ],
      ],
    },
    found: ['A1'],
  },
  {
    name: 'silence does not close the input',
    edits: {
      'runtime/invoker/live-attempt.ts': [
        [
          'if (isSilent) this.closeInput();\n      else this.#watch();',
          'if (isSilent) this.#active();\n      this.#watch();',
        ],
      ],
    },
    found: ['A5'],
  },
  {
    name: 'a silent handler is never given up',
    edits: {
      'runtime/invoker/live-attempt.ts': [
        [
          'if (isSilent && this.isInputClosed) {',
          'if (isSilent && this.isInputClosed && abortTimeoutMs < 0) {',
        ],
      ],
    },
    found: ['A5'],
  },
  {
    name: 'one that has ended may linger for ever',
    edits: {
      'runtime/invoker/live-attempt.ts': [
        [
          'this.#options.timers.set(CLOSING_MS, () => this.#stream.abort());',
          'this.#options.timers.set(CLOSING_MS, () => undefined);',
        ],
      ],
    },
    found: ['A5'],
  },
  {
    name: 'a live attempt goes on when it is to pause',
    edits: {
      'runtime/partition/attempts.ts': [
        ["if (isPausing(state.get('invocation', id))) invoker", "if (!state.get('invocation', id)) invoker"],
      ],
    },
    found: ['A5'],
  },
  {
    name: 'one that begins while it is to pause goes on',
    edits: {
      'runtime/invoker/invoker.ts': [['if (options.isToEnd()) live.closeInput();\n    else lane', 'lane']],
    },
    found: ['A5'],
    from: 1579,
  },
  {
    name: 'a refused part keeps its place among the attempts',
    edits: {
      'runtime/invoker/invoker.ts': [
        ['              this.leave(running, true);\n', '              void running;\n'],
      ],
    },
    found: ['C8', 'liveness'],
  },
  {
    name: 'a part of a stale attempt is applied',
    edits: {
      'runtime/core/handlers/attempt.ts': [
        [
          'if (inv.attempt !== command.attempt ||',
          "if ((inv.attempt !== command.attempt && command.end.kind !== 'goesOn') ||",
        ],
      ],
    },
    found: ['C4'],
  },
  {
    name: 'what came during a part is forgotten by the next',
    edits: {
      'runtime/core/handlers/attempt.ts': [
        ['  goesOn(_draft, inv) {\n', '  goesOn(_draft, inv) {\n    inv.fresh = [];\n'],
      ],
    },
    found: ['A4', 'A1', 'liveness'],
  },
  {
    name: 'a failure among all does not decide',
    edits: {
      'runtime/core/future.ts': [
        [
          "allSucceeded: { child: outcome => (outcome === 'success' ? undefined : outcome)",
          'allSucceeded: { child: () => undefined',
        ],
      ],
    },
    found: ['A4', 'liveness'],
  },
  {
    name: 'any child decides',
    edits: {
      'runtime/core/future.ts': [
        [
          "allSucceeded: { child: outcome => (outcome === 'success' ? undefined : outcome)",
          'allSucceeded: { child: outcome => outcome',
        ],
      ],
    },
    found: ['A4'],
  },
  {
    name: 'what had failed before the suspension is forgotten',
    edits: {
      'runtime/core/lifecycle.ts': [
        [
          "  if (result.kind === 'failure') inv.failedIds = addCompletionId(inv.failedIds, completionId);\n",
          '  void addCompletionId;\n',
        ],
      ],
    },
    found: ['A4'],
    from: 180,
  },
  {
    name: 'what is left of a tree is not kept',
    edits: {
      'runtime/core/lifecycle.ts': [
        [
          'else if (awaiting !== state.awaiting) inv.state =',
          'else if (awaiting === state.awaiting) inv.state =',
        ],
      ],
    },
    found: ['A4', 'liveness'],
  },
  {
    name: 'a signal that the handler was given counts as over',
    edits: {
      'runtime/core/awaiting.ts': [
        [
          "if (typeof id !== 'number' || !isOver(id)) return undefined;",
          "if (typeof id !== 'number') return 'success';\n    if (!isOver(id)) return undefined;",
        ],
      ],
    },
    found: ['A4', 'liveness'],
  },
  {
    name: 'the SDK takes an acknowledgement for the next result',
    edits: {
      'sdk-lambda/machine/machine.ts': [
        [
          'const outcome = this.#proposed.get(completionId);',
          'const outcome = [...this.#proposed.values()].at(-1);',
        ],
      ],
    },
    found: ['C7', 'C6', 'D2'],
    from: 240,
  },
  {
    name: 'the SDK writes to a sink that is full and forgets what it wrote',
    edits: {
      'sdk-lambda/streamed-attempt.ts': [
        [
          'if (this.#ended || this.#sinkIsFull) return;',
          'if (this.#sinkIsFull) this.#machine.takeOutput();\n    if (this.#ended || this.#sinkIsFull) return;',
        ],
      ],
    },
    found: ['liveness', 'C6', 'A1', 'C7'],
    from: 1049,
  },
];
