import { expect, test } from 'vitest';
import type { TimerHandle, Timers } from '../platform/ports.ts';
import { TimerQueue } from './timer-queue.ts';

/** A wall clock that is set by hand and timers that run when it is. */
class World {
  now = 0;
  readonly table = new Map<string, number>();
  readonly fired: string[] = [];
  private readonly set = new Map<TimerHandle, { at: number; callback: () => void }>();
  private elapsed = 0;

  readonly timers: Timers = {
    set: (delayMs, callback) => {
      const handle = {};
      this.set.set(handle, { at: this.elapsed + delayMs, callback });
      return handle;
    },
    clear: handle => void this.set.delete(handle),
    soon: callback => callback(),
  };

  queue(window: number): TimerQueue {
    return new TimerQueue({
      clock: { now: () => this.now, monotonicMs: () => this.elapsed },
      timers: this.timers,
      window,
      load: (after, limit) =>
        [...this.table]
          .map(([key, at]) => ({ key, at }))
          .filter(({ key }) => key > after)
          .sort((a, b) => (a.key < b.key ? -1 : 1))
          .slice(0, limit),
      fire: key => {
        expect(this.table.get(key), 'never early').toBeLessThanOrEqual(this.now);
        this.table.delete(key);
        this.fired.push(key);
      },
    });
  }

  add(queue: TimerQueue, at: number, name = ''): void {
    const key = `${String(at).padStart(16, '0')}/${name}`;
    this.table.set(key, at);
    queue.arm(key, at);
  }

  /** Lets `ms` pass on both clocks, a millisecond at a time. */
  pass(ms: number): void {
    for (let i = 0; i < ms; i++) {
      this.elapsed += 1;
      this.now += 1;
      for (let due = this.due(); due !== undefined; due = this.due()) due();
    }
  }

  get armed(): number {
    return this.set.size;
  }

  private due(): (() => void) | undefined {
    for (const [handle, { at, callback }] of this.set) {
      if (at > this.elapsed) continue;
      this.set.delete(handle);
      return callback;
    }
    return undefined;
  }
}

test.for([1, 2, 10, 1000])('no timer is lost, whatever the window: %i', window => {
  const world = new World();
  for (let i = 0; i < 100; i++)
    world.table.set(`${String((i * 37) % 500).padStart(16, '0')}/${i}`, (i * 37) % 500);
  const queue = world.queue(window);
  queue.start();
  for (let i = 0; i < 300; i++) {
    world.add(queue, world.now + ((i * 53) % 400), `later${i}`);
    world.pass(1);
  }
  world.pass(500);
  expect(world.table.size).toBe(0);
  expect(world.fired).toHaveLength(400);
  expect(world.armed).toBe(0);
});

test('timers fire in the order they are due', () => {
  const world = new World();
  const queue = world.queue(100);
  queue.start();
  for (const at of [50, 10, 30, 20, 40, 10]) world.add(queue, at, String(world.table.size));
  world.pass(60);
  expect(world.fired.map(key => Number(key.slice(0, 16)))).toEqual([10, 10, 20, 30, 40, 50]);
});

test('a clock that is set back delays, one that is set forward is noticed within a minute', () => {
  const world = new World();
  const queue = world.queue(100);
  queue.start();
  world.add(queue, 100);
  world.now = -1000;
  world.pass(200);
  expect(world.fired).toHaveLength(0);
  world.pass(900);
  expect(world.fired).toHaveLength(1);

  world.add(queue, 10_000_000);
  world.now = 20_000_000;
  world.pass(60_001);
  expect(world.fired).toHaveLength(2);
});

test('nothing fires after a stop', () => {
  const world = new World();
  const queue = world.queue(100);
  queue.start();
  world.add(queue, 10);
  queue.stop();
  world.add(queue, 5);
  world.pass(20);
  expect(world.fired).toEqual([]);
});
