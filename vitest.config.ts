import { defineConfig } from 'vitest/config';

/** Whole systems: several processes each, or both cores. They are run one file at a time, and not beside others. */
const SYSTEM = [
  'test/sim/sim.test.ts',
  'test/e2e/**/*.test.ts',
  'test/package/**/*.test.ts',
  'examples/**/*.test.ts',
];

export default defineConfig({
  test: {
    testTimeout: 30_000,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{protocol,runtime,sdk-lambda,test,examples}/**/*.test.ts'],
          exclude: ['**/node_modules/**', ...SYSTEM],
          maxWorkers: 2,
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'system',
          include: SYSTEM,
          fileParallelism: false,
          testTimeout: 30_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
