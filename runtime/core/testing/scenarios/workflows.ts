/** Workflows: one run for each key, shared handlers around it, durable promises. */
import {
  attempt,
  cancel,
  failure,
  invoke,
  kill,
  ops,
  patch,
  purge,
  register,
  restart,
  returns,
  success,
} from '../commands.ts';
import { deployment } from '../memory-view.ts';
import type { Scenarios } from '../transcript.ts';

const { attach, call, completePromise, getOutput, getPromise, getState, output, peekPromise } = ops;
const { send, setState } = ops;

/** `Wf` as a virtual object, with `run` for a handler. */
const objects = deployment('two', { services: ['Wf'], revision: 2, kept: true });
const became = {
  ...objects,
  services: objects.services.map(service => ({
    ...service,
    type: 'virtualObject' as const,
    handlers: service.handlers.map(handler => ({ ...handler, type: 'exclusive' as const })),
  })),
};

export const workflows: Scenarios = {
  'a workflow runs once until its retention is over': {
    kept: true,
    steps: [
      invoke('w', 'Wf/k/run'),
      invoke('w', 'Wf/k/run'),
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [call('Wf/k/run', 'w', 1), send('Wf/k/run', 'w', 3)], { awaits: [2] }),
      returns('w'),
      invoke('w', 'Wf/k/run'),
      attempt('x', 2, 6, [call('Wf/k/run', 'w', 4)], { awaits: [5] }),
      restart('w', 'again'),
      { fire: 1000 },
      { fire: 2000 },
      invoke('w', 'Wf/k/run'),
    ],
  },
  'a workflow that nobody keeps may run again when it has ended': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [call('Wf/k/run', 'w', 1)], { awaits: [2] }),
      attempt('w', 1, 1, [setState('a', '1'), output(success('1'))], 'completed'),
      attempt('x', 2, 4, [send('Wf/k/run', 'w', 3), output(success('1'))], 'completed'),
      kill('w'),
      invoke('w', 'Wf/k/run', { startAt: 100 }),
      cancel('w'),
    ],
  },
  'shared handlers run before, beside and after the run': {
    kept: true,
    steps: [
      invoke('before', 'Wf/k/ask'),
      attempt('before', 1, 1, [getState(1, 'a'), peekPromise(2, 'p')], { awaits: [1] }),
      kill('before'),
      invoke('w', 'Wf/k/run'),
      attempt('w', 1, 1, [setState('a', '1'), getPromise(1, 'p')], { awaits: [1] }),
      invoke('beside', 'Wf/k/ask'),
      attempt(
        'beside',
        1,
        1,
        [getState(1, 'a'), completePromise(2, 'p', success('yes')), output(success('1'))],
        'completed',
      ),
      attempt('w', 2, 4, [output(success('1'))], 'completed'),
      { at: 1999, command: invoke('after', 'Wf/k/ask') },
      attempt('after', 1, 1, [getState(1, 'a'), getPromise(2, 'p'), output(success('1'))], 'completed'),
      { fire: 2000 },
      invoke('late', 'Wf/k/ask'),
      attempt('late', 1, 1, [getState(1, 'a'), peekPromise(2, 'p'), output(success('1'))], 'completed'),
    ],
  },
  'a promise wakes all who wait and is completed once': {
    kept: true,
    steps: [
      invoke('w', 'Wf/k/run'),
      attempt('w', 1, 1, [getPromise(1, 'p'), getPromise(2, 'p')], { awaits: [1] }),
      invoke('waits', 'Wf/k/ask'),
      attempt('waits', 1, 1, [peekPromise(1, 'p'), getPromise(2, 'p')], { awaits: [2] }),
      invoke('killed', 'Wf/k/ask'),
      attempt('killed', 1, 1, [getPromise(1, 'p'), getPromise(2, 'q')], { awaits: [1, 2] }),
      kill('killed'),
      invoke('completes', 'Wf/k/ask'),
      attempt(
        'completes',
        1,
        1,
        [
          completePromise(1, 'p', failure(400, 'no')),
          completePromise(2, 'p', success('yes')),
          peekPromise(3, 'p'),
          getPromise(4, 'p'),
        ],
        { awaits: [2] },
      ),
    ],
  },
  'a promise that nobody ran a workflow for is dropped in time': {
    kept: true,
    steps: [
      invoke('x', 'Wf/k/ask'),
      attempt('x', 1, 1, [completePromise(1, 'p', success('yes')), output(success('1'))], 'completed'),
      { fire: 2000 },
    ],
  },
  'a promise that was completed before the run is kept as long as that': {
    kept: true,
    steps: [
      invoke('x', 'Wf/k/ask'),
      attempt('x', 1, 1, [completePromise(1, 'p', success('yes')), output(success('1'))], 'completed'),
      { at: 1000, command: invoke('w', 'Wf/k/run') },
      { fire: 2000 },
      attempt('w', 1, 1, [getPromise(1, 'p')], { awaits: [1] }),
      attempt('w', 2, 3, [output(success('1'))], 'completed'),
      { fire: 4000 },
    ],
  },
  'with a workflow go its state and promises, but not who still waits': {
    kept: true,
    steps: [
      invoke('x', 'Wf/k/ask'),
      attempt('x', 1, 1, [completePromise(1, 'early', success('1')), getPromise(2, 'never')], {
        awaits: [2],
      }),
      invoke('w', 'Wf/k/run'),
      purge('w'),
      attempt(
        'w',
        1,
        1,
        [setState('a', '1'), completePromise(1, 'p', success('1')), output(success('1'))],
        'completed',
      ),
      purge('w'),
      kill('x'),
    ],
  },
  'attach to a workflow': {
    kept: true,
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [attach(1, 'w'), getOutput(2, 'w')], { awaits: [1] }),
      invoke('w', 'Wf/k/run'),
      attempt('x', 2, 5, [attach(3, 'w'), getOutput(4, 'w')], { awaits: [3] }),
      returns('w'),
      attempt('x', 3, 9, [attach(5, 'w'), getOutput(6, 'w')], { awaits: [5] }),
    ],
  },
  'a workflow that is forgotten leaves the state of the object that its service became': {
    kept: true,
    steps: [
      invoke('w', 'Wf/k/run'),
      returns('w'),
      register(became),
      invoke('x', 'Wf/k/run', { deterministic: false }),
      returns('x', setState('a', '1')),
      purge('w'),
    ],
  },
  'the state of a workflow is patched from the acceptance of its run to the end of its retention': {
    kept: true,
    steps: [
      patch('Wf/k', { early: '0' }),
      invoke('w', 'Wf/k/run'),
      patch('Wf/k', { a: '1' }),
      returns('w'),
      patch('Wf/k', { b: '2' }),
      { fire: 2000 },
      patch('Wf/k', { late: '3' }),
    ],
  },
};
