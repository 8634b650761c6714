/**
 * Invariant D1 by random search: what a program does depends on the order of its notifications alone, not on how
 * they were grouped into attempts or chunks.
 *
 * A reference run delivers one notification per attempt, in a random order, early signals and cancellations
 * among them, with values that decode at once or slowly. Then any earlier journal (commands as of notification j)
 * with any later set of notifications (the first k) must continue with exactly the commands that the reference run
 * had written by k and end as it did; and so must a single attempt that is fed the notifications live, in random
 * chunks.
 *
 * Protocol 7 beside it: the server sleeps until the future that the attempt has left is decided. It must be decided no
 * later than a server that wakes on any leaf would have come any further with it.
 */
import { type DecodedFrame, decodeFrame, decodeFrames, type WireNotification } from '@holdfast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { evaluate } from './future.testkit.ts';
import {
  type internal,
  type JournalValueCodec,
  RestatePromise,
  TerminalError,
  type WorkflowContext,
  workflow,
} from './index.ts';
import { attempt, concat, liveAttempt } from './journal.testkit.ts';
import { type Mode, World } from './world.testkit.ts';

type Context = WorkflowContext & internal.ContextInternal;

const LEAVES = [
  'sleep',
  'awakeable',
  'call',
  'get',
  'getOther',
  'keys',
  'promise',
  'peek',
  'resolve',
] as const;
const SIGNALS = ['signalA', 'signalB', 'cancellation'] as const;
const VERBS = ['rand', 'set', 'clear', 'clearAll', 'cancelCalls'] as const;

const MAPPED_TO = ['value', 'step', 'later', 'afterAStep'] as const;

type Durable =
  | { readonly kind: (typeof LEAVES)[number] | (typeof SIGNALS)[number] }
  | { readonly kind: 'run'; readonly fails: boolean; readonly ticks: number }
  | { readonly kind: 'all' | 'race' | 'any' | 'allSettled'; readonly of: readonly Durable[] }
  | { readonly kind: 'timeout'; readonly of: readonly [Durable] }
  | { readonly kind: 'map'; readonly of: readonly [Durable]; readonly to: (typeof MAPPED_TO)[number] };

type Step =
  | { readonly kind: 'await' | 'forget' | 'keep'; readonly what: Durable }
  | { readonly kind: 'awaitKept' | (typeof VERBS)[number] }
  | { readonly kind: 'both' | 'either'; readonly left: readonly Step[]; readonly right: readonly Step[] };

const { program, durable } = fc.letrec<{ durable: Durable; program: readonly Step[] }>(tie => ({
  durable: fc.oneof(
    { maxDepth: 2, depthSize: 'small' },
    { weight: 5, arbitrary: fc.record({ kind: fc.constantFrom(...LEAVES) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom(...SIGNALS) }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('run' as const), fails: fc.boolean(), ticks: fc.nat(5) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constantFrom('all' as const, 'race' as const, 'any' as const, 'allSettled' as const),
        of: fc.array(tie('durable'), { minLength: 1, maxLength: 3 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constantFrom('map' as const, 'timeout' as const),
        of: fc.tuple(tie('durable')),
        to: fc.constantFrom(...MAPPED_TO),
      }),
    },
  ),
  program: fc.array(
    fc.oneof(
      { maxDepth: 2, depthSize: 'small' },
      {
        weight: 5,
        arbitrary: fc.record({
          kind: fc.constantFrom('await' as const, 'await' as const, 'forget' as const, 'keep' as const),
          what: tie('durable'),
        }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('awaitKept' as const) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom(...VERBS) }) },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constantFrom('both' as const, 'either' as const),
          left: tie('program'),
          right: tie('program'),
        }),
      },
    ),
    { maxLength: 4 },
  ),
}));

