/** Test support: an invoker over time that a test moves, and a request to give it. */
import { Invoker } from '../invoker.ts';
import type { HandlerRequest } from '../transport.ts';
import { ids } from './frames.ts';
import type { ManualTime } from './manual-time.ts';

export const request = (body: Uint8Array): HandlerRequest => ({
  method: 'POST',
  path: '/invoke/Svc/a',
  headers: {},
  body,
});

export function invokerOf(time: ManualTime, concurrencyLimit: number): Invoker {
  return new Invoker({
    ids,
    clock: time,
    timers: time,
    random: { bytes: length => new Uint8Array(length), float: () => 0.5 },
    logger: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
    concurrencyLimit,
  });
}
