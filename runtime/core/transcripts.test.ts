/**
 * Commands in, rows and effects out: one golden transcript per behaviour, readable as a sequence diagram. Together
 * they take every transition, give every outcome, and hold every command and operation.
 */
import { expect, test, vi } from 'vitest';
import type { Command, Op } from './command.ts';
import type { Outcome } from './effect.ts';
import { outstanding } from './outstanding.ts';
import { attempt, id, invoke, ops } from './testing/commands.ts';
import { futures } from './testing/scenarios/futures.ts';
import { objects } from './testing/scenarios/objects.ts';
import { operations } from './testing/scenarios/operations.ts';
import { services } from './testing/scenarios/services.ts';
import { workflows } from './testing/scenarios/workflows.ts';
import { play } from './testing/transcript.ts';
import { TRANSITIONS } from './transitions.ts';

const taken = vi.hoisted(() => new Set<string>());
vi.mock('./transitions.ts', async importOriginal => {
  const original = await importOriginal<typeof import('./transitions.ts')>();
  const check: typeof original.check = (from, event, to) => {
    original.check(from, event, to);
    taken.add(`${from} ${event} ${to}`);
  };
  return { ...original, check };
});

const scenarios = [services, futures, objects, workflows, operations].flatMap(of => Object.entries(of));

test.for(scenarios)('%s', async ([name, scenario]) => {
  await expect(play(scenario).toString()).toMatchFileSnapshot(
    `golden/${name.replaceAll(/[ ,:]+/g, '-')}.txt`,
  );
});

/** Tables, so that what is new is missed here by the compiler. False: not the core's to give. */
const OUTCOMES: { readonly [O in Outcome]: boolean } = {
  applied: true,
  alreadyAccepted: true,
  ended: true,
  unknown: true,
  alreadyCompleted: true,
  notPaused: true,
  notRunning: true,
  alreadyPaused: true,
  notStarted: true,
  notCompleted: true,
  journalGone: true,
  isWorkflow: true,
  unknownDeployment: true,
  incompatibleDeployment: true,
  unknownTarget: true,
  tooMany: true,
  inUse: false,
  stale: true,
};
const COMMANDS: { readonly [C in Command['type']]: true } = {
  initialize: true,
  invoke: true,
  attempt: true,
  timerFired: true,
  signal: true,
  cancel: true,
  kill: true,
  pause: true,
  resume: true,
  restartAsNew: true,
  purge: true,
  purgeJournal: true,
  patchState: true,
  registerDeployment: true,
  promoteDeployment: true,
  removeDeployment: true,
  updateService: true,
};
const OPS: { readonly [O in Op['op']]: true } = {
  output: true,
  sleep: true,
  call: true,
  send: true,
  run: true,
  runCompletion: true,
  signal: true,
  attach: true,
  getOutput: true,
  getState: true,
  getStateKeys: true,
  readState: true,
  setState: true,
  clearState: true,
  clearAllState: true,
  getPromise: true,
  peekPromise: true,
  completePromise: true,
};

test('every transition is taken; every outcome, command and operation occurs', () => {
  taken.clear();
  const outcomes = new Set<string>();
  const commands = new Set<string>(['timerFired']);
  const done = new Set<string>();
  for (const [, scenario] of scenarios) {
    for (const outcome of play(scenario).outcomes) outcomes.add(outcome);
    for (const step of scenario.steps) {
      const command = 'type' in step ? step : 'command' in step ? step.command : undefined;
      if (command === undefined) continue;
      commands.add(command.type);
      if (command.type === 'attempt') for (const { op } of command.ops) done.add(op);
    }
  }
  const wanted = Object.entries(OUTCOMES).filter(([, isOurs]) => isOurs);
  expect([...taken].sort()).toEqual(TRANSITIONS.map(row => row.join(' ')).sort());
  expect([...outcomes].sort()).toEqual(wanted.map(([outcome]) => outcome).sort());
  expect([...commands].sort()).toEqual(Object.keys(COMMANDS).sort());
  expect([...done].sort()).toEqual(Object.keys(OPS).sort());
});

test('what is outstanding follows from the state: attempts under way and every timer', () => {
  const { view } = play({
    steps: [
      invoke('running', 'Svc/a'),
      invoke('scheduled', 'Svc/a', { startAt: 900 }),
      invoke('asleep', 'Svc/a'),
      attempt('asleep', 1, 1, [ops.sleep(1, 700)], { awaits: [1] }),
      invoke('retrying', 'Svc/a'),
      attempt('retrying', 1, 1, [], { fails: 'kaput', after: 300 }),
      invoke('paused', 'Svc/a'),
      attempt('paused', 1, 1, [], { fails: 'kaput', after: 'pause' }),
      invoke('holder', 'Obj/k/set'),
      invoke('queued', 'Obj/k/set'),
    ],
  });
  const owed = [...outstanding(view)].map(effect =>
    effect.type === 'armTimer' ? effect.timer : `${effect.type} ${'attempt' in effect ? effect.id : ''}`,
  );
  expect(owed).toEqual([
    `startAttempt ${id('holder')}`,
    `startAttempt ${id('running')}`,
    `0000000000000300/${id('retrying')}/retry`,
    `0000000000000700/${id('asleep')}/sleep1`,
    `0000000000000900/${id('scheduled')}/start`,
  ]);
});
