import type { Working } from './draft.ts';
import type { Invocation, InvocationStatus } from './model.ts';
import { check, type Event } from './transitions.ts';

/** Changes the status of an invocation, along one of the known transitions. */
export function move(inv: Working<Invocation>, event: Event, to: InvocationStatus): void {
  check(inv.state.status, event, to.status);
  inv.state = to;
}
