/** Whatever one row says of another, the other says too. Every check gives what is wrong, in words. */
import { instanceKey, type TableName, timerKey, type View } from '../table.ts';
import type { Play } from './play.ts';

type Problems = Generator<string>;

export function problems(play: Play): readonly string[] {
  return [
    ...keysAreHeldInLine(play),
    ...waitsAreMutual(play),
    ...timersAreNamed(play),
    ...nothingIsOrphaned(play),
  ];
}

/** C5: the first who came and has not ended holds the key, the others are linked behind it in their order. */
function* keysAreHeldInLine({ view, lines }: Play): Problems {
  for (const [key, line] of lines) {
    const row = view.get('instance', key);
    const [holder, ...queue] = line;
    if (row?.holder !== holder) yield `${key} is held by ${row?.holder}, not ${holder}`;
    if (row?.first !== queue[0] || row?.last !== queue.at(-1)) yield `${key} has lost an end of ${queue}`;
    for (const [place, member] of queue.entries()) {
      const state = view.get('invocation', member)?.state;
      const [previous, next] = [place === 0 ? undefined : queue[place - 1], queue[place + 1]];
      if (state?.status !== 'queued') yield `${member} runs out of turn`;
      else if (state.previous !== previous || state.next !== next) yield `${member} is linked wrongly`;
    }
  }
  for (const [key, { holder, patches, run, first }] of view.scan('instance', '')) {
    const inv = holder === undefined ? undefined : view.get('invocation', holder);
    if (holder === undefined) {
      if (patches.length > 0 || first !== undefined) yield `${key} is free and somebody waits for it`;
      if (run === undefined) yield `${key} is kept for nothing`;
    } else if (inv === undefined || ['queued', 'scheduled'].includes(inv.state.status)) {
      yield `${key} is held by ${holder}, which does not run`;
    }
    const known = run === undefined ? undefined : (view.get('invocation', run) ?? view.get('completed', run));
    if (run !== undefined && known?.role !== 'workflow') yield `${key} has a run that is gone`;
  }
  for (const [key, inv] of view.scan('invocation', '')) {
    if (inv.state.status === 'queued' && !lines.get(instanceKey(inv.target))?.includes(inv.id))
      yield `${key} is queued nowhere`;
  }
  for (const table of ['invocation', 'completed'] as const) {
    for (const [key, { role, target }] of view.scan(table, '')) {
      if (role === 'workflow' && view.get('instance', instanceKey(target))?.run !== key)
        yield `${key} is a run that its key does not know`;
    }
  }
}

/** Who waits is known to what it waits for, and the other way round. */
function* waitsAreMutual({ view }: Play): Problems {
  const waiting = new Set<string>();
  const say = (caller: string, of: string, completionId: number, on: string): string =>
    `${caller} waits with ${of} ${completionId} on ${on}`;
  for (const [key, { pending }] of view.scan('invocation', '')) {
    for (const each of pending) {
      if (each.of === 'call' || each.of === 'attach')
        waiting.add(say(key, each.of, each.completionId, each.target));
      if (each.of === 'getPromise') waiting.add(say(key, each.of, each.completionId, each.promise));
    }
  }
  const listed = new Set<string>();
  for (const [key, { listeners }] of view.scan('invocation', '')) {
    for (const { caller, of, completionId } of listeners) listed.add(say(caller, of, completionId, key));
  }
  for (const [key, { listeners, result, timer }] of view.scan('promise', '')) {
    for (const { caller, completionId } of listeners)
      listed.add(say(caller, 'getPromise', completionId, key));
    if ((result === undefined) !== listeners.length > 0)
      yield `${key} is neither awaited nor completed, or both`;
    if (result === undefined && timer !== undefined) yield `${key} has a timer before it has a result`;
  }
  for (const wait of waiting) if (!listed.has(wait)) yield `${wait}, which does not know`;
  for (const wait of listed) if (!waiting.has(wait)) yield `it is not true that ${wait}`;
}

/** Every timer is named by a row and every row's timer exists. */
function* timersAreNamed({ view }: Play): Problems {
  const named = new Set<string>();
  for (const [, { state, pending }] of view.scan('invocation', '')) {
    if (state.status === 'scheduled' || state.status === 'backingOff') named.add(state.timer);
    for (const each of pending) if (each.of === 'sleep') named.add(each.timer);
  }
  for (const [, { id: invocation, expiresAt, journalExpiresAt }] of view.scan('completed', '')) {
    named.add(timerKey({ at: expiresAt, invocation, kind: 'dropCompleted' }));
    if (journalExpiresAt !== undefined)
      named.add(timerKey({ at: journalExpiresAt, invocation, kind: 'dropJournal' }));
  }
  for (const [, { timer }] of view.scan('promise', '')) if (timer !== undefined) named.add(timer);
  for (const timer of named) if (view.get('timer', timer) === undefined) yield `there is no timer ${timer}`;
  for (const timer of view.keys('timer')) if (!named.has(timer)) yield `nobody knows of timer ${timer}`;
}

/** C8: each row belongs to something that is still there; journals are whole. */
function* nothingIsOrphaned({ view }: Play): Problems {
  const journals = new Map<string, number>();
  for (const [key, { first, entries }] of view.scan('journal', '')) {
    const owner = key.slice(0, key.indexOf('/'));
    if (first !== (journals.get(owner) ?? 0)) yield `${key} does not follow what is before it`;
    journals.set(owner, first + entries.length);
  }
  for (const table of ['invocation', 'completed'] as const) {
    for (const [key, { entries }] of view.scan(table, '')) {
      if ((journals.get(key) ?? 0) !== entries) yield `the journal of ${key} is not ${entries} long`;
      journals.delete(key);
    }
  }
  for (const owner of journals.keys()) yield `the journal of ${owner} is nobody's`;
  for (const key of view.keys('completed'))
    if (view.get('invocation', key) !== undefined) yield `${key} lives twice`;
  for (const [key, { result, timer }] of view.scan('promise', '')) {
    if (result !== undefined && timer === undefined && !hasRun(view, key)) yield `${key} is kept for no run`;
  }
  for (const key of view.keys('state')) {
    if (key.startsWith('Wf') && !hasRun(view, key)) yield `${key} is kept for no run`;
  }
}

/** `<service>/<key>/…`: whether that key has a run. */
const hasRun = (view: View, row: string): boolean =>
  view.get('instance', row.slice(0, row.lastIndexOf('/')))?.run !== undefined;

/** What is still there when all has ended and every retention is over. */
export function leftovers({ view }: Play): readonly string[] {
  const passing: readonly TableName[] = [
    'invocation',
    'completed',
    'journal',
    'timer',
    'instance',
    'promise',
  ];
  const left = passing.flatMap(table => view.keys(table).map(key => `${table} ${key}`));
  return [...left, ...view.keys('state').filter(key => !key.startsWith('Obj'))];
}
