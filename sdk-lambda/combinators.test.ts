/**
 * Promises and their combinations against a model, by random search: whatever the order of notifications, user code
 * observes what the rules say, takes the steps that they say, and does so however the notifications are grouped into
 * attempts. (That the grouping does not matter, for programs of all verbs: `determinism.test.ts`.)
 *
 * Each branch of a program is compared by itself, for the order of two that one notification wakes is not the rules'.
 */
import { decodeFrame, decodeFrames, encodeFrame, type WireNotification } from '@holdfast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RestatePromise, serde, TerminalError, type WorkflowContext, workflow } from './index.ts';
import { attempt, concat, json, NOW_MS, sleep, slept, text, transcript } from './journal.testkit.ts';
import { type Event, listOf, Model, type Outcome } from './model.testkit.ts';
import { laneOf, type Step, signalOf, type Tree } from './program.testkit.ts';
import { World } from './world.testkit.ts';

const { program } = fc.letrec<{ tree: Tree; program: readonly Step[] }>(tie => ({
  tree: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constantFrom('sleep' as const, 'awakeable' as const, 'call' as const, 'signal' as const),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('run' as const), fails: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('kept' as const), which: fc.nat(5) }) },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constantFrom('all' as const, 'race' as const, 'any' as const, 'allSettled' as const),
        of: fc.array(tie('tree'), { minLength: 1, maxLength: 3 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('timeout' as const), of: fc.tuple(tie('tree')) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('map' as const),
        of: fc.tuple(tie('tree')),
        to: fc.constantFrom(
          'value' as const,
          'failure' as const,
          'step' as const,
          'later' as const,
          'afterAStep' as const,
        ),
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
          what: tie('tree'),
        }),
      },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('awaitKept' as const), which: fc.nat(5) }) },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constantFrom('both' as const, 'either' as const),
          left: tie('program'),
          right: tie('program'),
        }),
      },
    ),
    { maxLength: 5 },
  ),
}));

/** Waits for signals of one name, which come in numbers, in races that leave some of them behind, to be awaited again. */
const SLEEP: Tree = { kind: 'sleep' };
const signal = fc.constant<Tree>({ kind: 'signal' });
const kept = fc.record({ kind: fc.constant('kept' as const), which: fc.nat(1) });
const raced = fc.record({
  kind: fc.constantFrom('race' as const, 'any' as const),
  of: fc.array(fc.oneof(signal, signal, kept), { minLength: 1, maxLength: 3 }),
});
const stepOf = (what: fc.Arbitrary<Tree>, kind: 'keep' | 'await' = 'await') =>
  fc.record({ kind: fc.constant(kind), what });
/** Each of these steps, or not. */
const around: fc.Arbitrary<readonly Step[]> = fc
  .tuple(
    stepOf(raced, 'keep'),
    stepOf(kept.map((it): Tree => ({ kind: 'race', of: [it, SLEEP] }))),
    stepOf(fc.constant(SLEEP)),
    fc.record({ kind: fc.constant('awaitKept' as const), which: fc.nat(1) }),
    stepOf(signal),
  )
  .chain(steps => fc.subarray<Step>(steps, { minLength: 3 }));
const signals = fc.array(around, { minLength: 1, maxLength: 3 }).map(parts => parts.flat());

/** Waits that are cancelled while the ids of calls are not known, for what is awaited again afterwards. */
const CALL: Tree = { kind: 'call' };
const cancelled = fc
  .array(
    fc.record({
      kind: fc.constantFrom('race' as const, 'any' as const, 'allSettled' as const),
      of: fc.array(
        fc.constantFrom<Tree>(SLEEP, { kind: 'run', fails: true }, { kind: 'map', of: [SLEEP], to: 'step' }),
        { minLength: 2, maxLength: 3 },
      ),
    }),
    { minLength: 1, maxLength: 2 },
  )
  .map(trees =>
    trees.flatMap((tree, which): Step[] => [
      { kind: 'keep', what: { kind: 'map', of: [tree], to: 'value' } },
      { kind: 'await', what: { kind: 'all', of: [{ kind: 'kept', which }, CALL] } },
      { kind: 'awaitKept', which },
    ]),
  );

// ---- the program as a handler

interface Kept {
  readonly promise: RestatePromise<unknown>;
  readonly hasSignals: boolean;
}

