/** What a fact says, read from its command alone: the checkers do not ask the state that the core makes of it. */

import type { Op } from '../../../runtime/core/command.ts';
import {
  CANCEL,
  type InvocationId,
  type NotificationResult,
  type SignalId,
} from '../../../runtime/core/model.ts';
import type { Lives } from './lives.ts';
import type { Fact } from './log-checker.ts';

/** Operations of an attempt that was accepted; of one that the core refused as a whole they had no effect. */
export function opsOf({ record: { command }, outcome }: Fact): readonly Op[] {
  return command.type === 'attempt' && outcome === 'applied' ? command.ops : [];
}

/** Invocations that wait for nothing but their key from this record on, in the order in which they came. */
export function readied(fact: Fact, lives: Lives): readonly InvocationId[] {
  const { command, at } = fact.record;
  if (fact.outcome !== 'applied') return [];
  const isNew = (id: InvocationId) => lives.get(id)?.bornAt === fact.position;
  switch (command.type) {
    case 'invoke':
      return command.startAt <= at && isNew(command.minted.id) ? [command.minted.id] : [];
    case 'restartAsNew':
      return isNew(command.minted.id) ? [command.minted.id] : [];
    case 'timerFired': {
      const [, id, kind] = command.timer.split('/');
      return kind === 'start' ? [id as InvocationId] : [];
    }
    case 'attempt': {
      const ids = new Set<InvocationId>();
      for (const op of command.ops) {
        const startsNow = op.op === 'call' || (op.op === 'send' && op.startAt <= at);
        if (startsNow && isNew(op.callee.id)) ids.add(op.callee.id);
      }
      return [...ids];
    }
    default:
      return [];
  }
}

export interface Sent {
  readonly id: InvocationId;
  readonly signal: SignalId;
  readonly result: NotificationResult;
}

/** Signals that somebody sends with this record. */
export function signalsOf(fact: Fact): readonly Sent[] {
  const { command } = fact.record;
  if (command.type === 'signal') return [command];
  if (command.type === 'cancel') return [{ id: command.id, signal: CANCEL, result: { kind: 'void' } }];
  return opsOf(fact).flatMap(op => {
    return op.op === 'signal' ? [{ id: op.target, signal: op.signal, result: op.result }] : [];
  });
}
