/** The turns of one simulated process: real event-loop turns that end when the process does. */

import { MessageChannel } from 'node:worker_threads';
import type { Defer } from '../deferred-log.ts';

export class Turns {
  #isStopped = false;
  /** Delivers in order, each message in a turn of its own. */
  readonly #channel = new MessageChannel();
  readonly #callbacks: (() => void)[] = [];

  constructor() {
    this.#channel.port1.on('message', () => {
      const callback = this.#callbacks.shift();
      if (!this.#isStopped) callback?.();
    });
  }

  readonly defer: Defer = callback => {
    this.#callbacks.push(callback);
    this.#channel.port2.postMessage(undefined);
  };

  /** An operating error that no test expects. */
  raise(error: Error): never {
    throw error;
  }

  stop(): void {
    this.#isStopped = true;
    this.#channel.port1.close();
  }
}