/** One attempt at a program, and what it has observed so far. */
class Run {
  readonly traces = new Map<string, unknown[]>();
  /** Paths in the order of creation. */
  readonly awakeables: string[] = [];
  readonly #steps: readonly Step[];
  #hasSignals = false;

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
  }

  get service() {
    return workflow({ name: 'P', handlers: { run: (ctx: WorkflowContext) => this.#program(ctx) } });
  }

  async #program(ctx: WorkflowContext): Promise<void> {
    await this.#branch(ctx, this.#steps, '', []);
    for (let count = 0; ; count++) {
      await this.#observe(`end${count}`, ctx.sleep(1000, `end${count}`));
      if (this.traces.get('')?.at(-1)?.toString() === `end${count},`) return;
    }
  }

  async #branch(
    ctx: WorkflowContext,
    steps: readonly Step[],
    path: string,
    inherited: readonly Kept[],
  ): Promise<void> {
    const kept = [...inherited];
    for (const [index, step] of steps.entries()) {
      const at = `${path}${index}`;
      if ('left' in step) {
        const passed = kept.filter(({ hasSignals }) => !hasSignals);
        const branches = [
          this.#branch(ctx, step.left, `${at}l`, passed),
          this.#branch(ctx, step.right, `${at}r`, passed),
        ];
        await (step.kind === 'both' ? Promise.all(branches) : Promise.race(branches));
      } else if (step.kind === 'awaitKept') {
        const { promise } = kept[step.which % Math.max(1, kept.length)] ?? {};
        await this.#observe(at, promise ?? RestatePromise.resolve('none'));
      } else {
        this.#hasSignals = false;
        const promise = this.#build(ctx, step.what, at, kept, { isUsed: false });
        if (step.kind === 'keep') kept.push({ promise, hasSignals: this.#hasSignals });
        if (step.kind === 'await') await this.#observe(at, promise);
      }
    }
  }

  async #observe(at: string, promise: PromiseLike<unknown>): Promise<void> {
    try {
      this.#observed(at, await promise);
    } catch (error) {
      this.#observed(at, error);
    }
  }

  #observed(at: string, what: unknown): void {
    listOf(this.traces, laneOf(at)).push([at, shown(what)]);
  }

  #build(
    ctx: WorkflowContext,
    tree: Tree,
    at: string,
    kept: readonly Kept[],
    once: { isUsed: boolean },
  ): RestatePromise<unknown> {
    switch (tree.kind) {
      case 'sleep':
        return ctx.sleep(1000, at);
      case 'awakeable':
        this.awakeables.push(at);
        return ctx.awakeable().promise;
      case 'signal':
        this.#hasSignals = true;
        return ctx.signal(signalOf(at));
      case 'call':
        return ctx.genericCall({
          service: 'X',
          method: 'x',
          parameter: new Uint8Array(),
          name: at,
          outputSerde: serde.json,
        });
      case 'run':
        return ctx.run(at, () => {
          if (tree.fails) throw new TerminalError(`failed ${at}`);
          return at;
        });
      case 'kept': {
        const found = once.isUsed ? undefined : kept[tree.which % Math.max(1, kept.length)];
        if (!found) return ctx.sleep(1000, at);
        once.isUsed = true;
        this.#hasSignals ||= found.hasSignals;
        return found.promise;
      }
      case 'map':
        return this.#build(ctx, tree.of[0], `${at}m`, kept, once).map((value, failure) => {
          this.#observed(`${at}!`, 'mapped');
          const mapped = failure === undefined ? ['mapped', value] : failure.message;
          if (tree.to === 'failure') throw new TerminalError(`mapped ${at}`);
          if (tree.to === 'step') return ctx.sleep(1000, `${at}!`);
          if (tree.to === 'value') return mapped;
          return (async () => {
            await (tree.to === 'later' ? null : ctx.sleep(1000, `${at}!`));
            return mapped;
          })();
        });
      case 'timeout':
        return this.#build(ctx, tree.of[0], `${at}t`, kept, once).orTimeout(timeoutOf(`${at}T!`));
      default:
        return RestatePromise[tree.kind](
          tree.of.map((each, i) => this.#build(ctx, each, `${at}.${i}`, kept, once)),
        );
    }
  }
}

/** Timers have no names: each is told by its duration. */
const timeouts: string[] = [];
function timeoutOf(path: string): number {
  if (!timeouts.includes(path)) timeouts.push(path);
  return 1 + timeouts.indexOf(path);
}

const shown = (what: unknown): unknown => {
  if (what instanceof Error) return String(what);
  if (Array.isArray(what)) return what.map(shown);
  if (typeof what !== 'object' || what === null) return what;
  return Object.fromEntries(Object.entries(what).map(([key, value]) => [key, shown(value)]));
};

// ---- what the server knows, in the words of the model

/** The steps of these commands by branch, and which path the answer to a completion id belongs to. */
function stepsOf(commands: readonly Uint8Array[]) {
  const steps = new Map<string, string[]>();
  const paths = new Map<number, string>();
  const cancelled: string[] = [];
  const add = (kind: string, path: string, id: number) => {
    listOf(steps, laneOf(path)).push(`${kind} ${path}`);
    paths.set(id, path);
  };
  for (const { name, message } of decodeFrames(concat(commands)).map(decodeFrame)) {
    if (name === 'SleepCommand') {
      const path = message.name || (timeouts[message.wakeUpTime - NOW_MS - 1] ?? '');
      add('sleep', path, message.resultCompletionId);
    } else if (name === 'RunCommand') add('run', message.name ?? '', message.resultCompletionId);
    else if (name === 'CallCommand') {
      const path = message.name ?? '';
      add('call', path, message.resultCompletionId);
      paths.set(message.invocationIdNotificationIdx, `${path}#id`);
    } else if (name === 'SendSignalCommand') {
      const child = Number(message.targetInvocationId.replace('inv_1child', ''));
      cancelled.push((paths.get(child) ?? '').replace('#id', ''));
    }
  }
  return { steps, paths, cancelled: cancelled.sort() };
}

