import { logConformance } from './conformance.ts';
import { MemoryLogStorage, openMemoryLog } from './memory-log.ts';
import { Turns } from './testing/turns.ts';

logConformance('memory log', async () => {
  const storage = new MemoryLogStorage();
  let turns = new Turns();
  return {
    open: async options =>
      openMemoryLog(storage, { defer: turns.defer, onFailure: error => turns.raise(error), ...options }),
    crash: async () => {
      turns.stop();
      turns = new Turns();
    },
    secondOpening: 'fences',
    dispose: async () => turns.stop(),
  };
});
