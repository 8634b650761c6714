import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FairQueue, type FairQueueOptions } from './fair-queue.ts';

/**
 * One command a word: `+a1` pushes item a1 to flow a, `-a1` removes it, `?` takes, `.` ends one well, `,` ends
 * one for another reason, `!` is a throttle, `!3000` one that asks for a wait, `@500` sets the time. Shows what
 * each `?` gave (`_` for nothing).
 */
function play(script: string, options: FairQueueOptions = {}): { taken: string; queue: FairQueue<string> } {
  const queue = new FairQueue<string>(options);
  const taken: string[] = [];
  let nowMs = 0;
  for (const word of script.split(/\s+/)) {
    const rest = word.slice(1);
    if (word[0] === '+') queue.push(rest, rest[0] ?? '');
    else if (word[0] === '-') queue.remove(rest);
    else if (word[0] === '?') taken.push(queue.take(nowMs) ?? '_');
    else if (word[0] === '.') queue.done();
    else if (word[0] === ',') queue.done(false);
    else if (word[0] === '!') queue.throttled(nowMs, 0, Number(rest));
    else nowMs = Number(rest);
  }
  return { taken: taken.join(' '), queue };
}

test.each<[string, string, string, FairQueueOptions?]>([
  ['in order within a flow', '+a1 +a2 +a3 ? ? ? ?', 'a1 a2 a3 _'],
  ['in turns between flows', '+a1 +a2 +a3 +b1 +b2 +c1 ? ? ? ? ? ?', 'a1 b1 c1 a2 b2 a3'],
  ['a new flow goes last in the round', '+a1 +a2 +b1 +b2 ? +c1 ? ? ? ?', 'a1 b1 a2 c1 b2'],
  ['a flow that comes back gets no second turn in the round', '+a1 +b1 +b2 ? +a2 ? ? ?', 'a1 b1 a2 b2'],
  ['up to the limit', '+a1 +a2 +a3 ? ? ? . ? ?', 'a1 a2 _ a3 _', { limitMax: 2 }],
  ['what is removed is passed over', '+a1 +a2 +b1 -a1 -x9 ? ? ?', 'a2 b1 _'],
  ['a flow emptied by removal leaves its turn', '+a1 +b1 +c1 ? -b1 ? ?', 'a1 c1 _'],
  ['nothing until the backoff is over', '+a1 +a2 ? ! +a1 ? @49 ? @50 ?', 'a1 _ _ a2'],
  [
    'a success gives its place on, backoff or not',
    '+a1 +a2 +a3 +a4 ? ? ! . ? ? , ? @100 ?',
    'a1 a2 a3 _ _ a4',
  ],
  ['a throttle asks for a wait', '+a1 +a2 ? !3000 @2999 ? @3000 ?', 'a1 _ a2'],
  ['no wait longer than the cap', '+a1 +a2 ? !999999 @4999 ? @5000 ?', 'a1 _ a2'],
  [
    'backoff doubles, success resets it',
    '+a1 +a2 +a3 +a4 +a5 ? ! @50 ? ! @149 ? @150 ? . ? ! @199 ? @200 ?',
    'a1 a2 _ a3 a4 _ a5',
  ],
])('takes %s', (_name, script, expected, options) => {
  expect(play(script, options).taken).toBe(expected);
});

test('one event lowers the limit once; successes raise it one by one to the maximum', () => {
  const pushes = Array.from({ length: 100 }, (_, i) => `+a${i}`).join(' ');
  const { queue } = play(`${pushes} ${'? '.repeat(10)} ! ! !`, { limitMax: 10 });
  expect(queue.stats).toMatchObject({ limit: 7, running: 7, throttles: 3, queued: 90 });
  queue.done(false);
  expect(queue.stats).toMatchObject({ limit: 7, running: 6 });
  for (let i = 0; i < 7; i++) {
    queue.take(1000);
    queue.done();
  }
  expect(queue.stats.limit).toBe(7);
  for (let i = 0; i < 30; i++) {
    queue.take(1000);
    queue.done();
  }
  expect(queue.stats.limit).toBe(10);
});

/** Milliseconds until `items` calls of `callMs` are through a host that takes `capacity` at once and refuses the rest. */
function drainMs(items: number, capacity: number, callMs: number): number {
  const queue = new FairQueue<number>();
  for (let i = 0; i < items; i++) queue.push(i, 'a');
  let ends: number[] = [];
  let nowMs = 0;
  for (let left = items; left > 0; nowMs += 5) {
    const ended = ends.filter(endMs => endMs <= nowMs).length;
    ends = ends.filter(endMs => endMs > nowMs);
    left -= ended;
    for (let i = 0; i < ended; i++) queue.done();
    const refused: number[] = [];
    for (let item = queue.take(nowMs); item !== undefined; item = queue.take(nowMs)) {
      if (ends.length < capacity) ends.push(nowMs + callMs);
      else refused.push(item);
    }
    for (const item of refused) {
      queue.throttled(nowMs, 0.5, 1000);
      queue.push(item, 'a');
    }
  }
  return nowMs;
}

