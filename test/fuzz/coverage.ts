/**
 * Which parts of our own sources have run, by V8's precise coverage. V8 reports nested ranges and leaves out those
 * that ran as often as what is around them, so ranges are painted over each other and characters are compared.
 */
import { type Profiler, Session } from 'node:inspector';

export interface Coverage {
  /** Whether something ran since the last call that has not run before the last one that was `kept`. */
  takeNew(keep: boolean): boolean;
  /** Characters of source that have run. */
  readonly size: number;
  stop(): void;
}

const OURS = /^file:.*\/(protocol|runtime|sdk-lambda)\//;

export function startCoverage(): Coverage {
  const session = new Session();
  session.connect();
  // With one session everything answers before `post` returns.
  session.post('Profiler.enable');
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  const seen = new Map<string, Uint8Array>();
  let size = 0;

  function isNewIn(script: Profiler.ScriptCoverage, keep: boolean): boolean {
    const ran = paint(script);
    const before = seen.get(script.scriptId);
    let isNew = false;
    for (let i = 0; i < ran.length; i++) {
      if (ran[i] === 0 || before?.[i] === 1) continue;
      isNew = true;
      if (!keep) break;
      size += 1;
    }
    if (keep && isNew) seen.set(script.scriptId, union(ran, before));
    return isNew;
  }

  return {
    takeNew(keep) {
      let isNew = false;
      session.post('Profiler.takePreciseCoverage', (error, taken) => {
        if (error !== null) throw error;
        for (const script of taken.result) {
          if (OURS.test(script.url) && isNewIn(script, keep)) isNew = true;
        }
      });
      return isNew;
    },
    get size() {
      return size;
    },
    stop: () => session.disconnect(),
  };
}

function paint({ functions }: Profiler.ScriptCoverage): Uint8Array {
  let length = 0;
  for (const { ranges } of functions)
    for (const { endOffset } of ranges) length = Math.max(length, endOffset);
  const ran = new Uint8Array(length);
  // Outer functions and outer ranges come first. What has not run here may have run in an inner function.
  for (const { ranges } of functions) {
    for (const { startOffset, endOffset, count } of ranges)
      ran.fill(count > 0 ? 1 : 0, startOffset, endOffset);
  }
  return ran;
}

function union(a: Uint8Array, b: Uint8Array | undefined): Uint8Array {
  if (b === undefined) return a;
  const [long, short] = a.length > b.length ? [a, b] : [b, a];
  for (let i = 0; i < short.length; i++) long[i] = (long[i] as number) | (short[i] as number);
  return long;
}
