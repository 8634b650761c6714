/** Waiting for something that only asking can tell. */

const PAUSE_MS = 10;

/** Asks until the answer is neither undefined nor false. Rejects, naming `what`, when the time is up. */
export async function until<T>(
  what: string,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > giveUpAt) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise(done => setTimeout(done, PAUSE_MS));
  }
}
