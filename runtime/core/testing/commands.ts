/**
 * The shorthands that tests write commands with. A target is `Svc/a` or `Obj/key/set`; an invocation is named by what
 * follows `inv_` in its id. Whoever tests the run of a workflow gives one key one name, as its id follows from the key.
 */
import type { AttemptEnd, Command, Minted, Op } from '../command.ts';
import { anyOf } from '../future.ts';
import type {
  Deployment,
  DeploymentId,
  Future,
  InvocationId,
  NotificationResult,
  Result,
  ServiceMetadata,
  SignalId,
  Target,
} from '../model.ts';

export const id = (name: string): InvocationId => `inv_${name}` as InvocationId;
const bytes = (text: string): Uint8Array => Uint8Array.from([...text].map(char => char.charCodeAt(0)));
export const text = (value: Uint8Array): string => String.fromCharCode(...value);
export const success = (value: string) => ({ kind: 'success', value: bytes(value) }) as const;
export const failure = (code: number, message: string): Result => ({
  kind: 'failure',
  failure: { code, message },
});

const frame = (type: number) => ({ frame: new Uint8Array(8), type });

function target(name: string): Target {
  const parts = name.split('/');
  const [service = '', handler = ''] = [parts[0], parts.at(-1)];
  return { service, handler, key: parts.length === 3 ? (parts[1] ?? '') : '' };
}

const isRun = ({ service, handler }: Target): boolean => service.startsWith('Wf') && handler === 'run';
const minted = (name: string, deterministic: boolean): Minted => ({
  id: id(name),
  randomSeed: 7n,
  deterministic,
});

const calleeOf = (
  name: string,
  callee: string,
  idCompletionId: number,
  idempotencyKey: string | undefined,
) => ({
  target: target(name),
  headers: [],
  parameter: new Uint8Array(),
  idempotencyKey,
  callee: minted(callee, idempotencyKey !== undefined || isRun(target(name))),
  idCompletionId,
});

export const ops = {
  output: (result: Result): Op => ({ op: 'output', ...frame(0x0401), result }),
  sleep: (completionId: number, wakeAt: number): Op => ({
    op: 'sleep',
    ...frame(0x040c),
    completionId,
    wakeAt,
  }),
  run: (completionId: number): Op => ({ op: 'run', ...frame(0x0411), completionId }),
  proposal: (completionId: number, result: Result): Op => ({ op: 'runCompletion', completionId, result }),
  call: (to: string, callee: string, idCompletionId: number, idempotencyKey?: string): Op => ({
    op: 'call',
    ...frame(0x040d),
    ...calleeOf(to, callee, idCompletionId, idempotencyKey),
    completionId: idCompletionId + 1,
  }),
  send: (to: string, callee: string, idCompletionId: number, startAt = 0, idempotencyKey?: string): Op => ({
    op: 'send',
    ...frame(0x040e),
    ...calleeOf(to, callee, idCompletionId, idempotencyKey),
    startAt,
  }),
  signal: (to: string, signal: SignalId, result: NotificationResult): Op => ({
    op: 'signal',
    ...frame(0x0410),
    target: id(to),
    signal,
    result,
  }),
  attach: (completionId: number, to: string): Op => ({
    op: 'attach',
    ...frame(0x0412),
    completionId,
    target: id(to),
  }),
  getOutput: (completionId: number, to: string): Op => ({
    op: 'getOutput',
    ...frame(0x0413),
    completionId,
    target: id(to),
  }),
  getState: (completionId: number, key: string): Op => ({
    op: 'getState',
    ...frame(0x0402),
    completionId,
    key,
  }),
  getStateKeys: (completionId: number): Op => ({ op: 'getStateKeys', ...frame(0x0406), completionId }),
  readState: (): Op => ({ op: 'readState', ...frame(0x0407) }),
  setState: (key: string, value: string): Op => ({
    op: 'setState',
    ...frame(0x0403),
    key,
    value: bytes(value),
  }),
  clearState: (key: string): Op => ({ op: 'clearState', ...frame(0x0404), key }),
  clearAllState: (): Op => ({ op: 'clearAllState', ...frame(0x0405) }),
  getPromise: (completionId: number, name: string): Op => ({
    op: 'getPromise',
    ...frame(0x0409),
    completionId,
    name,
  }),
  peekPromise: (completionId: number, name: string): Op => ({
    op: 'peekPromise',
    ...frame(0x040a),
    completionId,
    name,
  }),
  completePromise: (completionId: number, name: string, result: Result): Op => ({
    op: 'completePromise',
    ...frame(0x040b),
    completionId,
    name,
    result,
  }),
};

