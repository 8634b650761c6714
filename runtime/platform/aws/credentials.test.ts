import { expect, test } from 'vitest';
import type { Logger } from '../ports.ts';
import { createCredentialCache } from './credentials.ts';

const silent = (): void => undefined;
const logger: Logger = { debug: silent, info: silent, warn: silent, error: silent };
const MINUTE_MS = 60_000;

test('a source that has none that last longer is asked once a minute, and what it gave serves', async () => {
  let nowMs = 1_800_000_000_000;
  let loads = 0;
  const expiresAtMs = nowMs + 10 * MINUTE_MS;
  const source = async () => ({ accessKeyId: `key${loads++}`, secretAccessKey: 's', expiresAtMs });
  const cache = createCredentialCache(source, {
    clock: { now: () => nowMs, monotonicMs: () => nowMs },
    logger,
    renewBeforeMs: 20 * MINUTE_MS,
  });
  await new Promise(resolve => cache.load(resolve));
  for (let second = 0; second < 150; second++) {
    expect(cache.peek()).toBeDefined();
    await new Promise(resolve => setImmediate(resolve));
    nowMs += 1000;
  }
  expect({ loads, key: cache.peek()?.accessKeyId }).toEqual({ loads: 3, key: 'key2' });
});
