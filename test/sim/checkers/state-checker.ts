/**
 * S1, S2: the state is the fold of the log, in memory and as it comes back from the store. C2: who should have an
 * attempt has one. C8 and the end of a run: nothing is left behind.
 */

import type { TableName } from '../../../runtime/core/table.ts';
import type { Partition } from '../../../runtime/partition/partition.ts';
import { dump } from '../../../runtime/partition/state.ts';
import type { Report } from '../violation.ts';
import type { ModelState } from './model-state.ts';

type Line = readonly [TableName, string, Uint8Array];

/** Only when everything durable has been applied. */
export function checkFold(report: Report, partition: Partition, model: ModelState, when: string): void {
  const real = dump(partition.state)[Symbol.iterator]() as Iterator<Line>;
  for (const [table, key, bytes] of model.dump()) {
    const { value } = real.next() as { value: Line | undefined };
    if (value === undefined || value[0] !== table || value[1] !== key) {
      const found = value === undefined ? 'nothing' : `${value[0]} ${value[1]}`;
      report('S2', `${when}: the log gives ${table} ${key}, the state has ${found}`);
      return;
    }
    if (Buffer.compare(value[2], bytes) !== 0) {
      report('S2', `${when}: ${table} ${key} is not what the log gives`);
      return;
    }
  }
  const more = real.next();
  if (more.done !== true) report('S2', `${when}: the log does not give ${more.value[0]} ${more.value[1]}`);
}

/** Only when nothing is on its way to the log. */
export function checkObligations(report: Report, partition: Partition, model: ModelState, arn: string): void {
  let unsent = 0;
  for (const inv of model.rows('invocation')) {
    if (inv.state.status === 'running' && !partition.invoker.isUnderWay(inv.id, inv.attempt)) unsent += 1;
    const timer = 'timer' in inv.state ? inv.state.timer : undefined;
    if (timer !== undefined && model.get('timer', timer) === undefined) {
      report('C2', `${inv.id} is ${inv.state.status} and has no timer`);
    }
    for (const pending of inv.pending) {
      if (pending.of === 'sleep' && model.get('timer', pending.timer) === undefined) {
        report('C2', `sleep ${pending.completionId} of ${inv.id} has no timer`);
      }
      const isCall = pending.of === 'call' || pending.of === 'attach';
      const listeners = isCall ? model.get('invocation', pending.target)?.listeners : undefined;
      if (isCall && !listeners?.some(listener => listener.caller === inv.id)) {
        report('C2', `${inv.id} waits for ${pending.target}, which does not know`);
      }
    }
  }
  for (const { kind, invocation, at } of model.rows('timer')) {
    const isKept = kind === 'dropCompleted' || kind === 'dropJournal';
    const state = model.get('invocation', invocation)?.state;
    const isOwed =
      isKept ||
      (kind === 'sleep'
        ? state !== undefined
        : state?.status === (kind === 'start' ? 'scheduled' : 'backingOff'));
    if (!isOwed)
      report('C8', `a ${kind} timer at ${at} is left of ${invocation}, which is ${state?.status ?? 'gone'}`);
  }
  const queued = partition.invoker.stats(arn)?.queued ?? 0;
  if (unsent > queued) {
    report('C2', `${unsent} running invocations have no call under way, ${queued} attempts wait for a slot`);
  }
}

const EMPTY_AT_THE_END = ['invocation', 'completed', 'journal', 'timer'] as const;

export function checkNothingLeft(report: Report, partition: Partition, model: ModelState): void {
  for (const table of EMPTY_AT_THE_END) {
    for (const [key] of model.scan(table, '')) report('C8', `${table} ${key} is left when all is over`);
  }
  const { waiters, invoker, backlog } = partition;
  if (waiters.size > 0) report('liveness', `${waiters.size} waiters are left when all is over`);
  if (invoker.active > 0) report('liveness', `${invoker.active} attempts are left when all is over`);
  if (backlog > 0) report('liveness', `${backlog} commands are left when all is over`);
}
