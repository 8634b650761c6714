/** Plain services: attempts, sleeps, calls, signals, retries. */
import { attempt, cancel, failure, id, invoke, kill, ops, resume, signalTo, success } from '../commands.ts';
import type { Scenarios } from '../transcript.ts';

const { output, sleep, run, proposal, call, send, signal, attach, getOutput } = ops;

export const services: Scenarios = {
  'an empty handler leaves nothing behind': {
    steps: [invoke('x', 'Svc/a'), attempt('x', 1, 1, [output(success('1'))], 'completed')],
  },
  'an unknown target is refused': { steps: [invoke('x', 'Svc/nope'), invoke('y', 'Nope/a')] },
  'a result and a journal are kept for their retention': {
    kept: true,
    steps: [
      invoke('x', 'Svc/a', { key: 'k' }),
      attempt('x', 1, 1, [output(success('1'))], 'completed'),
      invoke('x', 'Svc/a', { key: 'k' }),
      { fire: 1000 },
      { fire: 3000 },
      invoke('x', 'Svc/a', { key: 'k' }),
    ],
  },
  'the same idempotency key is accepted once': {
    steps: [invoke('x', 'Svc/a', { key: 'k' }), invoke('x', 'Svc/a', { key: 'k' })],
  },
  'a run resumes at once, its result journaled behind it': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [run(1), proposal(1, success('42'))], { awaits: [1] }),
      attempt('x', 2, 3, [output(success('42'))], 'completed'),
    ],
  },
  'a run that was begun and not proposed is proposed by the next attempt': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [run(1)], { fails: 'kaput', after: 50 }),
      { fire: 50 },
      attempt('x', 2, 2, [proposal(1, success('42'))], { awaits: [1] }),
      attempt('x', 3, 3, [output(success('42'))], 'completed'),
    ],
  },
  'a sleep fires once and not early': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [sleep(1, 100)], { awaits: [1] }),
      { at: 50, command: { type: 'timerFired', timer: `0000000000000100/${id('x')}/sleep1` } },
      { at: 100, command: { type: 'timerFired', timer: `0000000000000100/${id('x')}/sleep1` } },
      { at: 101, command: { type: 'timerFired', timer: `0000000000000100/${id('x')}/sleep1` } },
    ],
  },
  'a sleep that is over already resumes at once': {
    steps: [{ at: 10, command: invoke('x', 'Svc/a') }, attempt('x', 1, 1, [sleep(1, 5)], { awaits: [1] })],
  },
  'a timer that fires while the attempt still runs resumes at its suspension': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [sleep(1, 100), run(2), proposal(2, success('1'))], { awaits: [2] }),
      { fire: 100 },
      attempt('x', 2, 4, [], { awaits: [1] }),
    ],
  },
  'an ended invocation takes its timers with it': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [sleep(1, 100), sleep(2, 200)], { awaits: [1] }),
      { fire: 100 },
      attempt('x', 2, 4, [output(success('1'))], 'completed'),
    ],
  },
  'a call starts the callee and wakes the caller with its result': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [call('Svc/b', 'y', 1)], { awaits: [2] }),
      attempt('y', 1, 1, [output(failure(418, 'teapot'))], 'completed'),
      attempt('x', 2, 4, [output(success('1'))], 'completed'),
    ],
  },
  'two calls with one idempotency key share the callee': {
    kept: true,
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [call('Svc/b', 'y', 1, 'k'), call('Svc/b', 'y', 3, 'k')], { awaits: [2] }),
      attempt('y', 1, 1, [output(success('1'))], 'completed'),
      attempt('x', 2, 7, [call('Svc/b', 'y', 5, 'k')], { awaits: [6] }),
    ],
  },
  'a call to what is not registered fails the attempt whole': {
    steps: [invoke('x', 'Svc/a'), attempt('x', 1, 1, [run(1), call('Nope/b', 'y', 2)], { awaits: [3] })],
  },
  'sends run beside their sender, now or later': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt(
        'x',
        1,
        1,
        [send('Svc/b', 'y', 1), send('Svc/b', 'z', 2, 500), output(success('1'))],
        'completed',
      ),
      { fire: 500 },
    ],
  },
  'an awakeable may be completed before it is awaited': {
    steps: [
      invoke('x', 'Svc/a'),
      signalTo('x', 17, success('early')),
      attempt('x', 1, 1, [], { awaits: [], signals: [17, 1] }),
      attempt('x', 2, 2, [output(success('early'))], 'completed'),
      signalTo('x', 17, success('late')),
    ],
  },
  'an awakeable completed by another handler': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [], { awaits: [], signals: [17, 1] }),
      invoke('y', 'Svc/b'),
      attempt('y', 1, 1, [signal('x', 17, success('hi')), output(success('1'))], 'completed'),
    ],
  },
  'what the attempt has seen does not wake it again': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [sleep(1, 1000)], { awaits: [1] }),
      cancel('x'),
      attempt('x', 2, 3, [sleep(2, 2000)], { awaits: [2] }),
      cancel('x'),
    ],
  },
  'cancel in every state': {
    steps: [
      cancel('unknown'),
      invoke('scheduled', 'Svc/a', { startAt: 100 }),
      cancel('scheduled'),
      invoke('x', 'Svc/a'),
      cancel('x'),
      attempt('x', 1, 1, [], { fails: 'kaput', after: 'pause' }),
      cancel('x'),
      attempt('x', 2, 3, [output(failure(409, 'cancelled'))], 'completed'),
    ],
  },
  'kill ends what waits for another and leaves no listener behind': {
    steps: [
      invoke('y', 'Svc/b'),
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [attach(1, 'y'), sleep(2, 100)], { awaits: [1] }),
      kill('x'),
      attempt('y', 1, 1, [output(success('1'))], 'completed'),
    ],
  },
  'kill ends what was called and sent to, down the tree': {
    kept: true,
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [call('Svc/b', 'y', 1), send('Svc/b', 'z', 3), send('Svc/b', 'l', 4, 500)], {
        awaits: [2],
      }),
      attempt('y', 1, 1, [call('Svc/b', 'w', 1)], { awaits: [2] }),
      attempt('z', 1, 1, [output(success('1'))], 'completed'),
      kill('x'),
      attempt('w', 1, 1, [output(success('1'))], 'completed'),
      { fire: 500 },
    ],
  },
  'an idempotent callee that ends and begins again in one answer': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [send('Svc/b', 'y', 1, 500, 'k')], { fails: 'kaput', after: 0 }),
      resume('x'),
      attempt('x', 2, 3, [signal('y', 1, { kind: 'void' }), call('Svc/b', 'y', 2, 'k')], { awaits: [3] }),
      attempt('y', 1, 1, [output(success('1'))], 'completed'),
    ],
  },
  'kill of a running attempt aborts it and ignores its answer': {
    kept: true,
    steps: [
      invoke('x', 'Svc/a'),
      kill('x'),
      attempt('x', 1, 1, [output(success('late'))], 'completed'),
      kill('x'),
    ],
  },
  'an older attempt is ignored': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [], { fails: 'kaput', after: 10 }),
      attempt('x', 1, 1, [output(success('zombie'))], 'completed'),
      { fire: 10 },
      attempt('x', 1, 1, [output(success('zombie'))], 'completed'),
    ],
  },
  'retries, then a pause, then a resume with a fresh budget': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [], { fails: 'kaput', after: 10 }),
      resume('x'),
      attempt('x', 2, 1, [], { fails: 'kaput', after: 'pause' }),
      resume('x'),
      resume('x'),
    ],
  },
  'a policy that kills ends with the last error': {
    steps: [invoke('x', 'Svc/a'), attempt('x', 1, 1, [], { fails: 'kaput', after: 'kill' })],
  },
  'attach waits, get-output does not': {
    kept: true,
    steps: [
      invoke('x', 'Svc/a'),
      invoke('y', 'Svc/b'),
      attempt('x', 1, 1, [attach(1, 'y'), getOutput(2, 'y'), attach(3, 'none')], { awaits: [1] }),
      attempt('y', 1, 1, [output(success('1'))], 'completed'),
      attempt('x', 2, 7, [getOutput(4, 'y'), output(success('1'))], 'completed'),
    ],
  },
  'an answer that is not acceptable changes nothing but the retry': {
    steps: [
      invoke('x', 'Svc/a'),
      attempt('x', 1, 1, [], 'completed'),
      { fire: 500 },
      attempt('x', 2, 1, [run(1), run(1)], { awaits: [1] }),
      { fire: 1000 },
      attempt('x', 3, 1, [run(1)], { awaits: [1] }),
      { fire: 1500 },
      attempt('x', 4, 1, [proposal(9, success('1'))], { awaits: [9] }),
    ],
  },
};
