/** What clients ask for: random requests and programs. */

import type { InvocationId } from '../../runtime/core/model.ts';
import type { InvokeRequest } from '../../runtime/partition/engine.ts';
import type { LocalEngine } from '../../runtime/partition/local-engine.ts';
import { randomCallee } from './programs.ts';
import type { SimRandom } from './random.ts';
import type { Look } from './raw.ts';
import { randomTree } from './raw-tree.ts';
import { randomSaga } from './tally.ts';
import { kindOf } from './targets.ts';

export type Task =
  | {
      readonly kind: 'invoke';
      readonly request: InvokeRequest;
      /** Waits for the result; else it is content once it is accepted. */
      readonly awaits: boolean;
      /** May be sent again when nobody knows whether it was accepted. */
      readonly isSafe: boolean;
    }
  /** Waits for the result of what somebody else asked for, if it is there. */
  | { readonly kind: 'attach'; readonly id: (engine: LocalEngine) => InvocationId };

const encoder = new TextEncoder();

export function requestOf(
  target: InvokeRequest['target'],
  body: unknown,
  options: { readonly idempotencyKey?: string; readonly limitKey?: string; readonly delayMs?: number } = {},
): InvokeRequest {
  const headers = [['content-type', 'application/json']] as const;
  return { target, headers, body: encoder.encode(JSON.stringify(body)), ...options };
}

const WEIGHTS = { callee: 10, saga: 1.5, raw: 4, attach: 1 } as const;
const SAGA_STEPS_MAX = 6;

export function randomTask(random: SimRandom): Task {
  const kind = random.weighted(WEIGHTS);
  const awaits = random.chance(0.7);
  switch (kind) {
    case 'callee':
      return calleeTask(random, awaits);
    case 'saga':
      return sagaTask(random, awaits, SAGA_STEPS_MAX);
    case 'raw': {
      const request = requestOf({ service: 'raw', handler: 'look', key: '' }, randomLook(random));
      return { kind: 'invoke', request, awaits, isSafe: false };
    }
    case 'attach': {
      const key = workflowKey(random);
      const target = { service: 'ledger', handler: 'program', key: objectKey(random) };
      const idempotencyKey = clientKey(random);
      const isWorkflow = random.chance(0.5);
      return {
        kind,
        id: engine =>
          isWorkflow
            ? engine.workflowId({ service: 'flow', key })
            : engine.idempotentId(target, idempotencyKey),
      };
    }
    default:
      return kind satisfies never;
  }
}

function calleeTask(random: SimRandom, awaits: boolean): Task {
  const { service, handler, key, program } = randomCallee(random, random.int(0, 2), 0);
  const isRun = kindOf({ service, handler }) === 'run';
  const isIdempotent = !isRun && random.chance(0.5);
  // Objects have none.
  const isScoped = kindOf({ service, handler }) === 'service' && random.chance(0.2);
  const scope = isScoped ? { scope: random.pick(['s1', 's2']) } : {};
  const request = requestOf({ service, handler, key, ...scope }, program, {
    ...(isScoped && random.chance(0.5) ? { limitKey: 'tenant/1' } : {}),
    ...(isIdempotent ? { idempotencyKey: clientKey(random) } : {}),
    ...(random.chance(0.2) ? { delayMs: random.int(0, 5000) } : {}),
  });
  return { kind: 'invoke', request, awaits, isSafe: isRun || isIdempotent };
}

export function sagaTask(random: SimRandom, awaits: boolean, stepsMax: number): Task {
  const target = { service: 'saga', handler: 'program', key: '' };
  const isSafe = random.chance(0.5);
  const options = isSafe ? { idempotencyKey: `s${random.uint32()}` } : {};
  return {
    kind: 'invoke',
    request: requestOf(target, randomSaga(random, stepsMax), options),
    awaits,
    isSafe,
  };
}

/** Several that want the same at about the same time: a key, a promise, a result. */
export function randomCrowd(random: SimRandom): readonly Task[] {
  const size = random.int(3, 6);
  const wanted = random.pick(['key', 'key', 'promise', 'result'] as const);
  const key = wanted === 'key' ? 'd0.1' : workflowKey(random);
  const awaits = random.chance(0.3);
  const invoke = (target: InvokeRequest['target'], body: unknown): Task => {
    const isRun = target.handler === 'run';
    return { kind: 'invoke', request: requestOf(target, body), awaits, isSafe: isRun };
  };
  return Array.from({ length: size }, (_, index) => {
    if (wanted === 'key') {
      const { program } = randomCallee(random, 0, 0, 'ledger/program');
      return invoke({ service: 'ledger', handler: 'program', key }, program);
    }
    if (wanted === 'promise') {
      const waits = { kind: 'promise', name: 'p', delaysMs: [random.int(1000, 8000)], reject: false };
      return invoke({ service: 'flow', handler: 'look', key }, { steps: [waits], catches: true });
    }
    const sleep = { kind: 'sleep', ms: random.int(1000, 8000) };
    if (index === 0)
      return invoke({ service: 'flow', handler: 'run', key }, { steps: [sleep], catches: true });
    const target = { workflowTarget: { workflowName: 'flow', workflowKey: key } };
    return invoke({ service: 'raw', handler: 'look', key: '' }, { op: 'attach', target } satisfies Look);
  });
}

function randomLook(random: SimRandom): Look {
  if (random.chance(0.5)) return randomTree(random);
  if (random.chance(0.15)) return { op: 'forbidden' };
  if (random.chance(0.15)) return { op: 'error', behavior: random.pick(['pause', 'fail']) };
  const op = random.pick(['attach', 'output'] as const);
  if (random.chance(0.5)) {
    return { op, target: { workflowTarget: { workflowName: 'flow', workflowKey: workflowKey(random) } } };
  }
  const idempotentRequestTarget = {
    serviceName: random.pick(['alpha', 'ledger']),
    handlerName: 'program',
    idempotencyKey: clientKey(random),
  };
  const serviceKey = idempotentRequestTarget.serviceName === 'alpha' ? {} : { serviceKey: objectKey(random) };
  return { op, target: { idempotentRequestTarget: { ...idempotentRequestTarget, ...serviceKey } } };
}

/** The keys of programs.ts. */
const workflowKey = (random: SimRandom): string => `d${random.int(0, 2)}.${random.int(1, 3)}`;
export const objectKey = (random: SimRandom): string => `d${random.int(0, 2)}.${random.int(1, 2)}`;
const clientKey = (random: SimRandom): string => `c${random.int(1, 3)}`;
