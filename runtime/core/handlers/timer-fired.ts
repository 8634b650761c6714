import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { resolvePending, startAttempt } from '../lifecycle.ts';
import type { Timer } from '../model.ts';

/** W1: the row is the timer. It is deleted by firing, so it fires once, and a record from before its time is ignored. */
export function timerFired(draft: Draft, { timer: key }: CommandOf<'timerFired'>): Outcome {
  const timer = draft.read('timer', key);
  if (timer === undefined) return 'stale';
  if (draft.at < timer.at) {
    draft.effects.push({ type: 'armTimer', timer: key, at: timer.at });
    return 'stale';
  }
  draft.stopTimer(key);
  fire[timer.kind](draft, timer as never, key);
  return 'applied';
}

type TimerOf<K extends Timer['kind']> = Extract<Timer, { kind: K }>;

const fire: { readonly [K in Timer['kind']]: (draft: Draft, timer: TimerOf<K>, key: string) => void } = {
  sleep(draft, timer) {
    const inv = draft.invocation(timer.invocation);
    if (inv !== undefined) resolvePending(draft, inv, 'sleep', timer.completionId, { kind: 'void' });
  },
  start: begin,
  retry: begin,
  dropJournal(draft, { invocation }) {
    const row = draft.completed(invocation);
    if (row === undefined) return;
    draft.dropJournal(invocation);
    draft.put('completed', invocation, { ...row, entries: 0 });
  },
  dropCompleted(draft, { invocation }) {
    draft.dropJournal(invocation);
    draft.put('completed', invocation, undefined);
  },
};

function begin(draft: Draft, { invocation }: Timer, key: string): void {
  const inv = draft.invocation(invocation);
  if (inv === undefined) return;
  const { state } = inv;
  if ((state.status === 'scheduled' || state.status === 'backingOff') && state.timer === key)
    startAttempt(draft, inv);
}
