/**
 * Signals that may come many times: those with a name, and cancellations where user code watches for them itself.
 * Each one is taken by one promise.
 *
 * Invariants:
 * - Per signal, values are taken in the order of the journal by promises in the order in which they were first
 *   awaited.
 * - Only a promise that somebody waits for takes one. What lost a race stays behind and takes nothing until it is
 *   awaited again; then it is served before those that come after it.
 */
import { CANCEL_SIGNAL, type WireNotification } from '@holdfast/protocol';
import type { NotificationId } from './machine/machine.ts';
import type { Leaf } from './promise.ts';

export const CANCEL: NotificationId = -CANCEL_SIGNAL;

export const isRepeatable = (id: NotificationId): boolean => typeof id === 'string' || id === CANCEL;

export class Signals {
  /** Pending leaves that were awaited at some time. */
  readonly #leaves = new Map<NotificationId, Leaf<unknown>[]>();
  readonly #untaken = new Map<NotificationId, WireNotification[]>();

  /** A leaf is awaited for the first time: what it takes, if there is something. */
  awaited(leaf: Leaf<unknown>): WireNotification | undefined {
    const taken = this.#untaken.get(leaf.id)?.shift();
    if (!taken) listOf(this.#leaves, leaf.id).push(leaf);
    return taken;
  }

  /** A signal has come. The leaf that takes it, which the caller settles. */
  offer(id: NotificationId, signal: WireNotification): Leaf<unknown> | undefined {
    const leaves = listOf(this.#leaves, id);
    const index = leaves.findIndex(leaf => leaf.isAwaited);
    if (index >= 0) return leaves.splice(index, 1)[0];
    listOf(this.#untaken, id).push(signal);
    return undefined;
  }

  /** Some of these leaves may have been left behind and are awaited again: they take what has come meanwhile. */
  revive(awaited: () => Iterable<Leaf<unknown>>): void {
    if (this.#untaken.size === 0 || this.#leaves.size === 0) return;
    for (const leaf of awaited()) {
      const signal = this.#untaken.get(leaf.id)?.[0];
      // The one before it may have decided what they were awaited for.
      if (!signal || !leaf.isAwaited) continue;
      const leaves = listOf(this.#leaves, leaf.id);
      const index = leaves.indexOf(leaf);
      if (index < 0) continue;
      leaves.splice(index, 1);
      this.#untaken.get(leaf.id)?.shift();
      leaf.deliver(signal);
    }
  }
}

function listOf<T>(lists: Map<NotificationId, T[]>, id: NotificationId): T[] {
  let list = lists.get(id);
  if (!list) {
    list = [];
    lists.set(id, list);
  }
  return list;
}
