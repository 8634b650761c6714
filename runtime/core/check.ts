/**
 * Whether an attempt's answer may be applied. The partition asks before it proposes, so that a refusal takes the
 * ordinary retry path, and `apply` asks again, because the state may have moved in between.
 */
import { unseen } from './awaiting.ts';
import type { CommandOf, Op } from './command.ts';
import type { Draft } from './draft.ts';
import { canComplete, leavesOf } from './future.ts';
import type { AttemptFailure, Future, Invocation, Role } from './model.ts';
import { CANCEL, KEY_LENGTH_MAX } from './model.ts';
import { hasCompletionId } from './ops/completion-ids.ts';
import { completionIdsOf } from './ops/index.ts';
import { isDeterministic, newestHandler, roleOf } from './registry.ts';

type Reader = Pick<Draft, 'read'>;
type Answer = Pick<CommandOf<'attempt'>, 'ops' | 'end' | 'seenEntries'>;

/** Notifications of one journal are numbered with 32 bits; nothing sensible comes near this. */
const MAX_ENTRIES = 1_000_000;

export function checkAttempt(reader: Reader, inv: Invocation, answer: Answer): AttemptFailure | undefined {
  const claimed = new Set<number>();
  const openRuns = new Set<number>();
  let runsLoaded = false;
  if (inv.entries + answer.ops.length > MAX_ENTRIES) {
    return violation('HF_JOURNAL_TOO_LONG', `the journal would exceed ${MAX_ENTRIES} entries`);
  }
  for (const [position, op] of answer.ops.entries()) {
    for (const id of completionIdsOf(op)) {
      if (id === 0 || claimed.has(id) || hasCompletionId(inv.completionIds, id)) {
        return violation('RT0012', `completion id ${id} is used twice or is zero`, inv, position, op);
      }
      claimed.add(id);
    }
    const forbidden = checkRole(inv, position, op);
    if (forbidden !== undefined) return forbidden;
    if (op.op === 'run') openRuns.add(op.completionId);
    if (op.op === 'runCompletion') {
      if (!runsLoaded)
        for (const pending of inv.pending) if (pending.of === 'run') openRuns.add(pending.completionId);
      runsLoaded = true;
      if (!openRuns.delete(op.completionId)) {
        return violation('RT0012', `a result was proposed for ${op.completionId}, which is no open run`, inv);
      }
    }
    if (op.op === 'call' || op.op === 'send') {
      const refused = checkCallee(reader, inv, position, op);
      if (refused !== undefined) return refused;
    }
  }
  if (
    answer.end.kind === 'completed' &&
    inv.output === undefined &&
    !answer.ops.some(({ op }) => op === 'output')
  ) {
    return violation('RT0012', 'the answer ends the invocation without an output', inv);
  }
  if (answer.end.kind === 'suspended') return checkAwaiting(inv, answer, answer.end.awaiting);
  return undefined;
}

const READS_STATE: readonly Role[] = ['exclusive', 'shared', 'workflow', 'workflowShared'];
const WRITES_STATE: readonly Role[] = ['exclusive', 'workflow'];
const HAS_PROMISES: readonly Role[] = ['workflow', 'workflowShared'];

/** Who may do what; every other operation is for all. */
const ROLES: { readonly [K in Op['op']]?: readonly [roles: readonly Role[], why: string] } = {
  getState: [READS_STATE, 'a plain service has no state'],
  getStateKeys: [READS_STATE, 'a plain service has no state'],
  readState: [READS_STATE, 'a plain service has no state'],
  setState: [WRITES_STATE, 'only an exclusive handler or the run of a workflow writes state'],
  clearState: [WRITES_STATE, 'only an exclusive handler or the run of a workflow writes state'],
  clearAllState: [WRITES_STATE, 'only an exclusive handler or the run of a workflow writes state'],
  getPromise: [HAS_PROMISES, 'only a workflow has promises'],
  peekPromise: [HAS_PROMISES, 'only a workflow has promises'],
  completePromise: [HAS_PROMISES, 'only a workflow has promises'],
};

