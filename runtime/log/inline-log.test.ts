import { SimDisk } from '../../test/sim/disk.ts';
import { logConformance } from './conformance.ts';
import { openInlineLog } from './inline-log.ts';
import { seeded } from './testing/seeded.ts';
import { Turns } from './testing/turns.ts';

logConformance('segmented log over the simulated disk', async () => {
  const disk = new SimDisk(seeded(1));
  let turns = new Turns();
  let openings = 0;
  return {
    open: async options => {
      openings += 1;
      const opening = new Uint8Array(16).fill(openings);
      return openInlineLog(
        disk,
        { directory: 'log', partition: 3, segmentBytes: 64 * 1024, runwayBytes: 32 * 1024, opening },
        { defer: turns.defer, onFailure: error => turns.raise(error), ...options },
      );
    },
    crash: async () => {
      turns.stop();
      turns = new Turns();
      disk.crash();
    },
    secondOpening: 'fences',
    dispose: async () => turns.stop(),
  };
});
