/**
 * Who takes which notification. A completion or awakeable is for one promise. A signal with a name may come many times,
 * as may a cancellation where user code watches for it itself: each one is taken by one of the promises that wait.
 *
 * Invariants:
 * - The first value of a completion or awakeable wins.
 * - Per repeatable signal, values are taken in the order of the journal by promises in the order in which they were first
 *   awaited.
 * - Only a promise that somebody waits for takes one of those. What lost a race stays behind and takes nothing until it
 *   is awaited again; then it is served before those that come after it.
 */
import type { WireNotification } from '@holdfast/protocol';
import type { Decoding } from './decoding.ts';
import { idOf, type NotificationId } from './machine/machine.ts';
import type { Leaf } from './promise.ts';
import { isRepeatable } from './signals.ts';

interface Repeatable {
  /** Pending leaves that were awaited at some time. */
  readonly leaves: Set<Leaf<unknown>>;
  readonly untaken: WireNotification[];
}

export class Inbox {
  /** Nothing else is taken while it is open. */
  readonly #decoding: Decoding;
  readonly #leaves = new Map<NotificationId, Leaf<unknown>>();
  /** What nobody has awaited yet. */
  readonly #untaken = new Map<NotificationId, WireNotification>();
  readonly #repeatables = new Map<NotificationId, Repeatable>();

  constructor(decoding: Decoding) {
    this.#decoding = decoding;
  }

  /** A leaf is awaited for the first time: what it takes, if that is here. */
  awaited(leaf: Leaf<unknown>): WireNotification | undefined {
    const { id } = leaf;
    const repeatable = this.#repeatable(id);
    const taken = repeatable
      ? this.#decoding.isOpen
        ? undefined
        : repeatable.untaken.shift()
      : this.#untaken.get(id);
    if (!taken) repeatable ? repeatable.leaves.add(leaf) : this.#leaves.set(id, leaf);
    return taken;
  }

  /** A notification has come. The leaf that takes it, which the caller settles. */
  offer(notification: WireNotification): Leaf<unknown> | undefined {
    const id = idOf(notification);
    const repeatable = this.#repeatable(id);
    if (!repeatable) {
      const leaf = this.#leaves.get(id);
      if (leaf) this.#leaves.delete(id);
      else if (!this.#untaken.has(id)) this.#untaken.set(id, notification);
      return leaf;
    }
    for (const leaf of repeatable.leaves) {
      if (!leaf.isAwaited) continue;
      repeatable.leaves.delete(leaf);
      return leaf;
    }
    repeatable.untaken.push(notification);
    return undefined;
  }

  /** Some of these leaves may have been left behind and are awaited again: they take what has come meanwhile. */
  revive(awaited: () => Iterable<Leaf<unknown>>): void {
    if (this.#repeatables.size === 0) return;
    for (const leaf of awaited()) {
      const { leaves, untaken } = this.#repeatables.get(leaf.id) ?? {};
      // The one before it may have decided what they were awaited for.
      if (!this.#decoding.isOpen && untaken?.[0] && leaf.isAwaited && leaves?.delete(leaf))
        leaf.deliver(untaken.shift() as WireNotification);
    }
  }

  #repeatable(id: NotificationId): Repeatable | undefined {
    let found = this.#repeatables.get(id);
    if (!found && isRepeatable(id)) {
      found = { leaves: new Set(), untaken: [] };
      this.#repeatables.set(id, found);
    }
    return found;
  }
}
