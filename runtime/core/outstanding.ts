/**
 * C2: everything a fresh leader still owes, derived from the state alone: an attempt for every invocation that
 * should have one, and every timer. Suspended and paused invocations owe nothing until something reaches them.
 */
import type { Effect } from './effect.ts';
import type { View } from './table.ts';

export function* outstanding(view: View): Iterable<Effect> {
  for (const [, inv] of view.scan('invocation', '')) {
    if (inv.state.status === 'running') yield { type: 'startAttempt', id: inv.id, attempt: inv.attempt };
  }
  for (const [key, timer] of view.scan('timer', '')) yield { type: 'armTimer', timer: key, at: timer.at };
}
