/** Random handler programs: data that the handlers of handlers.ts interpret. Small, nested, full of waiting. */

import type { SimRandom } from './random.ts';
import { type Kind, kindOf } from './targets.ts';

/** What is called. */
export interface Callee {
  readonly service: string;
  readonly handler: string;
  /** Of the object or workflow; empty for a plain service. */
  readonly key: string;
  readonly program: Program;
  readonly idempotencyKey?: string;
}

/** Somebody will send a value once for each delay; the first that is accepted counts. */
interface Offered {
  readonly delaysMs: readonly number[];
  readonly reject: boolean;
}

/** Steps whose promise can be combined. */
export type Leaf =
  | {
      readonly kind: 'run';
      /** How many executions fail before one succeeds. */
      readonly failures: number;
      readonly terminal: boolean;
      readonly ms: number;
      /** The SDK's own retries; absent: the server's policy. */
      readonly attempts?: number;
      /** The program goes on before the result is recorded. */
      readonly batched: boolean;
    }
  | { readonly kind: 'sleep'; readonly ms: number }
  | { readonly kind: 'call'; readonly callee: Callee }
  | (Offered & {
      readonly kind: 'awakeable';
      readonly by: 'outside' | 'handler';
      /** Sleep between making and awaiting it. */
      readonly pauseMs: number;
    })
  /** Each value that comes is taken by one wait. */
  | (Offered & { readonly kind: 'signal'; readonly name: string })
  | (Offered & { readonly kind: 'promise'; readonly name: string })
  | { readonly kind: 'get'; readonly name: string };

export interface Combine {
  readonly kind: 'combine';
  readonly rule: Rule;
  readonly parts: readonly Part[];
  /** No mapper looks at anything of it, so that the server can know when it is decided. */
  readonly isPlain: boolean;
}
/** What can be combined. */
export type Part = Leaf | Combine;

export type Step =
  | Leaf
  | { readonly kind: 'send'; readonly callee: Callee; readonly delayMs?: number }
  | { readonly kind: 'callAndCancel'; readonly callee: Callee; readonly afterMs: number }
  | { readonly kind: 'callAndSignal'; readonly callee: Callee; readonly name: string }
  | { readonly kind: 'attach'; readonly callee: Callee }
  | Combine
  | { readonly kind: 'orTimeout'; readonly part: Leaf; readonly ms: number }
  | { readonly kind: 'transient'; readonly failures: number }
  | { readonly kind: 'terminal' }
  | { readonly kind: 'rand' }
  | { readonly kind: 'date' }
  | { readonly kind: 'keys' }
  | { readonly kind: 'clearAll' }
  | { readonly kind: 'set'; readonly name: string; readonly length: number }
  | { readonly kind: 'clear'; readonly name: string }
  | { readonly kind: 'peek'; readonly name: string }
  | { readonly kind: 'settle'; readonly name: string; readonly reject: boolean };

export type Rule = 'all' | 'race' | 'any' | 'allSettled';

export interface Program {
  readonly steps: readonly Step[];
  /** Terminal errors of a step are caught and the program goes on. */
  readonly catches: boolean;
}

export const SERVICES = ['alpha', 'beta'] as const;
const STATE_NAMES = ['a', 'b', 'c', 'd'] as const;
const PROMISE_NAMES = ['p', 'q'] as const;
const SIGNAL_NAMES = ['s', 't'] as const;

/** How often what is called, also from outside. */
const CALLEES = {
  'alpha/program': 3,
  'beta/program': 3,
  'watchful/program': 1,
  'ledger/program': 4,
  'ledger/look': 1.5,
  'vault/program': 1.5,
  'vault/look': 0.7,
  'flow/run': 2,
  'flow/look': 1.5,
} as const;

/** Few, so that they meet; of the callee's depth, so that nobody waits for itself in a circle. */
const randomKey = (random: SimRandom, depth: number, keys: number): string =>
  `d${depth}.${random.int(1, keys)}`;

