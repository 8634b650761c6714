/** HTTP clients that wait for results. Held in memory only: after a crash a client attaches again. */
import type { InvocationId, Result } from '../core/model.ts';
import type { View } from '../core/table.ts';
import type { Reply } from './engine.ts';

type Waiter = (result: Result) => void;

export class Waiters {
  private readonly view: View;
  private readonly waiting = new Map<InvocationId, Set<Waiter>>();

  constructor(view: View) {
    this.view = view;
  }

  get size(): number {
    return this.waiting.size;
  }

  /** Undefined: the invocation is unknown. Otherwise how to stop waiting. */
  wait(id: InvocationId, done: (reply: Reply) => void): (() => void) | undefined {
    const inv = this.view.get('invocation', id);
    if (inv === undefined) {
      const ended = this.view.get('completed', id);
      if (ended === undefined) return undefined;
      done({ id, target: ended.target, result: ended.result, expiresAt: ended.expiresAt });
      return () => undefined;
    }
    const waiter: Waiter = result => done({ id, result, target: inv.target });
    let waiters = this.waiting.get(id);
    if (waiters === undefined) {
      waiters = new Set();
      this.waiting.set(id, waiters);
    }
    waiters.add(waiter);
    return () => {
      waiters.delete(waiter);
      if (waiters.size === 0 && this.waiting.get(id) === waiters) this.waiting.delete(id);
    };
  }

  completed(id: InvocationId, result: Result): void {
    const waiters = this.waiting.get(id);
    if (waiters === undefined) return;
    this.waiting.delete(id);
    for (const waiter of waiters) waiter(result);
  }
}
