/** Notices an input that never returns: another thread watches, since this one cannot. */
import { Worker } from 'node:worker_threads';

const HEADER_WORDS = 2;
const TICK_MS = 250;

export interface Watchdog {
  onInput(input: Uint8Array): void;
  stop(): Promise<void>;
}

/**
 * After `silentMs` without a new input the last one is written to `path`, and the process ends. The time is counted in
 * ticks of the thread that watches: when the machine gives this process no time, neither of them is late.
 */
export function startWatchdog(path: string, silentMs: number, inputBytesMax = 64 * 1024): Watchdog {
  const shared = new SharedArrayBuffer(HEADER_WORDS * 4 + inputBytesMax);
  const words = new Int32Array(shared, 0, HEADER_WORDS);
  const bytes = new Uint8Array(shared, HEADER_WORDS * 4);
  const worker = new Worker(WATCH, { eval: true, workerData: { shared, path, silentMs } });
  worker.unref();
  return {
    onInput(input) {
      bytes.set(input.subarray(0, inputBytesMax));
      words[1] = Math.min(input.length, inputBytesMax);
      Atomics.add(words, 0, 1);
    },
    async stop() {
      await worker.terminate();
    },
  };
}

const WATCH = `
const { workerData: { shared, path, silentMs } } = require('node:worker_threads');
const words = new Int32Array(shared, 0, ${HEADER_WORDS});
const bytes = new Uint8Array(shared, ${HEADER_WORDS * 4});
let last = -1;
let ticks = 0;
setInterval(() => {
  const now = Atomics.load(words, 0);
  ticks = now === last ? ticks + 1 : 0;
  last = now;
  if (ticks * ${TICK_MS} < silentMs) return;
  require('node:fs').writeFileSync(path, bytes.slice(0, words[1]));
  require('node:fs').writeSync(2, 'HANG: the input is in ' + path + '\\n');
  process.kill(process.pid, 'SIGKILL');
}, ${TICK_MS});
`;