const COMMON_WEIGHTS = {
  run: 6,
  sleep: 4,
  call: 4,
  awakeable: 3,
  signal: 1.5,
  send: 2,
  callAndCancel: 1.5,
  callAndSignal: 0.7,
  attach: 1.5,
  combine: 4,
  orTimeout: 2,
  transient: 1,
  terminal: 0.3,
  rand: 0.7,
  date: 0.5,
};
const NONE = { get: 0, keys: 0, set: 0, clear: 0, clearAll: 0, promise: 0, peek: 0, settle: 0 };
const READS = { get: 5, keys: 1.5 };
const WRITES = { set: 7, clear: 1.5, clearAll: 2 };
const PROMISES = { promise: 4, peek: 1.5, settle: 2.5 };
type Weights = Readonly<Record<Step['kind'], number>>;
const STEP_WEIGHTS: Readonly<Record<Kind, Weights>> = {
  service: { ...COMMON_WEIGHTS, ...NONE },
  exclusive: { ...COMMON_WEIGHTS, ...NONE, ...READS, ...WRITES },
  shared: { ...COMMON_WEIGHTS, ...NONE, ...READS },
  run: { ...COMMON_WEIGHTS, ...NONE, ...READS, ...WRITES, ...PROMISES },
  workflowShared: { ...COMMON_WEIGHTS, ...NONE, ...READS, ...PROMISES },
};
const LEAVES = { run: 3, sleep: 3, call: 1, awakeable: 2, signal: 1 } as const;
const LEAF_WEIGHTS: Readonly<Record<Kind, Readonly<Record<Leaf['kind'], number>>>> = {
  service: { ...LEAVES, get: 0, promise: 0 },
  exclusive: { ...LEAVES, get: 2, promise: 0 },
  shared: { ...LEAVES, get: 2, promise: 0 },
  run: { ...LEAVES, get: 1, promise: 4 },
  workflowShared: { ...LEAVES, get: 1, promise: 4 },
};

/** A callee whose program is of this depth. */
export function randomCallee(
  random: SimRandom,
  depth: number,
  idempotent: number,
  name: keyof typeof CALLEES = random.weighted(CALLEES),
): Callee {
  const [service, handler] = name.split('/') as [string, string];
  const kind = kindOf({ service, handler });
  const program = randomProgram(random, depth, kind);
  const key = kind === 'service' ? '' : randomKey(random, depth, kind === 'run' ? 3 : 2);
  // The run of a workflow key is idempotent by itself.
  const isIdempotent = kind !== 'run' && random.chance(idempotent);
  const idempotencyKey = randomKey(random, depth, 3);
  return { service, handler, key, program, ...(isIdempotent ? { idempotencyKey } : {}) };
}

function randomProgram(random: SimRandom, depth: number, kind: Kind): Program {
  const length = random.int(1, depth === 0 ? 2 : 4) + (kind === 'service' ? 0 : random.int(0, 3));
  const steps = Array.from({ length }, () => randomStep(random, depth, kind));
  return { steps, catches: random.chance(0.6) };
}

const durationMs = (random: SimRandom): number =>
  random.pick([0, 1, 5, random.int(1, 200), random.int(100, 3000), random.int(1000, 15_000)]);

export type StepOf<K extends Step['kind']> = Extract<Step, { kind: K }>;
type Makers = {
  readonly [K in Exclude<Step['kind'], Leaf['kind']>]: (
    random: SimRandom,
    depth: number,
    context: Kind,
  ) => StepOf<K>;
};

