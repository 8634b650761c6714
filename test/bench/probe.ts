/**
 * Loaded into the orchestrator's process by `node --expose-gc --import`: on SIGUSR2 it collects garbage and writes
 * what the process then holds to standard error, as a line of JSON.
 */
interface Collector {
  gc?: () => void;
}

process.on('SIGUSR2', () => {
  // What the first finds unreachable may hold what the second then finds.
  for (let i = 0; i < 3; i++) (globalThis as Collector).gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  process.stderr.write(`${JSON.stringify({ message: 'held', heldBytes: heapUsed + external, rss })}\n`);
});
