/**
 * Invariant D1 by random search: what a program does depends on the order of its notifications alone, not on how
 * they were grouped into attempts or chunks.
 *
 * A reference run delivers one notification per attempt, in a random order, early signals and cancellations
 * among them. Then any earlier journal (commands as of notification j) with any later set of notifications (the
 * first k) must continue with exactly the commands that the reference run had written by k and end as it did;
 * and so must a single attempt that is fed the notifications live, in random chunks.
 */
import { CANCEL_SIGNAL, type DecodedFrame, decodeFrame, decodeFrames, encodeFrame } from '@holdfast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Context, RestatePromise, service, TerminalError } from './index.ts';
import { type AttemptResult, attempt, json, liveAttempt } from './journal.testkit.ts';

type Durable =
  | { readonly kind: 'sleep' | 'awakeable' | 'call' }
  | { readonly kind: 'run'; readonly fails: boolean; readonly ticks: number }
  | { readonly kind: 'all' | 'race' | 'any' | 'allSettled'; readonly of: readonly Durable[] }
  | { readonly kind: 'map' | 'timeout'; readonly of: readonly [Durable] };

type Step =
  | { readonly kind: 'await' | 'forget' | 'keep'; readonly what: Durable }
  | { readonly kind: 'awaitKept' | 'rand' }
  | { readonly kind: 'both' | 'either'; readonly left: readonly Step[]; readonly right: readonly Step[] };

const { program } = fc.letrec<{ durable: Durable; program: readonly Step[] }>(tie => ({
  durable: fc.oneof(
    { maxDepth: 2, depthSize: 'small' },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constantFrom('sleep' as const, 'awakeable' as const, 'call' as const),
      }),
    },
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
      { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('awaitKept' as const, 'rand' as const) }) },
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
function serviceOf(steps: readonly Step[]) {
  return service({
    name: 'P',
    handlers: {
      run: async (ctx: Context) => {
        const trace: unknown[] = [];
        const kept: RestatePromise<unknown>[] = [];
        await interpret(ctx, steps, '', trace, kept);
        return trace;
      },
    },
  });
}

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
        return failure === undefined ? ['mapped', value] : failure.message;
      });
    case 'timeout':
      return build(ctx, what.of[0], `${at}t`, trace).orTimeout(50);
    default:
      return RestatePromise[what.kind](what.of.map((each, i) => build(ctx, each, `${at}.${i}`, trace)));
  }
}

/** What can happen next, given what the program has asked for. `roll` decides. */
class World {
  readonly commands: Uint8Array[] = [];
  readonly notifications: Uint8Array[] = [];
  /** Number of commands known when so many notifications had been delivered. */
  readonly commandsBy: number[] = [];
  readonly ends: DecodedFrame[] = [];
  readonly #outstanding = new Map<string, Uint8Array>();
  readonly #delivered = new Set<string>();
  readonly #roll: (bound: number) => number;
  #cancelsLeft: number;

  constructor(roll: (bound: number) => number, cancels: number) {
    this.#roll = roll;
    this.#cancelsLeft = cancels;
    // Signals may come before anybody waits for them.
    this.#signal(17);
    this.#signal(18);
  }

