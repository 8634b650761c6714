/**
 * Deletes what is not needed any more, behind everybody's back: a few prefixes at a time, again after a failure, and
 * in the end with a line in the log. Whatever is left over is found by the sweep after the next start.
 *
 * Invariants: at most `AT_ONCE` deletions run and `QUEUE_MAX` wait; nothing is begun after `close`.
 */
import type { ObjectStore } from '../objects/object-store.ts';
import type { Logger, TimerHandle, Timers } from '../platform/ports.ts';

export interface CleanupPorts {
  readonly timers: Timers;
  readonly logger: Logger;
}

export interface Cleanup {
  remove(prefix: string): void;
  close(): void;
}

const AT_ONCE = 4;
const QUEUE_MAX = 10_000;
const ATTEMPTS_MAX = 6;
/** Doubled after each failure: a minute in all. */
const RETRY_MS = 2_000;

interface Deletion {
  readonly prefix: string;
  readonly failures: number;
}

export function createCleanup(
  store: Pick<ObjectStore, 'removeAll'>,
  { timers, logger }: CleanupPorts,
): Cleanup {
  const queue: Deletion[] = [];
  const retries = new Set<TimerHandle>();
  let running = 0;
  let isClosed = false;

  function enqueue(deletion: Deletion): void {
    if (isClosed) return;
    if (queue.length + retries.size >= QUEUE_MAX) given(deletion.prefix, 'too many deletions wait');
    else {
      queue.push(deletion);
      pump();
    }
  }

  function pump(): void {
    while (!isClosed && running < AT_ONCE) {
      const deletion = queue.shift();
      if (deletion === undefined) return;
      running++;
      store.removeAll(deletion.prefix).then(
        () => ended(),
        (error: unknown) => ended(() => failed(deletion, error)),
      );
    }
  }

  function ended(then?: () => void): void {
    running--;
    then?.();
    pump();
  }

  function failed({ prefix, failures }: Deletion, error: unknown): void {
    if (failures + 1 === ATTEMPTS_MAX) {
      given(prefix, error instanceof Error ? error.message : String(error));
    } else if (!isClosed) {
      const timer = timers.set(RETRY_MS * 2 ** failures, () => {
        retries.delete(timer);
        enqueue({ prefix, failures: failures + 1 });
      });
      retries.add(timer);
    }
  }

  function given(prefix: string, reason: string): void {
    logger.warn('offloaded payloads not deleted', { code: 'HF_OBJECT_STORE', prefix, reason });
  }

  return {
    remove: prefix => enqueue({ prefix, failures: 0 }),
    close() {
      isClosed = true;
      for (const timer of retries) timers.clear(timer);
      retries.clear();
      queue.length = 0;
    },
  };
}
