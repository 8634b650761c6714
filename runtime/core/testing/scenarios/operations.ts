/** What operators do: pause, resume, restart, purge, deployments and the settings of services. */
import type { Deployment } from '../../model.ts';
import {
  attempt,
  cancel,
  invoke,
  kill,
  ops,
  pause,
  promote,
  purge,
  purgeJournal,
  register,
  remove,
  restart,
  resume,
  returns,
  signalTo,
  success,
  update,
} from '../commands.ts';
import { deployment } from '../memory-view.ts';
import { type Scenarios, SERVICES } from '../transcript.ts';

const { output, proposal, run, send, sleep } = ops;

const secret = (first: number) => ({ type: 'initialize', idSecret: Uint8Array.of(first) }) as const;
const one: Deployment = deployment('one', { services: SERVICES });
const two: Deployment = deployment('two', { services: ['Svc', 'Other'], revision: 2 });
const old: Deployment = deployment('old', { services: ['Svc'], revision: 0, protocol: [5, 5] });

/** One invocation in each state that does not run. */
const everyState = [
  invoke('scheduled', 'Svc/a', { startAt: 1_000_000 }),
  invoke('holder', 'Obj/k/set'),
  invoke('queued', 'Obj/k/set'),
  invoke('suspended', 'Svc/a'),
  attempt('suspended', 1, 1, [sleep(1, 1_000_000)], { awaits: [1] }),
  invoke('backingOff', 'Svc/a'),
  attempt('backingOff', 1, 1, [], { fails: 'kaput', after: 1_000_000 }),
  invoke('paused', 'Svc/a'),
  attempt('paused', 1, 1, [], { fails: 'kaput', after: 'pause' }),
  invoke('completed', 'Svc/a'),
  returns('completed'),
];
const states = ['unknown', 'scheduled', 'queued', 'suspended', 'backingOff', 'paused', 'completed'];

