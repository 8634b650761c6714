/** Goals that are about what waits: memory of a long queue, and how late the last of many timers is. */
import { statSync } from 'node:fs';
import { sendMany } from './load.ts';
import { cpuMicros, type Engine } from './processes.ts';

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

/** Kernel ticks of 10 ms in half a second that still count as idle. */
const IDLE_TICKS = 2;

/** Until the engine has nothing more to do than its housekeeping: what it flushes in the background is flushed. */
async function idle(engine: Engine): Promise<void> {
  for (let quiet = 0; quiet < 3; ) {
    const before = cpuMicros(engine.pid);
    await pause(500);
    quiet = cpuMicros(engine.pid) - before <= IDLE_TICKS * 10_000 ? quiet + 1 : 0;
  }
}

export interface Queue {
  /** What is held, all in all, differs by a megabyte or two from one moment to the next. */
  readonly memoryBytesEach: number;
  readonly heldMiB: number;
  readonly storedBytesEach: number;
  readonly acceptedPerSecond: number;
}

/** So many invocations without a payload wait for the key of one object, whose holder sleeps for an hour. */
export async function measureQueue(engine: Engine, count: number): Promise<Queue> {
  await sendMany(engine, '/Account/queue/hold', 1);
  // What is kept for a while of rows that were just stored is then in both measurements.
  await sendMany(engine, '/Account/queue/add', Math.ceil(count / 5));
  await idle(engine);
  const held = await engine.heldBytes();
  const stored = engine.storedBytes();
  const start = performance.now();
  await sendMany(engine, '/Account/queue/add', count);
  const seconds = (performance.now() - start) / 1000;
  await idle(engine);
  const heldWithQueue = await engine.heldBytes();
  return {
    memoryBytesEach: (heldWithQueue - held) / count,
    heldMiB: heldWithQueue / 2 ** 20,
    storedBytesEach: (engine.storedBytes() - stored) / count,
    acceptedPerSecond: count / seconds,
  };
}

export interface Timers {
  /** From the first send to the last end; the mean of one before the timers and one after them. */
  readonly drainMs: number;
  readonly medianLateMs: number;
  readonly lastLateMs: number;
}

const POLL_MS = 2;
/** What may go wrong is a lost mark; nothing here takes minutes. */
const MARKS_TIMEOUT_MS = 60_000;

/** Counts the marks that the handlers write, from where they are now. */
class Marks {
  private readonly path: string;
  private readonly from: number;

  constructor(path: string) {
    this.path = path;
    this.from = statSync(path).size;
  }

  get count(): number {
    return statSync(this.path).size - this.from;
  }

  async reach(count: number): Promise<void> {
    const giveUpAt = performance.now() + MARKS_TIMEOUT_MS;
    while (this.count < count) {
      if (performance.now() > giveUpAt) throw new Error(`${this.count} of ${count} marks were made`);
      await pause(POLL_MS);
    }
  }
}

/** Sleeps that end at one moment, between two rounds of as many empty sends. */
export async function measureTimers(engine: Engine, count: number, marksFile: string): Promise<Timers> {
  const before = await drain(engine, count, marksFile);
  const marks = new Marks(marksFile);
  // All of them have to sleep by then, and going to sleep takes no longer than twice a whole invocation.
  const dueMs = Date.now() + Math.ceil(2 * before) + 1000;
  await sendMany(engine, '/Goals/sleepUntil', count, String(dueMs));
  await pause(dueMs - Date.now() - 50);
  if (marks.count !== count)
    throw new Error(`${marks.count} marks of ${count} sleepers before they were due`);
  // Each makes one more when it ends, as an empty call does.
  await marks.reach(count + Math.ceil(count / 2));
  const medianLateMs = Date.now() - dueMs;
  await marks.reach(2 * count);
  const lastLateMs = Date.now() - dueMs;
  return { drainMs: (before + (await drain(engine, count, marksFile))) / 2, medianLateMs, lastLateMs };
}

async function drain(engine: Engine, count: number, marksFile: string): Promise<number> {
  const marks = new Marks(marksFile);
  const start = performance.now();
  await sendMany(engine, '/Goals/marked', count);
  await marks.reach(count);
  return performance.now() - start;
}
