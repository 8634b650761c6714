import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{protocol,runtime,sdk-lambda,examples,test}/**/*.test.ts'],
    // Two cores: one worker per core, a file at a time in each.
    maxWorkers: 2,
    testTimeout: 30_000,
  },
});