function eventsOf(world: World, awakeables: readonly string[]): Event[] {
  const { paths } = stepsOf(world.commands);
  return decodeFrames(concat(world.notifications)).map(frame => {
    const notification = decodeFrame(frame).message as WireNotification;
    const { completionId, signalId, signalName } = notification;
    if (signalId === 1) return { cancel: true };
    const outcome = outcomeOf(notification);
    if (signalName !== undefined) return { signal: signalName, outcome };
    const leaf = completionId === undefined ? awakeables[(signalId ?? 0) - 17] : paths.get(completionId);
    return { leaf: leaf ?? `nobody's ${signalId}`, outcome };
  });
}

function outcomeOf({ failure, value, invocationId }: WireNotification): Outcome {
  if (failure) return { error: `TerminalError: ${failure.message}`, isTerminal: true };
  return { value: value === undefined ? invocationId : JSON.parse(text(value)) };
}

/** A branch that nobody waits for any more forgets its runs. */
const silent = { warn: () => {} } as unknown as Console;
const unasked = (count: number) =>
  encodeFrame('SignalNotification', { signalName: 'a', value: json(`unasked ${count}`) });
const MODE = { explicit: false, state: 'full', decodesSlowly: false } as const;
/** Empty branches are none. */
const sorted = (lists: ReadonlyMap<string, readonly unknown[]>) =>
  Object.fromEntries([...lists].filter(([, list]) => list.length > 0).sort());

test.each([
  ['a program', program, 150],
  ['waits for signals', signals, 300],
  ['waits that are cancelled', cancelled, 150],
])('what user code observes is what the rules say: %s', async (_name, programs, numRuns) => {
  let most = 0;
  let attempts = 0;
  await fc.assert(
    fc.asyncProperty(
      programs,
      fc.infiniteStream(fc.nat(1_000_000)),
      fc.nat(2),
      async (steps, random, cancels) => {
        const roll = (bound: number) => (bound === 0 ? 0 : (random.next().value as number) % bound);
        const world = new World(roll, cancels, MODE);
        const traces: unknown[] = [];
        for (let run = new Run(steps); ; run = new Run(steps)) {
          const entries = [...world.commands, ...world.notifications];
          world.take(await attempt(run.service, 'run', { entries, console: silent }));
          traces.push(sorted(run.traces));
          if (world.ends.at(-1)?.name !== 'Suspension') {
            expect(world.ends.at(-1)?.name).toBe('End');
            const events = eventsOf(world, run.awakeables);
            const model = new Model(steps);
            for (let known = 0; known <= events.length; known++) {
              const event = events[known - 1];
              if (event) model.happens(event);
              expect(traces[known], `observed after ${known}`).toEqual(sorted(model.traces));
              const { steps: taken, cancelled } = stepsOf(world.commands.slice(0, world.commandsBy[known]));
              expect(sorted(taken), `taken after ${known}`).toEqual(sorted(model.steps));
              expect(cancelled).toEqual([...model.cancelledCalls].sort());
              expect(model.isOver).toBe(known === events.length);
            }
            most = Math.max(most, events.length);
            break;
          }
          // Signals come whether somebody waits for them or not.
          if (roll(3) > 0) world.deliverOne();
          else world.notifications.push(unasked(world.notifications.length));
        }
        // The same, with several notifications to an attempt.
        for (let known = 0, before = 0; before < world.notifications.length; before = known) {
          known = Math.min(known + 1 + roll(5), world.notifications.length);
          const recorded = world.commands.slice(0, world.commandsBy[before]);
          const run = new Run(steps);
          const entries = [...recorded, ...world.notifications.slice(0, known)];
          const { commands } = await attempt(run.service, 'run', { entries, version: 7, console: silent });
          expect(sorted(run.traces)).toEqual(traces[known]);
          expect(commands).toEqual(world.commands.slice(recorded.length, world.commandsBy[known]));
          attempts++;
        }
      },
    ),
    { numRuns },
  );
  // Else the search was over trivial programs.
  expect(most).toBeGreaterThan(8);
  expect(attempts).toBeGreaterThan(numRuns);
});

test('of two signals that a race has left behind one is taken when it is awaited again, and the other is not lost', async () => {
  const service = workflow({
    name: 'W',
    handlers: {
      run: async (ctx: WorkflowContext) => {
        const inner = RestatePromise.race([ctx.signal('a'), ctx.signal('a')]);
        await RestatePromise.race([inner, ctx.sleep(1)]);
        await ctx.sleep(2);
        return [await inner, await ctx.signal('a')];
      },
    },
  });
  const entries = [sleep(1), slept(1), sleep(2), unasked(1), unasked(2), slept(2)];
  const { frames } = await attempt(service, 'run', { entries, start: { key: 'k' } });
  expect(transcript(frames)).toEqual(['OutputCommand ["unasked 1","unasked 2"]', 'End']);
});
