/** Waiting for something that only asking can tell. */

/** The longer it has waited, the longer it waits: many ask at once, and what answers is what they wait for. */
const PAUSE_MS = 10;
const PAUSE_MAX_MS = 50;

/** Asks until the answer is neither undefined nor false. Rejects, naming `what`, when the time is up. */
export async function until<T>(
  what: string,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const startedAt = performance.now();
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    const waitedMs = performance.now() - startedAt;
    if (waitedMs > timeoutMs) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise(done => setTimeout(done, Math.min(PAUSE_MAX_MS, PAUSE_MS + waitedMs / 20)));
  }
}