/** Runs a program; its trace is the result, so any difference in order shows. */
function workflowOf(steps: readonly Step[], { explicit }: Mode) {
  return workflow({
    name: 'P',
    handlers: {
      run: async (ctx: WorkflowContext) => {
        const trace: unknown[] = [];
        const kept: RestatePromise<unknown>[] = [];
        if (explicit) explicitContexts.add(ctx);
        await interpret(ctx as Context, steps, '', trace, kept);
        return trace;
      },
    },
    options: { explicitCancellation: explicit },
  });
}

const explicitContexts = new WeakSet<object>();

async function interpret(
  ctx: Context,
  steps: readonly Step[],
  path: string,
  trace: unknown[],
  kept: RestatePromise<unknown>[],
): Promise<void> {
  for (const [index, step] of steps.entries()) {
    const at = `${path}${index}`;
    switch (step.kind) {
      case 'forget':
        build(ctx, step.what, at, trace);
        break;
      case 'keep':
        kept.push(build(ctx, step.what, at, trace));
        break;
      case 'await':
        await observe(at, build(ctx, step.what, at, trace), trace);
        break;
      case 'awaitKept':
        await observe(at, kept.at(-1) ?? RestatePromise.resolve('none'), trace);
        break;
      case 'rand':
        trace.push([at, ctx.rand.random()]);
        break;
      case 'set':
        ctx.set('x', at);
        break;
      case 'clear':
        ctx.clear('x');
        break;
      case 'clearAll':
        ctx.clearAll();
        break;
      case 'cancelCalls':
        await observe(at, ctx.cancelPreviousCalls(), trace);
        break;
      default: {
        const branches = [
          interpret(ctx, step.left, `${at}l`, trace, kept),
          interpret(ctx, step.right, `${at}r`, trace, kept),
        ];
        await (step.kind === 'both' ? Promise.all(branches) : Promise.race(branches));
      }
    }
  }
}

async function observe(at: string, promise: PromiseLike<unknown>, trace: unknown[]): Promise<void> {
  try {
    trace.push([at, await promise]);
  } catch (error) {
    trace.push([at, String(error)]);
  }
}

function build(ctx: Context, what: Durable, at: string, trace: unknown[]): RestatePromise<unknown> {
  switch (what.kind) {
    case 'sleep':
      return ctx.sleep(1000, at);
    case 'awakeable':
      return ctx.awakeable().promise;
    case 'get':
      return ctx.get('x');
    case 'getOther':
      return ctx.get('y');
    case 'keys':
      return ctx.stateKeys();
    case 'promise':
      return ctx.promise('p').get();
    case 'peek':
      return ctx.promise('p').peek();
    case 'resolve':
      return ctx.promise('p').resolve(at);
    case 'signalA':
      return ctx.signal('a');
    case 'signalB':
      return ctx.signal('b');
    case 'cancellation':
      // Without the option it would never settle.
      return explicitContexts.has(ctx) ? ctx.cancellation().map(() => 'cancelled') : ctx.signal('a');
    case 'call':
      return ctx.serviceClient<{ x: (c: never, n: number) => Promise<number> }>({ name: 'X' }).x(1);
    case 'run':
      return ctx.run(at, async () => {
        for (let i = 0; i < what.ticks; i++) await null;
        if (what.fails) throw new TerminalError(`failed ${at}`);
        return at;
      });
    case 'map':
      return build(ctx, what.of[0], `${at}m`, trace).map((value, failure) => {
        trace.push([at, 'mapped']);
        const mapped = failure === undefined ? ['mapped', value] : failure.message;
        if (what.to === 'value') return mapped;
        if (what.to === 'step') return ctx.sleep(1000, at);
        return (async () => {
          await (what.to === 'later' ? null : ctx.sleep(1000, at));
          return mapped;
        })();
      });
    case 'timeout':
      return build(ctx, what.of[0], `${at}t`, trace).orTimeout(50);
    default:
      return RestatePromise[what.kind](what.of.map((each, i) => build(ctx, each, `${at}.${i}`, trace)));
  }
}

