/**
 * The machine that the orchestrator runs on: one incarnation after the other over one disk, and what befalls them.
 *
 * Invariants: at most one incarnation is the newest, and only it serves; a frozen one may go on for a while believing
 * that it leads. A power loss ends all of them.
 */

import { MemoryStoreStorage } from '../../runtime/store/memory-store.ts';
import type { ServingNode } from './clients.ts';
import type { SimDisk } from './disk.ts';
import type { Faults } from './faults.ts';
import { Node, type NodeParts } from './node.ts';
import { SimRandom } from './random.ts';

export interface MachineParts
  extends Pick<
    NodeParts,
    'scheduler' | 'trace' | 'host' | 'sites' | 'checkers' | 'report' | 'onReady' | 'onOrphan'
  > {
  readonly seed: number;
  readonly disk: SimDisk;
  readonly faults: Faults;
}

export class Machine {
  /** Since when the newest incarnation has been up. */
  upSinceMs = 0;
  readonly #parts: MachineParts;
  readonly #random: SimRandom;
  #storage = new MemoryStoreStorage();
  #node: Node | undefined;
  /** Leaders that were frozen; some may still believe that they lead. */
  readonly #old = new Set<Node>();
  #boots = 0;
  #eventsUntilCrash: number;

  constructor(parts: MachineParts) {
    this.#parts = parts;
    this.#random = new SimRandom(parts.seed, 'machine');
    this.#eventsUntilCrash = this.#nextCrash();
  }

  /** The newest incarnation, if it is up and has recovered. */
  get serving(): ServingNode | undefined {
    const node = this.#node;
    const isServing = node?.engine !== undefined && !node.isDead && !node.isFrozen && !node.isClosing;
    return isServing ? (node as ServingNode) : undefined;
  }

  /** Called before each event: a crash may strike between any two. */
  tick(): void {
    this.#eventsUntilCrash -= 1;
    if (this.#eventsUntilCrash <= 0) this.#strike();
  }

  /** The error ended the process of the newest incarnation; throws it when it is a bug. */
  uncaught(error: unknown): void {
    if (this.#node === undefined) throw error;
    this.#node.uncaught(error);
  }

  /** The faults are off: what is broken is repaired. */
  heal(): void {
    this.#endOldLeaders();
    this.#parts.disk.heal();
    this.#storage.failWith(undefined);
  }

  boot(): void {
    const before = this.#node;
    // Two causes of one outage may both have called for it.
    if (before !== undefined && !before.isDead && !before.isFrozen) return;
    const { seed, scheduler, checkers, faults } = this.#parts;
    this.#boots += 1;
    checkers.lives.restarted();
    const node = new Node({
      ...this.#parts,
      random: new SimRandom(seed, `node ${this.#boots}`),
      storage: this.#storage,
      onDeath: (dead, cause) => this.#died(dead, cause),
      isLeading: caller => caller === this.#node && !caller.isDead,
    });
    this.#node = node;
    if (!faults.isOn) this.#endOldLeaders();
    this.upSinceMs = scheduler.nowMs;
    this.#setDiskFaults();
    if (faults.draw('crashInRecovery')) {
      faults.count('crashInRecovery');
      this.#eventsUntilCrash = this.#random.int(1, 12);
    }
    node.start();
  }

  /** The power fails or the process is killed; what the disk was not told to keep is lost with the power. */
  #strike(): void {
    const { faults } = this.#parts;
    this.#eventsUntilCrash = this.#nextCrash();
    const node = this.#node;
    if (node === undefined || node.isDead || node.isFrozen || node.isClosing) return;
    if (node.partition !== undefined && this.#random.chance(0.5) && faults.draw('frozenLeader')) {
      this.#freeze(node);
      return;
    }
    if (node.partition !== undefined && this.#random.chance(0.3) && faults.draw('cleanStop')) {
      faults.count('cleanStop');
      node.close();
      return;
    }
    const power = faults.draw('powerLoss');
    if (!power && !faults.draw('processExit')) return;
    faults.count(power ? 'powerLoss' : 'processExit');
    this.#down(node, power);
  }

  /** It gets no CPU for a while, another one takes over meanwhile, and then it goes on as if nothing had been. */
  #freeze(node: Node): void {
    const { faults, scheduler } = this.#parts;
    faults.count('frozenLeader');
    this.#note('node is frozen');
    node.freeze();
    this.#old.add(node);
    // The log is shared, the store is its own: the new one folds the whole log.
    this.#storage = new MemoryStoreStorage();
    const bootMs = this.#random.int(0, 3000);
    scheduler.after(bootMs, 'node boots', () => this.boot());
    scheduler.after(bootMs + this.#random.int(0, 10_000), 'old node goes on', () => {
      if (!node.isDead) node.thaw();
    });
  }

  /** One that has nothing to write would never learn that it does not lead any more. */
  #endOldLeaders(): void {
    for (const old of this.#old) if (old !== this.#node) old.die();
  }

  #died(node: Node, cause: 'crash' | 'failure' | 'closed'): void {
    if (node.isDead) return;
    if (node !== this.#node) {
      this.#note('old node is gone');
      node.die();
      return;
    }
    // A crash in the disk's operation has struck the disk already.
    if (cause === 'crash') this.#down(node, undefined);
    else this.#down(node, cause === 'failure' && this.#random.chance(0.5));
  }

  #down(node: Node, power: boolean | undefined): void {
    const { disk, scheduler } = this.#parts;
    this.#note(`node is down, ${power === true ? 'power lost' : 'process gone'}`);
    node.die();
    if (power !== false) for (const old of this.#old) old.die();
    if (power === true) disk.crash();
    else if (power === false) disk.exit();
    disk.heal();
    this.#storage.failWith(undefined);
    scheduler.after(this.#random.pick([0, 10, this.#random.int(0, 8000)]), 'node boots', () => this.boot());
  }

  #setDiskFaults(): void {
    const { disk, faults, scheduler } = this.#parts;
    disk.heal();
    if (faults.draw('shortWrite')) disk.faults.shortWrite = 0.2;
    if (faults.draw('logWriteError')) disk.faults.writeError = 0.004;
    if (faults.draw('crashInDiskOperation')) disk.faults.crashInOperations = this.#random.int(1, 150);
    if (faults.draw('diskFull')) {
      disk.faults.capacityBytes = this.#usedBytes() + this.#random.int(20, 60) * 1024;
    }
    if (faults.draw('storeFailure') && this.#random.chance(0.3)) {
      scheduler.after(this.#random.int(100, 10_000), 'store fails', () => {
        if (!faults.isOn) return;
        faults.count('storeFailure');
        this.#storage.failWith(new Error('simulated: the store is full'));
      });
    }
  }

  #usedBytes(): number {
    const { disk } = this.#parts;
    let used = 0;
    for (const name of disk.list('log')) used += disk.contentOf(`log/${name}`).length;
    return used;
  }

  #nextCrash(): number {
    return this.#random.pick([
      this.#random.int(1, 200),
      this.#random.int(50, 3000),
      this.#random.int(500, 10_000),
    ]);
  }

  #note(what: string): void {
    this.#parts.trace.add(this.#parts.scheduler.nowMs, what);
  }
}
