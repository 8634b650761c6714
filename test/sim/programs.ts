/** Random handler programs: data that the handlers of handlers.ts interpret. Small, nested, full of waiting. */

import type { SimRandom } from './random.ts';

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
    }
  | { readonly kind: 'sleep'; readonly ms: number }
  | { readonly kind: 'call'; readonly service: string; readonly program: Program; readonly key?: string }
  | {
      readonly kind: 'awakeable';
      /** Values are sent in this order, after these delays; the first that is accepted counts. */
      readonly delaysMs: readonly number[];
      readonly by: 'outside' | 'handler';
      readonly reject: boolean;
      /** Sleep between making and awaiting it. */
      readonly pauseMs: number;
    };

export type Step =
  | Leaf
  | { readonly kind: 'send'; readonly service: string; readonly program: Program; readonly delayMs?: number }
  | {
      readonly kind: 'callAndCancel';
      readonly service: string;
      readonly program: Program;
      readonly afterMs: number;
    }
  | { readonly kind: 'attach'; readonly service: string; readonly program: Program; readonly key: string }
  | { readonly kind: 'combine'; readonly rule: Rule; readonly parts: readonly Leaf[] }
  | { readonly kind: 'orTimeout'; readonly part: Leaf; readonly ms: number }
  | { readonly kind: 'transient'; readonly failures: number }
  | { readonly kind: 'terminal' }
  | { readonly kind: 'rand' }
  | { readonly kind: 'date' };

export type Rule = 'all' | 'race' | 'any' | 'allSettled';

export interface Program {
  readonly steps: readonly Step[];
  /** Terminal errors of a step are caught and the program goes on. */
  readonly catches: boolean;
}

export const SERVICES = ['alpha', 'beta'] as const;
/** Few, so that they meet; of the callee's depth, so that nobody waits for itself in a circle. */
const randomKey = (random: SimRandom, depth: number): string => `d${depth}.${random.int(1, 3)}`;

const STEP_WEIGHTS: Readonly<Record<Step['kind'], number>> = {
  run: 6,
  sleep: 4,
  call: 3,
  awakeable: 4,
  send: 2,
  callAndCancel: 1.5,
  attach: 1.5,
  combine: 4,
  orTimeout: 2,
  transient: 1,
  terminal: 0.3,
  rand: 0.5,
  date: 0.5,
};
const LEAF_WEIGHTS = { run: 3, sleep: 3, call: 1, awakeable: 2 } as const;

export function randomProgram(random: SimRandom, depth: number): Program {
  const steps = Array.from({ length: random.int(1, depth === 0 ? 2 : 4) }, () => randomStep(random, depth));
  return { steps, catches: random.chance(0.6) };
}

const durationMs = (random: SimRandom): number =>
  random.pick([0, 1, 5, random.int(1, 200), random.int(100, 3000), random.int(1000, 15_000)]);

function randomStep(random: SimRandom, depth: number): Step {
  const kind = random.weighted(STEP_WEIGHTS);
  const service = random.pick(SERVICES);
  const nested = () => randomProgram(random, depth - 1);
  const needsDepth = kind === 'send' || kind === 'callAndCancel' || kind === 'attach';
  if (needsDepth && depth === 0) return randomLeaf(random, 0);
  switch (kind) {
    case 'send':
      return {
        kind,
        service,
        program: nested(),
        ...(random.chance(0.5) ? { delayMs: durationMs(random) } : {}),
      };
    case 'callAndCancel':
      return { kind, service, program: nested(), afterMs: durationMs(random) };
    case 'attach':
      return { kind, service, program: nested(), key: randomKey(random, depth - 1) };
    case 'combine': {
      const parts = Array.from({ length: random.int(1, 3) }, () => randomLeaf(random, depth));
      return { kind, rule: random.pick(['all', 'race', 'any', 'allSettled']), parts };
    }
    case 'orTimeout':
      return { kind, part: randomLeaf(random, depth), ms: durationMs(random) };
    case 'transient':
      return { kind, failures: random.int(1, 3) };
    case 'terminal':
    case 'rand':
    case 'date':
      return { kind };
    default:
      return randomLeaf(random, depth, kind);
  }
}

function randomLeaf(random: SimRandom, depth: number, wanted?: Leaf['kind']): Leaf {
  const kind = wanted ?? random.weighted(LEAF_WEIGHTS);
  if (kind === 'call' && depth > 0) {
    const key = random.chance(0.3) ? { key: randomKey(random, depth - 1) } : {};
    return { kind, service: random.pick(SERVICES), program: randomProgram(random, depth - 1), ...key };
  }
  if (kind === 'awakeable') {
    const delaysMs = Array.from({ length: random.int(1, 2) }, () => durationMs(random));
    const by = random.chance(0.7) ? 'outside' : 'handler';
    return {
      kind,
      delaysMs,
      by,
      reject: random.chance(0.15),
      pauseMs: random.pick([0, 0, durationMs(random)]),
    };
  }
  if (kind === 'sleep') return { kind, ms: durationMs(random) };
  const attempts = random.chance(0.2) ? { attempts: random.int(1, 3) } : {};
  const failures = random.pick([0, 0, 0, 1, 2, 9]);
  const ms = random.pick([0, 0, random.int(1, 20), random.int(1, 400)]);
  return { kind: 'run', failures, terminal: random.chance(0.06), ms, ...attempts };
}