async function referenceRun(
  steps: readonly Step[],
  roll: (bound: number) => number,
  cancels: number,
  mode: Mode,
): Promise<World> {
  const world = new World(roll, cancels, mode);
  for (let guard = 0; guard < 300; guard++) {
    const entries = [...world.commands, ...world.notifications];
    const start = world.startOf(world.commands.length);
    world.take(await attempt(workflowOf(steps, mode), 'run', { entries, start, codec: codecOf(mode) }));
    if (world.ends.at(-1)?.name !== 'Suspension') return world;
    world.deliverOne();
  }
  throw new Error('the program does not end');
}

const asSets = ({ name, message }: DecodedFrame) =>
  name === 'Suspension'
    ? {
        name,
        completions: [...message.waitingCompletions].sort(),
        signals: [...message.waitingSignals].sort(),
        named: [...message.waitingNamedSignals].sort(),
      }
    : { name, message };

let decoded = 0;
const slow: JournalValueCodec = {
  encode: value => value,
  decode: async value => {
    for (let tick = (decoded++ * 7) % 5; tick > 0; tick--)
      await new Promise<void>(tick % 2 === 0 ? process.nextTick : queueMicrotask);
    return value;
  },
  comparable: () => true,
};
const codecOf = ({ decodesSlowly }: Mode) => (decodesSlowly ? slow : undefined);

const notificationsOf = (frames: readonly Uint8Array[]): WireNotification[] =>
  decodeFrames(concat(frames)).map(frame => decodeFrame(frame).message as WireNotification);

function leavesOf({ name, message }: DecodedFrame): unknown[] {
  if (name !== 'Suspension') return [];
  const { waitingCompletions, waitingSignals, waitingNamedSignals } = message;
  return [...waitingCompletions, ...waitingSignals.map(id => -id), ...waitingNamedSignals];
}

/** After how many notifications a server that wakes on any leaf wakes. */
function wakesOnLeaves(world: World, notifications: readonly WireNotification[]): Set<number> {
  const wakes = new Set([0]);
  let suspended = world.ends[0] as DecodedFrame;
  for (const [index, { completionId, signalId, signalName }] of notifications.entries()) {
    if (!leavesOf(suspended).includes(completionId ?? signalName ?? -(signalId ?? 0))) continue;
    wakes.add(index + 1);
    suspended = world.ends[index + 1] as DecodedFrame;
  }
  return wakes;
}

/** Runs the program on protocol 7 with the notifications of `world` in their order. Returns how many attempts it took. */
async function runOnFutures(steps: readonly Step[], world: World, how: Mode): Promise<number> {
  const notifications = notificationsOf(world.notifications);
  const wakes = wakesOnLeaves(world, notifications);
  // A mapper to whose result nobody listens any more takes its steps when there is an attempt, whenever that is.
  const mapsToSteps = /"(step|afterAStep)"/.test(
    JSON.stringify(steps, (_key, value) => (value?.kind === 'timeout' ? value.of : value)),
  );
  let attempts = 0;
  for (let known = 0; ; ) {
    attempts++;
    const commands = world.commandsBy[known === 0 ? -1 : known] ?? 0;
    const entries = [...world.commands.slice(0, commands), ...world.notifications.slice(0, known)];
    const start = world.startOf(commands);
    const got = await attempt(workflowOf(steps, how), 'run', {
      entries,
      start,
      version: 7,
      codec: codecOf(how),
    });
    const reference = world.ends[known] as DecodedFrame;
    expect(got.commands).toEqual(world.commands.slice(commands, world.commandsBy[known]));
    expect(got.terminator.name).toBe(reference.name);
    if (got.terminator.name !== 'Suspension') {
      expect(got.terminator).toEqual(reference);
      return attempts;
    }
    const { awaitingOn, ...flat } = got.terminator.message;
    expect(flat).toEqual({ waitingCompletions: [], waitingSignals: [], waitingNamedSignals: [] });
    if (awaitingOn === undefined) throw new Error('a suspension without a future');
    const from = known;
    while (evaluate(awaitingOn, notifications.slice(from, known)) === 'pending') {
      if (wakes.has(known)) {
        expect(world.ends[known]?.name, 'the server sleeps on').toBe('Suspension');
        if (!mapsToSteps)
          expect(world.commandsBy[known], 'the server sleeps on').toBe(world.commandsBy[from]);
      }
      expect(++known, 'the server sleeps for ever').toBeLessThanOrEqual(notifications.length);
    }
  }
}