const makers: Makers = {
  send: (random, depth) => ({
    kind: 'send',
    callee: randomCallee(random, depth - 1, 0),
    ...(random.chance(0.5) ? { delayMs: durationMs(random) } : {}),
  }),
  callAndCancel: (random, depth) => ({
    kind: 'callAndCancel',
    callee: randomCallee(random, depth - 1, 0),
    afterMs: durationMs(random),
  }),
  callAndSignal: (random, depth) => ({
    kind: 'callAndSignal',
    callee: randomCallee(random, depth - 1, 0),
    name: random.pick(SIGNAL_NAMES),
  }),
  attach: (random, depth) => ({ kind: 'attach', callee: randomCallee(random, depth - 1, 1) }),
  combine: (random, depth, context) => randomCombine(random, depth, context, 2),
  orTimeout: (random, depth, context) => ({
    kind: 'orTimeout',
    part: randomLeaf(random, depth, context),
    ms: durationMs(random),
  }),
  transient: random => ({ kind: 'transient', failures: random.int(1, 3) }),
  terminal: () => ({ kind: 'terminal' }),
  rand: () => ({ kind: 'rand' }),
  date: () => ({ kind: 'date' }),
  keys: () => ({ kind: 'keys' }),
  clearAll: () => ({ kind: 'clearAll' }),
  set: random => ({
    kind: 'set',
    name: random.pick(STATE_NAMES),
    length: random.pick([0, 0, 10, 60]),
  }),
  clear: random => ({ kind: 'clear', name: random.pick(STATE_NAMES) }),
  peek: random => ({ kind: 'peek', name: random.pick(PROMISE_NAMES) }),
  settle: random => ({ kind: 'settle', name: random.pick(PROMISE_NAMES), reject: random.chance(0.2) }),
};

function randomCombine(random: SimRandom, depth: number, context: Kind, levels: number): Combine {
  const isPlain = random.chance(0.6);
  const parts = Array.from({ length: random.int(1, 3) }, () =>
    isPlain && levels > 1 && random.chance(0.3)
      ? { ...randomCombine(random, depth, context, levels - 1), isPlain }
      : randomLeaf(random, depth, context),
  );
  return { kind: 'combine', rule: random.pick(['all', 'race', 'any', 'allSettled']), parts, isPlain };
}

const NEEDS_DEPTH: readonly string[] = ['send', 'callAndCancel', 'callAndSignal', 'attach'];

function randomStep(random: SimRandom, depth: number, context: Kind): Step {
  const kind = random.weighted(STEP_WEIGHTS[context]);
  if (depth === 0 && NEEDS_DEPTH.includes(kind)) return randomLeaf(random, 0, context);
  return kind in makers
    ? makers[kind as keyof Makers](random, depth, context)
    : randomLeaf(random, depth, context, kind as Leaf['kind']);
}

function randomLeaf(random: SimRandom, depth: number, context: Kind, wanted?: Leaf['kind']): Leaf {
  const kind = wanted ?? random.weighted(LEAF_WEIGHTS[context]);
  switch (kind) {
    case 'call':
      return depth > 0 ? { kind, callee: randomCallee(random, depth - 1, 0.3) } : randomRun(random);
    case 'sleep':
      return { kind, ms: durationMs(random) };
    case 'awakeable': {
      const by = random.chance(0.7) ? 'outside' : 'handler';
      return { kind, ...randomOffer(random), by, pauseMs: random.pick([0, 0, durationMs(random)]) };
    }
    case 'signal':
      return { kind, ...randomOffer(random), name: random.pick(SIGNAL_NAMES) };
    case 'promise':
      return { kind, ...randomOffer(random), name: random.pick(PROMISE_NAMES) };
    case 'get':
      return { kind, name: random.pick(STATE_NAMES) };
    case 'run':
      return randomRun(random);
    default:
      return kind satisfies never;
  }
}

function randomOffer(random: SimRandom): Offered {
  const delaysMs = Array.from({ length: random.int(1, 2) }, () => durationMs(random));
  return { delaysMs, reject: random.chance(0.15) };
}

function randomRun(random: SimRandom): Leaf {
  const attempts = random.chance(0.2) ? { attempts: random.int(1, 3) } : {};
  const failures = random.pick([0, 0, 0, 1, 2, 9]);
  // What fails to the end often does so slowly, and somebody acts meanwhile.
  const slow = failures === 9 ? [random.int(300, 1500), random.int(300, 1500)] : [];
  const ms = random.pick([0, 0, random.int(1, 20), random.int(1, 400), ...slow]);
  const terminal = random.chance(0.06);
  return { kind: 'run', failures, terminal, ms, batched: random.chance(0.35), ...attempts };
}
