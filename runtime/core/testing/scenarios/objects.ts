/** Virtual objects: who holds a key, who waits for it, and its state. */
import { stateVersion } from '../../object-state.ts';
import {
  attempt,
  cancel,
  failure,
  invoke,
  kill,
  ops,
  patch,
  pause,
  resume,
  returns,
  signalTo,
  success,
} from '../commands.ts';
import type { Scenarios } from '../transcript.ts';

const { call, clearAllState, clearState, getPromise, getState, getStateKeys, output, readState } = ops;
const { send, setState, signal, sleep } = ops;

export const objects: Scenarios = {
  'exclusive handlers take the key in the order of acceptance': {
    steps: [
      invoke('x', 'Obj/k/set'),
      invoke('y', 'Obj/k/set'),
      invoke('z', 'Obj/k/set'),
      invoke('elsewhere', 'Obj/m/set'),
      returns('x'),
      invoke('last', 'Obj/k/set'),
      returns('y'),
      returns('z'),
      returns('last'),
    ],
  },
  'a queued one that is cancelled leaves from wherever it stands': {
    steps: [
      ...['holder', 'a', 'b', 'c', 'd'].map(name => invoke(name, 'Obj/k/set')),
      cancel('b'),
      cancel('a'),
      cancel('d'),
      cancel('c'),
      returns('holder'),
    ],
  },
  'kill of a queued one lets it go, kill of the holder hands over': {
    kept: true,
    steps: [
      ...['holder', 'a', 'b'].map(name => invoke(name, 'Obj/k/set')),
      kill('a'),
      kill('holder'),
      returns('holder'),
      returns('b'),
    ],
  },
  'a queued one drops signals other than a cancellation': {
    steps: [
      invoke('holder', 'Obj/k/set'),
      invoke('x', 'Obj/k/set'),
      signalTo('x', 17, success('lost')),
      returns('holder'),
    ],
  },
  'the holder keeps the key while it sleeps, backs off and is paused': {
    steps: [
      invoke('holder', 'Obj/k/set'),
      invoke('x', 'Obj/k/set'),
      attempt('holder', 1, 1, [sleep(1, 100)], { awaits: [1] }),
      { fire: 100 },
      attempt('holder', 2, 3, [], { fails: 'kaput', after: 50 }),
      pause('holder'),
      resume('holder'),
      attempt('holder', 3, 3, [output(success('1'))], 'completed'),
    ],
  },
  'shared handlers run beside the holder and see what it has written': {
    steps: [
      invoke('holder', 'Obj/k/set'),
      attempt('holder', 1, 1, [setState('a', '1'), sleep(1, 100)], { awaits: [1] }),
      invoke('shared', 'Obj/k/get'),
      attempt('shared', 1, 1, [getState(1, 'a'), getStateKeys(2)], { awaits: [1] }),
      attempt('shared', 2, 5, [output(success('1'))], 'completed'),
    ],
  },
  'one that becomes due takes the key or a place behind who is there': {
    steps: [
      invoke('first', 'Obj/k/set', { startAt: 100 }),
      invoke('second', 'Obj/k/set', { startAt: 200 }),
      invoke('third', 'Obj/k/set', { startAt: 300 }),
      { fire: 100 },
      { fire: 200 },
      kill('third'),
      returns('first'),
    ],
  },
  'reads and writes of one answer follow each other': {
    steps: [
      invoke('x', 'Obj/k/set'),
      attempt(
        'x',
        1,
        1,
        [
          setState('a', '1'),
          getState(1, 'a'),
          clearState('a'),
          clearState('never'),
          getState(2, 'a'),
          setState('b', '2'),
          setState('a/c', '3'),
          getStateKeys(3),
        ],
        { awaits: [3] },
      ),
      attempt('x', 2, 12, [setState('d', '4'), clearAllState(), getStateKeys(4)], { awaits: [4] }),
      attempt('x', 3, 16, [setState('e', '5'), readState(), output(success('1'))], 'completed'),
      invoke('y', 'Obj/k/set'),
      attempt('y', 1, 1, [getStateKeys(1), getState(2, 'e')], { awaits: [1] }),
    ],
  },
  'state stays whatever becomes of who wrote it': {
    steps: [
      invoke('fails', 'Obj/k/set'),
      attempt('fails', 1, 1, [setState('a', '1')], { fails: 'kaput', after: 50 }),
      { fire: 50 },
      attempt('fails', 2, 2, [setState('b', '2'), output(failure(500, 'no'))], 'completed'),
      invoke('killed', 'Obj/k/set'),
      attempt('killed', 1, 1, [setState('c', '3'), sleep(1, 1000)], { awaits: [1] }),
      kill('killed'),
      invoke('reader', 'Obj/k/get'),
      attempt('reader', 1, 1, [getStateKeys(1)], { awaits: [1] }),
    ],
  },
  'who may not touch state or promises fails the attempt whole': {
    steps: [
      invoke('service', 'Svc/a'),
      attempt('service', 1, 1, [sleep(1, 100), getState(2, 'a')], { awaits: [2] }),
      invoke('shared', 'Obj/k/get'),
      attempt('shared', 1, 1, [getState(1, 'a'), setState('a', '1')], { awaits: [1] }),
      invoke('exclusive', 'Obj/k/set'),
      attempt('exclusive', 1, 1, [setState('a', '1'), getPromise(1, 'p')], { awaits: [1] }),
      invoke('ask', 'Wf/k/ask'),
      attempt('ask', 1, 1, [getPromise(1, 'p'), clearAllState()], { awaits: [1] }),
      invoke('long', 'Obj/l/set'),
      attempt('long', 1, 1, [setState('k'.repeat(1025), '1')], { awaits: [], signals: [17] }),
    ],
  },
  'a call to its own key waits until the cancellation of both': {
    steps: [
      invoke('x', 'Obj/k/set'),
      attempt('x', 1, 1, [call('Obj/k/set', 'y', 1)], { awaits: [2] }),
      cancel('x'),
      attempt('x', 2, 4, [signal('y', 1, { kind: 'void' })], { awaits: [2] }),
      attempt('x', 3, 6, [output(failure(409, 'cancelled'))], 'completed'),
    ],
  },
  'kill of a tree frees the keys that it holds and waits for': {
    steps: [
      invoke('root', 'Svc/a'),
      attempt('root', 1, 1, [call('Obj/k/set', 'holder', 1), send('Obj/k/set', 'queued', 3)], {
        awaits: [2],
      }),
      invoke('outsider', 'Obj/k/set'),
      attempt('holder', 1, 1, [setState('a', '1'), call('Obj/m/set', 'deep', 1)], { awaits: [2] }),
      kill('root'),
      returns('outsider'),
    ],
  },
  'state is patched at once on a free key': {
    steps: [
      patch('Obj/k', { a: '1', b: '2' }),
      patch('Obj/k', { c: '3' }, 'an older version'),
      patch(
        'Obj/k',
        { c: '3' },
        stateVersion([
          ['a', success('1').value],
          ['b', success('2').value],
        ]),
      ),
      patch('Obj/k', {}),
    ],
  },
  'patches that wait are few, and one without a condition takes the place of all before it': {
    steps: [
      invoke('holder', 'Obj/k/set'),
      ...Array.from({ length: 17 }, (_, n) => patch('Obj/k', { n: `${n}` }, 'an older version')),
      patch('Obj/k', { a: '1' }),
      kill('holder'),
    ],
  },
  'patches of a held key are applied between its holders': {
    steps: [
      invoke('holder', 'Obj/k/set'),
      invoke('next', 'Obj/k/set'),
      patch('Obj/k', { a: '1' }),
      patch('Obj/k', { b: '2' }, 'an older version'),
      attempt('holder', 1, 1, [setState('z', '9'), output(success('1'))], 'completed'),
      attempt('next', 1, 1, [getStateKeys(1)], { awaits: [1] }),
      patch('Obj/k', { c: '3' }),
      kill('next'),
    ],
  },
};
