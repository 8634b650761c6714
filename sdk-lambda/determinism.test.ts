/**
 * Invariant D1 by random search: what a program does depends on the order of its notifications alone, not on how
 * they were grouped into attempts or chunks.
 *
 * A reference run delivers one notification per attempt, in a random order, early signals and cancellations
 * among them. Then any earlier journal (commands as of notification j) with any later set of notifications (the
 * first k) must continue with exactly the commands that the reference run had written by k and end as it did;
 * and so must a single attempt that is fed the notifications live, in random chunks.
 */
import type { DecodedFrame } from '@holdfast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type internal, RestatePromise, TerminalError, type WorkflowContext, workflow } from './index.ts';
import { attempt, liveAttempt } from './journal.testkit.ts';
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

const { program } = fc.letrec<{ durable: Durable; program: readonly Step[] }>(tie => ({
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
    world.take(await attempt(workflowOf(steps, mode), 'run', { entries, start }));
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

const mode = fc.record({
  explicit: fc.boolean(),
  state: fc.constantFrom('full' as const, 'partial' as const, 'lazy' as const),
});

test('a program behaves the same however its notifications are grouped', async () => {
  let longest = 0;
  await fc.assert(
    fc.asyncProperty(
      program,
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
          const got = await attempt(workflowOf(steps, how), 'run', { entries, start: world.startOf(known) });
          expect(got.commands).toEqual(world.commands.slice(known, world.commandsBy[k]));
          expect(asSets(got.terminator)).toEqual(asSets(world.ends[k] as DecodedFrame));
        }

        const chunks: { drains: number; frames: Uint8Array[] }[] = [];
        for (let at = 0; at < last; ) {
          const size = 1 + roll(4);
          chunks.push({ drains: roll(3), frames: world.notifications.slice(at, at + size) });
          at += size;
        }
        const live = await liveAttempt(workflowOf(steps, how), 'run', { start: world.startOf(0) }, chunks);
        expect(live.commands).toEqual(world.commands);
        expect(live.terminator.name).toBe('End');
      },
    ),
    { numRuns: 200 },
  );
  // Else the search was over trivial programs.
  expect(longest).toBeGreaterThan(5);
});
