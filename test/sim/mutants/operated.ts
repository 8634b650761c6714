/** Planted in what operators do. */

import type { Mutant } from './mutant.ts';

export const OPERATED_MUTANTS: readonly Mutant[] = [
  {
    name: 'a stale patch is applied',
    edits: {
      'runtime/core/object-state.ts': [
        ['if (stateVersion(current) !== version) return false;', 'stateVersion(current);'],
      ],
    },
    found: ['O1'],
  },
  {
    name: 'a stale patch is said to be applied',
    edits: {
      'runtime/core/instance.ts': [["? 'applied' : 'stale'", "? 'applied' : 'applied'"]],
    },
    found: ['O1'],
  },
  {
    name: 'a patch is applied under the holder',
    edits: {
      'runtime/core/instance.ts': [
        [
          '  if (row?.holder === undefined) return replaceState',
          '  if (row?.first === undefined) return replaceState',
        ],
      ],
    },
    found: ['O1'],
  },
  {
    name: 'patches that waited come in reverse',
    edits: {
      'runtime/core/instance.ts': [['patches: [...before, wanted]', 'patches: [wanted, ...before]']],
    },
    found: ['O1'],
  },
  {
    name: 'a patch merges',
    edits: { 'runtime/core/object-state.ts': [['  clearState(draft, of);\n  for', '  for']] },
    found: ['O1'],
  },
  {
    name: 'a patch that waited is applied again and again',
    edits: { 'runtime/core/instance.ts': [['holder: next.id, patches: [] }', 'holder: next.id }']] },
    found: ['O1', 'C8'],
  },
  {
    name: 'a pause is forgotten when the attempt suspends',
    edits: {
      'runtime/core/handlers/attempt.ts': [
        ['    if (pausesNow(inv)) return;\n    const left', '    const left'],
      ],
    },
    found: ['O2'],
  },
  {
    name: 'a pause of what backs off leaves the retry timer',
    edits: { 'runtime/core/handlers/pause.ts': [['      draft.stopTimer(state.timer);\n', '']] },
    found: ['C8'],
  },
  {
    name: 'who gives up looks at the cancellation and not at the pause',
    edits: {
      'runtime/core/handlers/attempt.ts': [
        [
          '      if (pausesNow(inv)) return;\n      if (isCancelled) {\n        // It has not',
          '      if (isCancelled) {\n        // It has not',
        ],
      ],
    },
    found: ['O2'],
  },
  {
    name: 'what is paused wakes up',
    edits: {
      'runtime/core/lifecycle.ts': [
        [
          "  } else if (state.status === 'suspended') {",
          "  } else if (state.status === 'paused') {\n    startAttempt(draft, inv, 'resume');\n  } else if (state.status === 'suspended') {",
        ],
      ],
    },
    found: ['O2', 'C4'],
  },
  {
    name: 'a resume stays where it was',
    edits: {
      'runtime/core/handlers/resume.ts': [
        [
          '    const repinned = repin(draft, inv, deployment);\n',
          "    const repinned = 'applied';\n    void repin;\n",
        ],
      ],
    },
    found: ['O3', 'liveness'],
  },
  {
    name: 'a resume on the latest keeps its deployment',
    edits: {
      'runtime/partition/local-engine.ts': [
        [
          "    if (choice === 'latest') return this.deploymentOf(target.service) ?? 'none';",
          "    if (choice === 'latest') return kept;",
        ],
      ],
    },
    found: ['O3', 'liveness'],
  },
  {
    name: 'a retry moves to the newest deployment',
    edits: {
      'runtime/core/lifecycle.ts': [
        [
          '  if (inv.pinned === undefined) {\n    const pointer',
          '  if (inv.pinned !== null) {\n    const pointer',
        ],
      ],
    },
    found: ['O3'],
  },
  {
    name: 'a promotion changes nothing',
    edits: {
      'runtime/core/handlers/promote-deployment.ts': [
        ["    draft.put('service', name, { name, deployment: id, revision });\n", '    void revision;\n'],
      ],
    },
    found: ['O3'],
  },
  {
    name: 'a restarted prefix is replayed with another seed',
    edits: {
      'runtime/partition/local-engine.ts': [
        [
          'const seed = kept === INPUT_ONLY ? undefined : row?.randomSeed;',
          'const seed = kept.entries.length === 0 ? row?.randomSeed : undefined;',
        ],
      ],
    },
    found: ['C6'],
  },
  {
    name: 'a restarted prefix lacks the results that came later',
    edits: {
      'runtime/partition/restart.ts': [
        [
          'if (!wanted.delete(entry.completionId) && index > from) continue;',
          'wanted.delete(entry.completionId);\n      if (index > from) continue;',
        ],
      ],
    },
    found: ['C6'],
  },
  {
    name: 'a restart takes the whole journal',
    edits: {
      'runtime/core/handlers/restart-as-new.ts': [
        ['if (!wanted.has(index++)) continue;', 'index += wanted.size;'],
      ],
    },
    found: ['C6', 'liveness', 'W1'],
  },
  {
    name: 'a purge leaves the journal',
    edits: {
      'runtime/core/lifecycle.ts': [
        ['  draft.dropJournal(id);\n  if (journalExpiresAt', '  if (journalExpiresAt'],
      ],
    },
    found: ['C8', 'C6'],
  },
  {
    name: 'a journal outlives its retention',
    edits: {
      'runtime/core/handlers/timer-fired.ts': [
        ['keepWithoutJournal(draft, row);', 'void keepWithoutJournal;'],
      ],
    },
    found: ['C8'],
  },
  {
    name: 'a purge leaves the timer of the retention',
    edits: {
      'runtime/core/lifecycle.ts': [
        [
          "  draft.stopTimer(timerKey({ at: row.expiresAt, invocation: row.id, kind: 'dropCompleted' }));\n",
          '',
        ],
      ],
    },
    found: ['C8'],
  },
  {
    name: 'a purge of a workflow leaves its key',
    edits: {
      'runtime/core/lifecycle.ts': [["  if (row.role === 'workflow') forgetRun(draft, row.target);\n", '']],
    },
    found: ['C8', 'O1', 'C7'],
  },
  {
    name: 'a kill keeps its place among the attempts',
    edits: {
      'runtime/core/handlers/kill.ts': [
        ["      draft.effects.push({ type: 'abortAttempt', id: next, attempt: inv.attempt });\n", ''],
      ],
    },
    found: ['C8'],
  },
  {
    name: 'a kill leaves what waits for an attach',
    edits: {
      'runtime/core/lifecycle.ts': [
        ['if (callee !== undefined) callee.listeners = without(callee.listeners, inv.id);', 'void callee;'],
      ],
    },
    found: ['C8'],
  },
];
