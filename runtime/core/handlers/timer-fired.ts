import type { CommandOf } from '../command.ts';
import type { Draft } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { begin, forget, keepWithoutJournal, resolvePending, startAttempt } from '../lifecycle.ts';
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
  start(draft, { invocation }, key) {
    const inv = draft.invocation(invocation);
    if (inv?.state.status === 'scheduled' && inv.state.timer === key) begin(draft, inv, 'scheduled');
  },
  retry(draft, { invocation }, key) {
    const inv = draft.invocation(invocation);
    if (inv?.state.status === 'backingOff' && inv.state.timer === key) startAttempt(draft, inv, 'retry');
  },
  dropJournal(draft, { invocation }) {
    const row = draft.completed(invocation);
    if (row !== undefined) keepWithoutJournal(draft, row);
  },
  dropCompleted(draft, { invocation }) {
    const row = draft.completed(invocation);
    if (row !== undefined) forget(draft, row);
  },
  dropPromise(draft, { promise }, key) {
    const row = draft.read('promise', promise);
    if (row?.timer !== key) return;
    // `<service>/<key>/<name>`, and its instance is named by the first two.
    const instance = promise.slice(0, promise.lastIndexOf('/'));
    const hasRun = draft.read('instance', instance)?.run !== undefined;
    draft.put('promise', promise, hasRun ? { ...row, timer: undefined } : undefined);
  },
};
