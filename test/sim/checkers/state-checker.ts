/**
 * S1, S2: the state is the fold of the log, in memory and as it comes back from the store. C2: who should have an
 * attempt has one. C8 and the end of a run: nothing is left behind.
 */

import type { Timer } from '../../../runtime/core/model.ts';
import { TABLE_NAMES, type TableName, timerKey } from '../../../runtime/core/table.ts';
import type { Partition } from '../../../runtime/partition/partition.ts';
import { dump } from '../../../runtime/partition/state.ts';
import { isObject } from '../targets.ts';
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
export function checkObligations(
  report: Report,
  partition: Partition,
  model: ModelState,
  addresses: readonly string[],
): void {
  let unsent = 0;
  let running = 0;
  for (const inv of model.rows('invocation')) {
    if (inv.state.status === 'running') {
      running += 1;
      if (!partition.invoker.isUnderWay(inv.id, inv.attempt)) unsent += 1;
    }
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
    for (const { caller } of inv.listeners) {
      if (model.get('invocation', caller) === undefined) {
        report('C8', `${caller}, which is gone, is still told of ${inv.id}`);
      }
    }
  }
  const lanes = addresses.flatMap(address => partition.invoker.stats(address) ?? []);
  const queued = lanes.reduce((sum, lane) => sum + lane.queued, 0);
  if (unsent > queued) {
    report('C2', `${unsent} running invocations have no call under way, ${queued} attempts wait for a slot`);
  }
  const { active } = partition.invoker;
  if (active > running) report('C8', `${active} attempts have a slot or wait for one, ${running} should`);
  const slots = lanes.reduce((sum, lane) => sum + lane.running, 0);
  if (slots + queued !== active) {
    report(
      'C8',
      `${slots} slots are taken and ${queued} attempts wait for one, there are ${active} attempts`,
    );
  }
}

/** Only when nothing is on its way to the log: each row belongs to one that is there. */
export function checkLeftovers(report: Report, model: ModelState): void {
  for (const [key, timer] of model.scan('timer', '')) {
    if (isOwed(model, key, timer)) continue;
    const status = model.get('invocation', timer.invocation)?.state.status ?? 'gone';
    report('C8', `a ${timer.kind} timer at ${timer.at} is left of ${timer.invocation}, which is ${status}`);
  }
  for (const { id, expiresAt, journalExpiresAt } of model.rows('completed')) {
    const has = (at: number, kind: 'dropCompleted' | 'dropJournal') =>
      model.get('timer', timerKey({ at, invocation: id, kind })) !== undefined;
    const forEver = !has(expiresAt, 'dropCompleted');
    if (forEver) report('C8', `${id} has no timer that drops it`);
    if (journalExpiresAt !== undefined && !has(journalExpiresAt, 'dropJournal')) {
      report('C8', `the journal of ${id} has no timer that drops it`);
    }
  }
  let last = '';
  for (const [key] of model.scan('journal', '')) {
    const id = key.slice(0, key.indexOf('/'));
    if (id === last) continue;
    last = id;
    const entries = model.get('invocation', id)?.entries ?? model.get('completed', id)?.entries ?? 0;
    if (entries === 0) report('C8', `a journal is left of ${id}`);
  }
}

function isOwed(model: ModelState, key: string, timer: Timer): boolean {
  const completed = model.get('completed', timer.invocation);
  const state = model.get('invocation', timer.invocation)?.state;
  switch (timer.kind) {
    case 'dropCompleted':
      return completed?.expiresAt === timer.at;
    case 'dropJournal':
      return completed?.journalExpiresAt === timer.at;
    case 'dropPromise':
      return model.get('promise', timer.promise)?.timer === key;
    case 'sleep':
      return state !== undefined;
    case 'start':
      return state?.status === 'scheduled' && state.timer === key;
    case 'retry':
      return state?.status === 'backingOff' && state.timer === key;
    default:
      return timer satisfies never;
  }
}

/** What is there for ever. */
const KEPT: readonly TableName[] = ['meta', 'deployment', 'service'];

export function checkNothingLeft(report: Report, partition: Partition, model: ModelState): void {
  for (const table of TABLE_NAMES) {
    if (KEPT.includes(table)) continue;
    for (const [key] of model.scan(table, '')) {
      if (table === 'state' && isObject(key.slice(0, key.indexOf('/')))) continue;
      report('C8', `${table} ${key} is left when all is over`);
    }
  }
  const { waiters, invoker, backlog } = partition;
  if (waiters.size > 0) report('liveness', `${waiters.size} waiters are left when all is over`);
  if (invoker.active > 0) report('liveness', `${invoker.active} attempts are left when all is over`);
  if (backlog > 0) report('liveness', `${backlog} commands are left when all is over`);
}