/** Names that become keys of rows. */
const LONG_LIVED: { readonly [K in Op['op']]?: (op: Extract<Op, { op: K }>) => string } = {
  setState: ({ key }) => key,
  getPromise: ({ name }) => name,
  completePromise: ({ name }) => name,
  call: ({ target }) => target.key,
  send: ({ target }) => target.key,
};

function checkRole(inv: Invocation, position: number, op: Op): AttemptFailure | undefined {
  const name = LONG_LIVED[op.op]?.(op as never);
  if (name !== undefined && name.length > KEY_LENGTH_MAX) {
    const message = `a key or name is longer than ${KEY_LENGTH_MAX} characters`;
    return violation('RT0017', message, inv, position, op);
  }
  const rule = ROLES[op.op];
  if (rule === undefined || rule[0].includes(inv.role)) return undefined;
  return violation('RT0017', `${rule[1]}; this handler was accepted as '${inv.role}'`, inv, position, op);
}

function checkCallee(
  reader: Reader,
  inv: Invocation,
  position: number,
  op: Extract<Op, { op: 'call' | 'send' }>,
): AttemptFailure | undefined {
  const { service, handler, key } = op.target;
  const found = newestHandler(reader, op.target);
  if (found === undefined) {
    const message = `${service}/${handler} is not registered; register the deployment that has it`;
    return violation('RT0018', message, inv, position, op);
  }
  if (found.service.type === 'service' && key !== '') {
    return violation('RT0017', `${service} is a plain service and takes no key`, inv, position, op);
  }
  if (op.target.scope !== undefined && found.service.type === 'virtualObject') {
    const message = `${service} is a virtual object, and those have no scopes`;
    return violation('RT0024', message, inv, position, op);
  }
  if (op.idempotencyKey === '') return violation('RT0017', 'the idempotency key is empty', inv, position, op);
  const role = roleOf(found);
  if (role === 'workflow' && op.idempotencyKey !== undefined) {
    const message = `${service}/${handler} runs once per key and takes no idempotency key`;
    return violation('RT0017', message, inv, position, op);
  }
  if (isDeterministic(role, op.idempotencyKey) !== op.callee.deterministic) {
    return violation('RT0018', `${service} has just changed its type; it is called again`, inv, position, op);
  }
  return undefined;
}

/**
 * A suspension on nothing, or only on what can never come, would never be resumed: the run of this very handler
 * whose result it did not propose, ids that belong to no operation, completions that the attempt was given.
 */
function checkAwaiting(inv: Invocation, answer: Answer, awaiting: Future): AttemptFailure | undefined {
  const completions: number[] = [];
  let leaves = 0;
  for (const id of leavesOf(awaiting)) {
    leaves += 1;
    if (typeof id === 'number') completions.push(id);
  }
  if (leaves === 0) return violation('RT0012', 'the suspension awaits nothing', inv);
  // A cancellation may always come, and is no way to go on; alone it is what somebody wants to wait for.
  if (completions.length === 0) return undefined;
  const coming = new Set<number>();
  for (const { index, id } of inv.fresh)
    if (index >= answer.seenEntries && typeof id === 'number') coming.add(id);
  for (const pending of inv.pending) if (pending.of !== 'run') coming.add(pending.completionId);
  for (const op of answer.ops) {
    if (op.op === 'runCompletion') coming.add(op.completionId);
    else if (op.op !== 'run') for (const id of completionIdsOf(op)) coming.add(id);
  }
  const left = unseen(inv, awaiting, answer.seenEntries);
  if (canComplete(left, id => (typeof id === 'number' ? coming.has(id) : id.signal !== CANCEL)))
    return undefined;
  return violation(
    'RT0012',
    `the suspension awaits ${completions.slice(0, 20).join(', ')}, which nothing will complete`,
    inv,
  );
}

function violation(
  code: string,
  message: string,
  inv?: Invocation,
  position?: number,
  op?: Op,
): AttemptFailure {
  if (inv === undefined || position === undefined || op === undefined || op.op === 'runCompletion') {
    return { code, status: 500, message };
  }
  return { code, status: 500, message, relatedCommand: { type: op.type } };
}