export const invoke = (
  name: string,
  to: string,
  options: { key?: string; startAt?: number; deterministic?: boolean } = {},
): Command => ({
  type: 'invoke',
  minted: minted(name, options.deterministic ?? (options.key !== undefined || isRun(target(to)))),
  target: target(to),
  headers: [],
  body: new Uint8Array(),
  idempotencyKey: options.key,
  startAt: options.startAt ?? 0,
});

export type AnswerEnd =
  | 'completed'
  | { awaits: readonly number[]; signals?: readonly SignalId[] }
  /** A future tree (V7). */
  | { future: Future }
  | { fails: string; after: 'pause' | 'kill' | number }
  /** A part of a live attempt. */
  | 'goesOn';

export const attempt = (
  name: string,
  number: number,
  seenEntries: number,
  done: readonly Op[],
  end: AnswerEnd,
): Command => ({
  type: 'attempt',
  randomSeed: 7n,
  id: id(name),
  attempt: number,
  seenEntries,
  ops: done,
  end: endOf(end),
});

function endOf(end: AnswerEnd): AttemptEnd {
  if (end === 'completed' || end === 'goesOn') return { kind: end };
  if ('future' in end) return { kind: 'suspended', awaiting: end.future };
  if ('awaits' in end) {
    return { kind: 'suspended', awaiting: anyOf(end.awaits, end.signals ?? [1]) };
  }
  const after =
    typeof end.after === 'number'
      ? ({
          kind: 'retry',
          delayMs: end.after,
          failures: { counted: 1, overrides: 0, suspect: 0 },
        } as const)
      : ({ kind: end.after } as const);
  return { kind: 'failed', failure: { code: 'RT0007', status: 500, message: end.fails }, after };
}

/** The first attempt of one that has nothing in its journal returns. */
export const returns = (name: string, ...done: readonly Op[]): Command =>
  attempt(name, 1, 1, [...done, ops.output(success('done'))], 'completed');

const ofInvocation =
  <T extends 'cancel' | 'kill' | 'pause' | 'purge' | 'purgeJournal'>(type: T) =>
  (name: string): Command => ({ type, id: id(name) });
export const cancel = ofInvocation('cancel');
export const kill = ofInvocation('kill');
export const pause = ofInvocation('pause');
export const purge = ofInvocation('purge');
export const purgeJournal = ofInvocation('purgeJournal');

const deploymentId = (name: string): DeploymentId => `dp_${name}` as DeploymentId;
const optional = (name: string | undefined) => (name === undefined ? undefined : deploymentId(name));

export const signalTo = (name: string, signal: SignalId, result: NotificationResult): Command => ({
  type: 'signal',
  id: id(name),
  signal,
  result,
});

export const resume = (name: string, on?: string): Command => ({
  type: 'resume',
  id: id(name),
  deployment: optional(on),
});

/** `entries`: which of its journal are kept; `completionIds`: the ranges that those use. */
export const restart = (
  name: string,
  as: string,
  kept: { entries?: readonly number[]; completionIds?: readonly number[]; on?: string } = {},
): Command => ({
  type: 'restartAsNew',
  id: id(name),
  minted: minted(as, false),
  deployment: optional(kept.on),
  kept: { entries: kept.entries ?? [0], completionIds: kept.completionIds ?? [] },
});

/** `of` is `Obj/key`. */
export const patch = (of: string, state: Readonly<Record<string, string>>, version?: string): Command => ({
  type: 'patchState',
  of: { service: of.split('/')[0] ?? '', key: of.split('/')[1] ?? '' },
  patch: { version, entries: Object.entries(state).map(([key, value]) => [key, bytes(value)] as const) },
});

export const register = (of: Deployment, keepSettings = false): Command => ({
  type: 'registerDeployment',
  deployment: of,
  keepSettings,
});
export const promote = (name: string): Command => ({ type: 'promoteDeployment', id: deploymentId(name) });
export const remove = (name: string): Command => ({ type: 'removeDeployment', id: deploymentId(name) });

/** The first service of a deployment, with settings changed. */
export function update(of: Deployment, settings: Partial<ServiceMetadata>): Command {
  const [service] = of.services;
  if (service === undefined) throw new Error(`${of.id} has no service`);
  return { type: 'updateService', deployment: of.id, service: { ...service, ...settings } };
}
