/** Trees of futures (V7), and live attempts, whose answers come in parts. */
import type { Combinator, Future } from '../../model.ts';
import { attempt, cancel, failure, invoke, kill, ops, pause, signalTo, success } from '../commands.ts';
import type { Scenarios } from '../transcript.ts';

const { output, sleep, run, proposal, call } = ops;

const of = (combinator: Combinator, ...children: readonly (number | string | Future)[]): Future => ({
  combinator,
  completions: children.filter(child => typeof child === 'number'),
  signals: children.filter(child => typeof child === 'string'),
  nested: children.filter(child => typeof child === 'object'),
});
/** What every handler with implicit cancellation sends. */
const cancellable = (future: Future): Future => ({ ...of('firstCompleted', future), signals: [1] });

export const futures: Scenarios = {
  'an all wakes the handler once': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [sleep(1, 100), sleep(2, 200)], {
        future: cancellable(of('allSucceeded', 1, 2)),
      }),
      { fire: 100 },
      { fire: 200 },
      attempt('x', 2, 5, [output(success('1'))], 'completed'),
    ],
  },
  'an all wakes the handler at the first failure': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [sleep(1, 100), call('Svc/b', 'y', 2)], {
        future: cancellable(of('allSucceeded', 1, 3)),
      }),
      attempt('y', 1, 1, [output(failure(500, 'no'))], 'completed'),
    ],
  },
  'an any goes on past failures': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [sleep(1, 100)], {
        future: cancellable(of('firstSucceeded', 1, 'first', 'second')),
      }),
      signalTo('x', 'first', failure(500, 'no')),
      signalTo('x', 'second', success('yes')),
    ],
  },
  'what came while the attempt ran is taken into account, failures too': {
    steps: [
      invoke('x', 'Svc/a'),
      signalTo('x', 'first', failure(500, 'no')),
      attempt('x', 1, 1, [sleep(1, 100)], { future: of('firstSucceeded', 1, 'first') }),
      { fire: 100 },
    ],
  },
  'a tree that what came meanwhile completes is not waited for': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [sleep(1, 100), run(2), proposal(2, success('2'))], {
        future: cancellable(of('allCompleted', 2)),
      }),
    ],
  },
  'what the handler had seen counts in a tree; alone it does not wake it again': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [sleep(1, 100), sleep(2, 200), sleep(3, 300)], { awaits: [1] }),
      { fire: 100 },
      attempt('x', 2, 5, [], { future: cancellable(of('allSucceeded', 1, 2)) }),
      { fire: 200 },
      attempt('x', 3, 6, [], { future: cancellable(of('firstCompleted', 1, 3)) }),
      { fire: 300 },
    ],
  },
  'cancellation completes any tree it is in': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [sleep(1, 100), sleep(2, 200)], {
        future: cancellable(of('allSucceeded', 1, of('firstCompleted', 2))),
      }),
      cancel('x'),
    ],
  },
  'a tree with a part that can never come is refused': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [sleep(1, 100), run(2)], { future: cancellable(of('allSucceeded', 1, 2)) }),
    ],
  },
  'a live attempt is recorded in parts, and told what its journal gets': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [run(1), proposal(1, success('1')), sleep(2, 100)], 'goesOn'),
      { fire: 100 },
      attempt('x', 1, 5, [output(success('1'))], 'goesOn'),
      attempt('x', 1, 6, [], 'completed'),
    ],
  },
  'a live attempt that suspends has seen what it was sent before its input was closed': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [sleep(1, 100), sleep(2, 200), sleep(3, 300)], 'goesOn'),
      { fire: 100 },
      { fire: 200 },
      // It was sent the first, and the input was closed before the second came.
      attempt('x', 1, 5, [], { awaits: [1, 2] }),
    ],
  },
  'a part that is not acceptable fails the live attempt; those before it stay, those after it are stale': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [run(1)], 'goesOn'),
      attempt('x', 1, 1, [run(1)], 'goesOn'),
      attempt('x', 1, 1, [sleep(2, 100)], 'goesOn'),
    ],
  },
  'a live attempt is asked to end when it is to pause, and aborted when it is killed': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [sleep(1, 100)], 'goesOn'),
      pause('x'),
      attempt('x', 1, 2, [], { awaits: [1] }),
      invoke('y', 'Svc/a'),
      attempt('y', 1, 1, [sleep(1, 100)], 'goesOn'),
      kill('y'),
      attempt('y', 1, 2, [sleep(2, 100)], 'goesOn'),
    ],
  },
};