const mode = fc.record({
  explicit: fc.boolean(),
  decodesSlowly: fc.boolean(),
  state: fc.constantFrom('full' as const, 'partial' as const, 'lazy' as const),
});

/** One wait for a tree of promises. */
const combined = (of: fc.Arbitrary<Durable>): fc.Arbitrary<Durable> =>
  fc.record({
    kind: fc.constantFrom('all' as const, 'race' as const, 'any' as const, 'allSettled' as const),
    of: fc.array(of, { minLength: 2, maxLength: 3 }),
  });
const treeAwaited = combined(fc.oneof(durable, combined(durable))).map((what): readonly Step[] => [
  { kind: 'await', what },
]);

test.each([
  ['a program', program, 200],
  ['a wait for a tree', treeAwaited, 100],
])('%s behaves the same however its notifications are grouped', async (_name, programs, numRuns) => {
  let longest = 0;
  let attemptsBefore7 = 0;
  let attempts = 0;
  await fc.assert(
    fc.asyncProperty(
      programs,
      fc.infiniteStream(fc.nat(1_000_000)),
      fc.nat(2),
      mode,
      async (steps, random, cancels, how) => {
        const roll = (bound: number) => (bound === 0 ? 0 : (random.next().value as number) % bound);
        const world = await referenceRun(steps, roll, cancels, how);
        expect(world.ends.at(-1)?.name).toBe('End');
        const last = world.notifications.length;
        longest = Math.max(longest, last);

        for (let pair = 0; pair < 12; pair++) {
          const k = pair === 0 ? last : roll(last + 1);
          const j = pair < 2 ? 0 : roll(k + 1);
          const known = pair === 0 ? 0 : (world.commandsBy[j] ?? 0);
          const entries = [...world.commands.slice(0, known), ...world.notifications.slice(0, k)];
          const got = await attempt(workflowOf(steps, how), 'run', {
            entries,
            start: world.startOf(known),
            codec: codecOf(how),
          });
          expect(got.commands).toEqual(world.commands.slice(known, world.commandsBy[k]));
          expect(asSets(got.terminator)).toEqual(asSets(world.ends[k] as DecodedFrame));
        }

        const chunks: { drains: number; frames: Uint8Array[] }[] = [];
        for (let at = 0; at < last; ) {
          const size = 1 + roll(4);
          chunks.push({ drains: roll(3), frames: world.notifications.slice(at, at + size) });
          at += size;
        }
        for (const version of [6, 7]) {
          const start = world.startOf(0);
          const live = await liveAttempt(
            workflowOf(steps, how),
            'run',
            { start, version, codec: codecOf(how) },
            chunks,
          );
          expect(live.commands).toEqual(world.commands);
          expect(live.terminator.name).toBe('End');
        }
        attemptsBefore7 += wakesOnLeaves(world, notificationsOf(world.notifications)).size;
        attempts += await runOnFutures(steps, world, how);
      },
    ),
    { numRuns },
  );
  // Else the search was over trivial programs.
  expect(longest).toBeGreaterThan(5);
  console.info(`${attemptsBefore7} attempts wake on any leaf, ${attempts} on futures`);
  expect(attempts).toBeLessThanOrEqual(attemptsBefore7);
});