export const operations: Scenarios = {
  'pause in every state': { kept: true, steps: [...everyState, ...states.map(pause)] },
  'resume in every state': {
    kept: true,
    steps: [...everyState, ...states.map(name => resume(name)), resume('holder'), resume('holder', 'one')],
  },
  'kill wherever it does not run': { kept: true, steps: [...everyState, ...states.map(kill)] },
  'cancel wherever it does not run': { kept: true, steps: [...everyState, ...states.map(cancel)] },
  'an attempt under way is paused when it has ended': {
    steps: [
      invoke('waits', 'Svc/a'),
      pause('waits'),
      attempt('waits', 1, 1, [run(1), proposal(1, success('1'))], { awaits: [1] }),
      signalTo('waits', 17, success('kept')),
      resume('waits'),
      invoke('fails', 'Svc/a'),
      pause('fails'),
      attempt('fails', 1, 1, [run(1)], { fails: 'kaput', after: 50 }),
      invoke('returns', 'Svc/a'),
      pause('returns'),
      pause('returns'),
      returns('returns'),
    ],
  },
  'a pause that has not come about is taken back': {
    steps: [
      invoke('x', 'Svc/a'),
      pause('x'),
      resume('x'),
      attempt('x', 1, 1, [sleep(1, 100)], { awaits: [1] }),
    ],
  },
  'a cancellation overtakes a pause that has not come about': {
    steps: [
      invoke('x', 'Svc/a'),
      pause('x'),
      cancel('x'),
      attempt('x', 1, 1, [sleep(1, 100)], { awaits: [1] }),
    ],
  },
  'a failed attempt that was cancelled meanwhile neither pauses nor waits': {
    steps: [
      invoke('x', 'Svc/a'),
      cancel('x'),
      attempt('x', 1, 1, [], { fails: 'kaput', after: 1_000_000 }),
      attempt('x', 2, 2, [run(1)], { fails: 'seen', after: 100 }),
      invoke('y', 'Svc/a'),
      cancel('y'),
      attempt('y', 1, 1, [], { fails: 'kaput', after: 'pause' }),
      attempt('y', 2, 2, [], { fails: 'seen', after: 'pause' }),
    ],
  },
  'kill of one that was restarted spares what the first one had called': {
    kept: true,
    steps: [
      invoke('x', 'Svc/a'),
      returns('x', send('Svc/b', 'y', 1)),
      restart('x', 'again', { entries: [0, 1, 2], completionIds: [1, 1] }),
      attempt('again', 1, 3, [send('Svc/b', 'z', 2)], { awaits: [], signals: [17, 1] }),
      kill('again'),
    ],
  },
  'resume on another deployment, where the journal can be replayed': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [], { fails: 'kaput', after: 'pause' }),
      register(two),
      register(old),
      register(deployment('elsewhere', { services: ['Else'] })),
      resume('x', 'none'),
      resume('x', 'elsewhere'),
      resume('x', 'old'),
      resume('x', 'two'),
    ],
  },
  'restart as new, with the input or more of the journal': {
    kept: true,
    steps: [
      invoke('x', 'Svc/a', { key: 'k' }),
      attempt('x', 1, 1, [run(1), proposal(1, success('1'))], { awaits: [1] }),
      attempt('x', 2, 3, [sleep(2, 0), output(success('1'))], 'completed'),
      register(two),
      register(old),
      promote('two'),
      restart('x', 'fresh'),
      restart('x', 'fixed', { on: 'one' }),
      restart('x', 'prefix', { entries: [0, 1, 2], completionIds: [1, 1] }),
      attempt('prefix', 1, 3, [run(1)], { awaits: [1] }),
      { fire: 500 },
      attempt('prefix', 2, 3, [sleep(2, 1500)], { awaits: [2] }),
      restart('x', 'moved', { entries: [0, 1, 2], completionIds: [1, 1], on: 'two' }),
      restart('x', 'refused', { entries: [0, 1, 2], completionIds: [1, 1], on: 'old' }),
      restart('x', 'refused', { on: 'none' }),
    ],
  },
  'restart as new is refused while there is nothing to restart': {
    kept: true,
    steps: [
      ...everyState,
      ...states.map(name => restart(name, `${name}-again`)),
      restart('holder', 'holder-again'),
      purgeJournal('completed'),
      restart('completed', 'too-late'),
      invoke('last', 'Svc/a'),
      returns('last'),
      remove('one'),
      restart('last', 'lost'),
    ],
  },
  'restart as new on an object takes its turn': {
    kept: true,
    steps: [
      invoke('x', 'Obj/k/set'),
      returns('x'),
      invoke('holder', 'Obj/k/set'),
      restart('x', 'again'),
      returns('holder'),
    ],
  },
  'purge, whole or the journal alone': {
    kept: true,
    steps: [
      purge('x'),
      purgeJournal('x'),
      invoke('x', 'Svc/a', { key: 'k' }),
      purge('x'),
      purgeJournal('x'),
      returns('x', send('Svc/b', 'y', 1)),
      purgeJournal('x'),
      invoke('x', 'Svc/a', { key: 'k' }),
      purge('x'),
      invoke('x', 'Svc/a', { key: 'k' }),
      returns('x'),
      purge('x'),
      purge('x'),
    ],
  },
  'services follow the newest deployment and fall back when it goes': {
    steps: [
      register(two),
      invoke('x', 'Svc/a'),
      remove('two'),
      remove('two'),
      invoke('y', 'Svc/a'),
      invoke('z', 'Other/a'),
    ],
  },
  'a rollback: new invocations go to the older deployment again': {
    steps: [
      register(two),
      invoke('x', 'Svc/a'),
      promote('one'),
      invoke('y', 'Svc/a'),
      promote('none'),
      promote('two'),
      invoke('z', 'Svc/a'),
    ],
  },
  'an overwrite in place takes no callers and gives up what it drops': {
    steps: [
      register(two),
      register(deployment('one', { services: ['Svc', 'Obj', 'New'], revision: 3 })),
      invoke('x', 'Svc/a'),
      invoke('y', 'Wf/k/run'),
      invoke('z', 'New/a'),
    ],
  },
  'settings survive a move of the deployment, and no overwrite of it': {
    steps: [
      update(one, { journalRetentionMs: 700 }),
      register(one, true),
      invoke('x', 'Svc/a'),
      returns('x'),
      register(one),
      invoke('y', 'Svc/a'),
      returns('y'),
    ],
  },
  'settings of a service hold until its next revision': {
    steps: [
      update(one, { journalRetentionMs: 700 }),
      invoke('x', 'Svc/a'),
      returns('x'),
      promote('one'),
      register(two),
      update(one, { journalRetentionMs: 900 }),
      update(two, { revision: 1 }),
      invoke('y', 'Svc/a'),
      returns('y'),
      remove('two'),
    ],
  },
  'the secret behind the ids of a partition never changes': { steps: [secret(1), secret(2)] },
};