test.each([
  [60, 2, 200],
  [2000, 100, 50],
  [400, 20, 1000],
])('%i calls through a host with room for %i take little longer than it needs', (items, capacity, callMs) => {
  expect(drainMs(items, capacity, callMs)).toBeLessThan(1.5 * (items / capacity) * callMs + 1000);
});

test('the limit never falls below one', () => {
  const queue = new FairQueue<number>({ limitMax: 8 });
  for (let i = 0; i < 40; i++) {
    const nowMs = i * 100_000;
    queue.push(i, 'a');
    expect(queue.take(nowMs)).toBe(i);
    queue.throttled(nowMs, 0.5);
  }
  expect(queue.stats).toMatchObject({ limit: 1, running: 0 });
});

test('ending what was not taken, or waiting twice, is a bug', () => {
  const queue = new FairQueue<string>();
  expect(() => queue.done()).toThrow('not taken');
  queue.push('x', 'a');
  expect(() => queue.push('x', 'b')).toThrow('already');
});

type Step =
  | { readonly op: 'push'; readonly flow: number }
  | { readonly op: 'take' | 'done' | 'throttle' }
  | { readonly op: 'remove'; readonly pick: number }
  | { readonly op: 'wait'; readonly ms: number };

test('any history: limit kept, order kept in a flow, no flow starves, nothing is lost', () => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ op: fc.constant('push' as const), flow: fc.nat(4) }) },
    { weight: 6, arbitrary: fc.record({ op: fc.constantFrom('take' as const, 'done' as const) }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('throttle' as const) }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('remove' as const), pick: fc.nat(20) }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant('wait' as const), ms: fc.nat(300) }) },
  );
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 300, size: 'max' }),
      fc.integer({ min: 1, max: 6 }),
      (steps, limitMax) => {
        const queue = new FairQueue<string>({ limitMax });
        /** The model: plain arrays, and for each flow how many takes went to others since its head could go. */
        const flows = new Map<number, string[]>();
        const passed = new Map<number, Map<number, number>>();
        let nowMs = 0;
        let running = 0;
        /** Successes since the last throttle whose place was not given on in a backoff. */
        let proven = 0;
        let pushed = 0;
        let out = 0;
        const takeOne = (): void => {
          const { limit, notBeforeMs } = queue.stats;
          const item = queue.take(nowMs);
          const waiting = [...flows.values()].some(items => items.length > 0);
          const isOpen = nowMs >= notBeforeMs || proven > 0;
          expect(item !== undefined).toBe(waiting && running < limit && isOpen);
          if (item === undefined) return;
          if (nowMs < notBeforeMs) proven--;
          running++;
          out++;
          const flow = Number(item.split('.')[0]);
          expect(flows.get(flow)?.shift()).toBe(item);
          passed.delete(flow);
          for (const [other, items] of flows) {
            if (other === flow || items.length === 0) continue;
            const counts = passed.get(other) ?? new Map<number, number>();
            passed.set(other, counts.set(flow, (counts.get(flow) ?? 0) + 1));
            expect(counts.get(flow)).toBeLessThanOrEqual(1);
          }
        };
        for (const action of steps) {
          if (action.op === 'push') {
            const item = `${action.flow}.${pushed++}`;
            queue.push(item, String(action.flow));
            const items = flows.get(action.flow) ?? [];
            if (items.push(item) === 1) passed.delete(action.flow);
            flows.set(action.flow, items);
          } else if (action.op === 'take') takeOne();
          else if (action.op === 'wait') nowMs += action.ms;
          else if (action.op === 'remove') {
            const all = [...flows.values()].flat();
            const item = all[action.pick % Math.max(1, all.length)] ?? 'none';
            expect(queue.remove(item)).toBe(all.length > 0);
            if (all.length > 0) out++;
            for (const [flow, items] of flows) {
              const left = items.filter(other => other !== item);
              flows.set(flow, left);
              if (left.length === 0) passed.delete(flow);
            }
          } else if (running > 0) {
            running--;
            proven = action.op === 'done' ? proven + 1 : 0;
            if (action.op === 'done') queue.done();
            else queue.throttled(nowMs, 0.5);
          }
          const { limit, queued } = queue.stats;
          expect([queue.stats.running, pushed - out]).toEqual([running, queued]);
          expect(limit).toBeGreaterThanOrEqual(1);
          expect(limit).toBeLessThanOrEqual(limitMax);
          expect(running).toBeLessThanOrEqual(limitMax);
        }
        // When throttling stops, everything drains and the limit comes back.
        nowMs += 10_000;
        for (; running > 0; running--) queue.done();
        while (queue.stats.queued > 0) {
          takeOne();
          queue.done();
          running--;
        }
        for (let i = 0; i < limitMax * limitMax; i++) {
          queue.push(`z${i}`, 'z');
          queue.take(nowMs);
          queue.done();
        }
        expect(queue.stats).toMatchObject({ limit: limitMax, flows: 0, queued: 0, running: 0 });
      },
    ),
    { numRuns: 300 },
  );
});
