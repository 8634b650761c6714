/** Futures that are more than a picture of the promises; those that are one: `parity.test.ts`. */
import type { Future } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { type Context, RestatePromise } from './index.ts';
import { drainMicrotasks } from './invocation.ts';
import { type Handler, run } from './journal.testkit.ts';

async function futureOf(handler: Handler): Promise<Future | undefined> {
  const { terminator } = await run(handler, { version: 7 });
  if (terminator.name !== 'Suspension') throw new Error(`${terminator.name} in place of a suspension`);
  return terminator.message.awaitingOn;
}

const TYPES = ['unknown', 'race', 'allSettled', 'any', 'all'];
const show = (future: Future | undefined): string => {
  if (future === undefined) return 'none';
  const { waitingCompletions, waitingSignals, waitingNamedSignals, nestedFutures, combinatorType } = future;
  const parts = [...waitingCompletions, ...waitingSignals.map(id => `s${id}`), ...waitingNamedSignals];
  return `${TYPES[combinatorType]}(${[...parts, ...nestedFutures.map(show)].join(' ')})`;
};

const foreign = async () => {
  for (let i = 0; i < 5; i++) await new Promise<void>(drainMicrotasks);
};

test.each<[string, (ctx: Context) => Promise<unknown>, string]>([
  [
    'several waits: whichever is over first',
    async ctx => Promise.all([ctx.sleep(1), RestatePromise.all([ctx.sleep(1), ctx.sleep(1)])]),
    'race(1 s1 all(2 3))',
  ],
  [
    'a mapper in allSettled is not slept through',
    async ctx => RestatePromise.allSettled([ctx.sleep(1), ctx.sleep(1).map(() => 1)]),
    'race(s1 unknown(all(1 unknown(2))))',
  ],
  [
    'however deep it is',
    async ctx => RestatePromise.allSettled([ctx.sleep(1), RestatePromise.race([ctx.sleep(1).map(() => 1)])]),
    'race(s1 unknown(all(1 race(unknown(2)))))',
  ],
  [
    'of a timeout nothing is made before all is over',
    async ctx => RestatePromise.allSettled([ctx.sleep(1), ctx.sleep(1).orTimeout(1)]),
    'race(s1 allSettled(1 unknown(2 3)))',
  ],
  [
    'two promises of one signal: only this side knows which takes which',
    async ctx => RestatePromise.all([ctx.signal('a'), RestatePromise.race([ctx.signal('a'), ctx.sleep(1)])]),
    'unknown(1 s1 a)',
  ],
  [
    'of what is foreign the server knows nothing',
    async ctx => RestatePromise.all([RestatePromise.resolve(1).map(foreign), ctx.sleep(1)]),
    'race(s1 all(1))',
  ],
])('%s', async (_name, handler, expected) => {
  expect(show(await futureOf(handler as Handler))).toBe(expected);
});

test.each([
  [998, 'race(s1 all('],
  [999, 'race(s1 all('],
  [1000, 'unknown(1 2 s1)'],
])('%i levels of promises', async (levels, expected) => {
  const future = await futureOf(async ctx => {
    let promise: RestatePromise<unknown> = RestatePromise.all([ctx.sleep(1), ctx.sleep(1)]);
    for (let i = 1; i < levels; i++) promise = RestatePromise.all([promise]);
    return promise;
  });
  expect(show(future).slice(0, expected.length)).toBe(expected);
});
