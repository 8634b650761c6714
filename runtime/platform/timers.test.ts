import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from './clock.ts';
import { systemTimers } from './timers.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

const DAY_MS = 86_400_000;

test.each([0, 1, 1000, 40 * DAY_MS, 100 * DAY_MS])(
  'a delay of %i ms fires once, then and not before',
  delayMs => {
    const startMs = systemClock.monotonicMs();
    const firedAfterMs: number[] = [];
    systemTimers(systemClock).set(delayMs, () => firedAfterMs.push(systemClock.monotonicMs() - startMs));
    if (delayMs > 0) vi.advanceTimersByTime(delayMs - 1);
    expect(firedAfterMs).toEqual([]);
    vi.advanceTimersByTime(2);
    vi.advanceTimersByTime(30 * DAY_MS);
    expect(firedAfterMs).toHaveLength(1);
    expect(firedAfterMs[0]).toBeGreaterThanOrEqual(delayMs);
  },
);

test('a timer that the event loop fires early waits for the rest', () => {
  let nowMs = 0;
  let fired = 0;
  systemTimers({ monotonicMs: () => nowMs }).set(10.5, () => {
    fired += 1;
  });
  nowMs = 10.4;
  vi.advanceTimersByTime(11);
  expect(fired).toBe(0);
  nowMs = 10.6;
  vi.advanceTimersByTime(1);
  expect(fired).toBe(1);
});

test('a cleared timer does not fire, also after it has armed again', () => {
  const timers = systemTimers(systemClock);
  let fired = 0;
  const handles = [10, 60 * DAY_MS].map(delayMs =>
    timers.set(delayMs, () => {
      fired += 1;
    }),
  );
  vi.advanceTimersByTime(5);
  if (handles[0]) timers.clear(handles[0]);
  vi.advanceTimersByTime(50 * DAY_MS);
  if (handles[1]) timers.clear(handles[1]);
  vi.advanceTimersByTime(50 * DAY_MS);
  expect(fired).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

test('a cleared and an infinite delay; the clock goes forward in real time', async () => {
  vi.useRealTimers();
  const timers = systemTimers(systemClock);
  const neverHandle = timers.set(Number.POSITIVE_INFINITY, () => expect.unreachable());
  const order: string[] = [];
  timers.soon(() => order.push('soon'));
  order.push('now');
  const startMs = systemClock.monotonicMs();
  // Nothing but this unreferenced timer waits here; the test runner keeps the process alive.
  await new Promise<void>(resolve => timers.set(20, resolve));
  expect(systemClock.monotonicMs() - startMs).toBeGreaterThanOrEqual(20);
  expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1000);
  expect(order).toEqual(['now', 'soon']);
  timers.clear(neverHandle);
});
