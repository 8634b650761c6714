import { afterFresh } from '../awaiting.ts';
import { checkAttempt } from '../check.ts';
import type { AttemptEnd, CommandOf } from '../command.ts';
import type { Draft, Working } from '../draft.ts';
import type { Outcome } from '../effect.ts';
import { end, startAttempt } from '../lifecycle.ts';
import { CANCEL, type Invocation, NO_FAILURES, TIME_MAX } from '../model.ts';
import { move } from '../move.ts';
import { applyOp } from '../ops/index.ts';

/** How long to wait when what the partition checked before proposing is no longer true when it is applied. */
const RACE_RETRY_MS = 500;

/**
 * The whole answer of one attempt, or a part of a live one. C4: only the current attempt of a running invocation
 * counts. C6: its entries are all applied or, when one of them is not acceptable, none.
 */
export function attempt(draft: Draft, command: CommandOf<'attempt'>): Outcome {
  const inv = draft.invocation(command.id);
  if (inv === undefined || inv.state.status !== 'running') return 'stale';
  if (inv.attempt !== command.attempt || inv.randomSeed !== command.randomSeed) return 'stale';
  const rejected = checkAttempt(draft, inv, command);
  if (rejected !== undefined) {
    const failures = { ...inv.failures, counted: inv.failures.counted + 1 };
    const after = { kind: 'retry', delayMs: RACE_RETRY_MS, failures } as const;
    fail(draft, inv, { kind: 'failed', failure: rejected, after }, command.seenEntries);
    return 'applied';
  }
  for (const op of command.ops) applyOp(draft, inv, op);
  finish[command.end.kind](draft, inv, command.end as never, command.seenEntries);
  return 'applied';
}

type EndOf<K extends AttemptEnd['kind']> = Extract<AttemptEnd, { kind: K }>;
const finish: {
  readonly [K in AttemptEnd['kind']]: (
    draft: Draft,
    inv: Working<Invocation>,
    attemptEnd: EndOf<K>,
    seenEntries: number,
  ) => void;
} = {
  completed(draft, inv) {
    if (inv.output === undefined) throw new Error('assertion failed: completed without an output');
    end(draft, inv, inv.output);
  },
  suspended(draft, inv, { awaiting }, seenEntries) {
    inv.failures = NO_FAILURES;
    inv.retryCount = 0;
    if (pausesNow(inv)) return;
    const left = afterFresh(inv, awaiting, seenEntries);
    if (left === undefined) startAttempt(draft, inv, 'notify');
    else {
      inv.fresh = [];
      move(inv, 'await', { status: 'suspended', awaiting: left });
    }
  },
  failed: fail,
  goesOn(_draft, inv) {
    // It gets on: what broke it before is no reason to give up on it.
    inv.failures = NO_FAILURES;
  },
};

/** An operator asked for it while the attempt ran; a result that came with it is looked at when it is resumed. */
function pausesNow(inv: Working<Invocation>): boolean {
  if (inv.state.status !== 'running' || !inv.state.pausing) return false;
  inv.fresh = [];
  move(inv, 'give up', { status: 'paused' });
  return true;
}

/** Whether it was cancelled while the attempt ran; the handler has had its chance to see an earlier cancellation. */
const wasCancelled = ({ fresh }: Invocation, seenEntries: number): boolean =>
  fresh.some(({ index, id }) => index >= seenEntries && typeof id !== 'number' && id.signal === CANCEL);

function fail(
  draft: Draft,
  inv: Working<Invocation>,
  { failure, after }: EndOf<'failed'>,
  seenEntries: number,
): void {
  inv.lastFailure = { ...failure, at: draft.at, attempt: inv.attempt };
  inv.retryCount += 1;
  const isCancelled = wasCancelled(inv, seenEntries);
  inv.fresh = [];
  switch (after.kind) {
    case 'retry': {
      if (pausesNow(inv)) return;
      inv.failures = after.failures;
      if (isCancelled) {
        startAttempt(draft, inv, 'cancel');
        return;
      }
      const retryAt = Math.min(draft.at + after.delayMs, TIME_MAX);
      const timer = draft.startTimer({ at: retryAt, invocation: inv.id, kind: 'retry' });
      move(inv, 'retry later', { status: 'backingOff', retryAt, timer });
      return;
    }
    case 'pause':
      // Whoever asked for it did so after the cancellation, which would have taken an earlier request back.
      if (pausesNow(inv)) return;
      if (isCancelled) {
        // It has not seen that yet, and would have nothing to do for whoever resumes it but to unwind.
        inv.failures = NO_FAILURES;
        startAttempt(draft, inv, 'cancel');
        return;
      }
      move(inv, 'give up', { status: 'paused' });
      return;
    case 'kill':
      end(draft, inv, { kind: 'failure', failure: { code: failure.status, message: failure.message } });
      return;
    default:
      after satisfies never;
  }
}