  take({ commands, proposals, terminator }: AttemptResult): void {
    for (const command of commands) this.#command(command);
    for (const { resultCompletionId, value, failure } of proposals) {
      const result = failure === undefined ? { value: value ?? new Uint8Array() } : { failure };
      this.#expect(
        `run ${resultCompletionId}`,
        encodeFrame('RunCompletion', { completionId: resultCompletionId, ...result }),
      );
    }
    if (terminator.name === 'Suspension') {
      for (const signal of terminator.message.waitingSignals)
        if (signal !== CANCEL_SIGNAL) this.#signal(signal);
    }
    this.commandsBy.push(this.commands.length);
    this.ends.push(terminator);
  }

  #command(bytes: Uint8Array): void {
    this.commands.push(bytes);
    const [frame] = decodeFrames(bytes);
    if (frame === undefined) throw new Error('assertion: a command');
    const { name, message } = decodeFrame(frame);
    if (name === 'SleepCommand') {
      const completionId = message.resultCompletionId;
      this.#expect(`sleep ${completionId}`, encodeFrame('SleepCompletion', { completionId, void: true }));
    } else if (name === 'CallCommand') {
      const completionId = message.invocationIdNotificationIdx;
      this.#expect(
        `id ${completionId}`,
        encodeFrame('CallInvocationIdCompletion', {
          completionId,
          invocationId: `inv_1child${completionId}`,
        }),
      );
      this.#expect(
        `call ${completionId}`,
        encodeFrame('CallCompletion', {
          completionId: message.resultCompletionId,
          value: json(completionId),
        }),
      );
    }
  }

  #signal(signalId: number): void {
    const result =
      signalId % 3 === 0
        ? { failure: { code: 500, message: 'no', metadata: [] } }
        : { value: json(signalId) };
    this.#expect(`signal ${signalId}`, encodeFrame('SignalNotification', { signalId, ...result }));
  }

  #expect(what: string, frame: Uint8Array): void {
    if (!this.#delivered.has(what)) this.#outstanding.set(what, frame);
  }

  deliverOne(): void {
    if (this.#cancelsLeft > 0 && this.#roll(4) === 0) {
      this.#cancelsLeft--;
      this.notifications.push(encodeFrame('SignalNotification', { signalId: CANCEL_SIGNAL, void: true }));
      return;
    }
    const candidates = [...this.#outstanding];
    const chosen = candidates[this.#roll(candidates.length)];
    if (chosen === undefined) throw new Error('assertion: suspended on something that can happen');
    this.#outstanding.delete(chosen[0]);
    this.#delivered.add(chosen[0]);
    this.notifications.push(chosen[1]);
  }
}

async function referenceRun(
  steps: readonly Step[],
  roll: (bound: number) => number,
  cancels: number,
): Promise<World> {
  const world = new World(roll, cancels);
  for (let guard = 0; guard < 300; guard++) {
    const entries = [...world.commands, ...world.notifications];
    world.take(await attempt(serviceOf(steps), 'run', { entries }));
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
      }
    : { name, message };

test('a program behaves the same however its notifications are grouped', async () => {
  let longest = 0;
  await fc.assert(
    fc.asyncProperty(
      program,
      fc.infiniteStream(fc.nat(1_000_000)),
      fc.nat(2),
      async (steps, random, cancels) => {
        const roll = (bound: number) => (bound === 0 ? 0 : (random.next().value as number) % bound);
        const world = await referenceRun(steps, roll, cancels);
        expect(world.ends.at(-1)?.name).toBe('End');
        const last = world.notifications.length;
        longest = Math.max(longest, last);

        for (let pair = 0; pair < 12; pair++) {
          const k = pair === 0 ? last : roll(last + 1);
          const j = pair < 2 ? 0 : roll(k + 1);
          const known = pair === 0 ? 0 : (world.commandsBy[j] ?? 0);
          const entries = [...world.commands.slice(0, known), ...world.notifications.slice(0, k)];
          const got = await attempt(serviceOf(steps), 'run', { entries });
          expect(got.commands).toEqual(world.commands.slice(known, world.commandsBy[k]));
          expect(asSets(got.terminator)).toEqual(asSets(world.ends[k] as DecodedFrame));
        }

        const chunks: { drains: number; frames: Uint8Array[] }[] = [];
        for (let at = 0; at < last; ) {
          const size = 1 + roll(4);
          chunks.push({ drains: roll(3), frames: world.notifications.slice(at, at + size) });
          at += size;
        }
        const live = await liveAttempt(serviceOf(steps), 'run', {}, chunks);
        expect(live.commands).toEqual(world.commands);
        expect(live.terminator.name).toBe('End');
      },
    ),
    { numRuns: 200 },
  );
  // Else the search was over trivial programs.
  expect(longest).toBeGreaterThan(5);
});
