/** Small segments, and an `onFailure` for tests that expect none. */

import { randomBytes } from 'node:crypto';
import type { FileLogOptions } from '../file-log.ts';

const MIB = 1024 * 1024;

export const testOptions = (directory: string): FileLogOptions => ({
  directory,
  partition: 3,
  segmentBytes: MIB,
  runwayBytes: MIB / 4,
  random: { bytes: length => randomBytes(length), float: Math.random },
  onFailure: error => {
    throw error;
  },
});
