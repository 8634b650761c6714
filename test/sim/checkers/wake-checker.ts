/**
 * A4: an invocation that is suspended is woken by the record that decides what it waits for, and by none before that.
 * Decided is said here by going through the whole tree with all that the journal has, and not step by step. Where
 * the order in which several children of a node came is not known, both is right.
 */

import type { Future, SignalId } from '../../../runtime/core/model.ts';
import type { Report } from '../violation.ts';
import type { Appended } from './life-checker.ts';
import { type Life, type Lives, nameOf } from './lives.ts';
import type { Fact } from './log-checker.ts';

/**
 * `unknown`: what it is only the handler can say. `ambiguous`: it follows from an order that is not known here.
 * `maybe`: so does whether it is decided at all.
 */
type Done = 'success' | 'failure' | 'unknown' | 'ambiguous';
type Decided = Done | 'maybe' | undefined;
interface Came {
  readonly index: number;
  readonly outcome: Done;
}
interface Waiting {
  readonly future: Future;
  readonly seenEntries: number;
  /** It was given what decides it, or may, and waits nevertheless: anything new wakes it. */
  readonly wakesOnAny: boolean | 'maybe';
  /** Notifications of what it waits for, since it was suspended. */
  notified: number;
}

export class WakeChecker {
  readonly #report: Report;
  readonly #count: (kind: string, times?: number) => void;
  readonly #lives: Lives;
  /** By life: completions once, signals as often as they came. */
  readonly #completions = new Map<Life, Map<number, Came>>();
  readonly #signals = new Map<Life, Map<SignalId, Came[]>>();
  readonly #waiting = new Map<Life, Waiting>();

  constructor(report: Report, count: (kind: string, times?: number) => void, lives: Lives) {
    this.#report = report;
    this.#count = count;
    this.#lives = lives;
  }

  entry({ life, index, entry }: Appended): void {
    if (entry.kind === 'input' || entry.kind === 'command') return;
    const came: Came = { index, outcome: entry.result.kind === 'failure' ? 'failure' : 'success' };
    if (entry.kind === 'completion') {
      const known = this.#completions.get(life) ?? new Map<number, Came>();
      this.#completions.set(life, known.set(entry.completionId, came));
    } else {
      const known = this.#signals.get(life) ?? new Map<SignalId, Came[]>();
      this.#signals.set(life, known.set(entry.signal, [...(known.get(entry.signal) ?? []), came]));
    }
    const waiting = this.#waiting.get(life);
    if (waiting !== undefined && mentions(waiting.future, entry)) waiting.notified += 1;
  }

  /** After the lives have heard of it. */
  fact(fact: Fact): void {
    const { command } = fact.record;
    const started = new Set(
      fact.effects.flatMap(effect =>
        effect.type === 'startAttempt' ? (this.#lives.get(effect.id) ?? []) : [],
      ),
    );
    for (const effect of fact.effects) {
      const life = effect.type === 'completed' ? this.#lives.get(effect.id) : undefined;
      if (life !== undefined) this.#waiting.delete(life);
    }
    if (command.type === 'attempt' && fact.outcome === 'applied') {
      const life = this.#lives.get(command.id);
      const row = fact.writes.find(({ table, key }) => table === 'invocation' && key === command.id)?.row;
      const inv = row !== undefined && 'state' in row ? row : undefined;
      const isRefused = inv?.lastFailure?.attempt === command.attempt;
      const goesOn = inv?.state.status === 'suspended' || inv?.state.status === 'running';
      if (life !== undefined && command.end.kind === 'suspended' && goesOn && !isRefused) {
        this.#suspends(life, command.end.awaiting, command.seenEntries);
      }
    }
    const mayStart = command.type === 'resume' ? this.#lives.get(command.id) : undefined;
    for (const [life, waiting] of this.#waiting) {
      const wakes = started.has(life);
      if (wakes) this.#waiting.delete(life);
      if (life !== mayStart) this.#check(life, waiting, wakes, fact);
    }
  }

  #suspends(life: Life, future: Future, seenEntries: number): void {
    const given = this.#decide(life, future, seenEntries, true);
    const wakesOnAny = given === 'maybe' ? given : given !== undefined;
    this.#waiting.set(life, { future, seenEntries, wakesOnAny, notified: 0 });
  }

  #check(life: Life, waiting: Waiting, wakes: boolean, { position }: Fact): void {
    const { future } = waiting;
    const exact = this.#wanted(life, waiting);
    const what = `${nameOf(life)}, which waits for ${JSON.stringify(future)}`;
    if (wakes) {
      this.#count('wake');
      this.#count('wakes saved', Math.max(0, waiting.notified - 1));
      if (exact === undefined) this.#report('A4', `record ${position} wakes ${what}, too early`);
    } else if (exact !== undefined && exact !== 'maybe') {
      this.#report('A4', `record ${position} does not wake ${what}`);
    }
  }

  #wanted(life: Life, waiting: Waiting): Decided {
    const { future, seenEntries, wakesOnAny } = waiting;
    const byTree = this.#decide(life, future, seenEntries, false);
    if (wakesOnAny === false) return byTree;
    const byAny = this.#isAnyNew(life, waiting);
    if (wakesOnAny === true) return byAny;
    return byTree ?? (byAny === undefined ? undefined : 'maybe');
  }

  #isAnyNew(life: Life, { future, seenEntries }: Waiting): Decided {
    for (const { index } of this.#cameOf(life, future)) if (index >= seenEntries) return 'success';
    return undefined;
  }

  *#cameOf(life: Life, { completions, signals, nested }: Future): Iterable<Came> {
    for (const id of completions) {
      const came = this.#completions.get(life)?.get(id);
      if (came !== undefined) yield came;
    }
    for (const id of signals) yield* this.#signals.get(life)?.get(id) ?? [];
    for (const child of nested) yield* this.#cameOf(life, child);
  }

  /** `seenOnly`: by what it had been given. Signals that it was given may have been taken and do not count. */
  #decide(life: Life, future: Future, seenEntries: number, seenOnly: boolean): Decided {
    const children: Decided[] = [];
    for (const id of future.completions) {
      const came = this.#completions.get(life)?.get(id);
      const counts = came !== undefined && (!seenOnly || came.index < seenEntries);
      children.push(counts ? came.outcome : undefined);
    }
    for (const id of future.signals) {
      const came = this.#signals.get(life)?.get(id) ?? [];
      const fresh = seenOnly ? [] : came.filter(({ index }) => index >= seenEntries);
      children.push(firstOf(fresh.map(({ outcome }) => outcome)));
    }
    for (const child of future.nested) children.push(this.#decide(life, child, seenEntries, seenOnly));
    const done = children.filter(child => child !== undefined && child !== 'maybe');
    const decided = RULES[future.combinator](done, children.length);
    return decided === undefined && children.includes('maybe') ? 'maybe' : decided;
  }
}

/** Which of them came first is not known here. */
const firstOf = (done: readonly Done[]): Done | undefined =>
  done.every(outcome => outcome === done[0]) ? done[0] : 'ambiguous';

/** Outcomes of the children that are decided, and how many there are. */
const RULES: {
  readonly [C in Future['combinator']]: (done: readonly Done[], children: number) => Decided;
} = {
  any: done => (done.length > 0 ? 'unknown' : undefined),
  firstCompleted: firstOf,
  allCompleted: (done, children) => (done.length === children ? 'success' : undefined),
  firstSucceeded: (done, children) => unlessAll('success', 'failure', done, children),
  allSucceeded: (done, children) => unlessAll('failure', 'success', done, children),
};

/** One child with `deciding` decides; else all of them do together. */
function unlessAll(deciding: Done, all: Done, done: readonly Done[], children: number): Decided {
  const isClear = !done.includes('unknown') && !done.includes('ambiguous');
  // What came first has decided.
  if (done.includes(deciding)) return isClear ? deciding : 'ambiguous';
  if (done.includes('unknown')) return done.includes('ambiguous') ? 'ambiguous' : 'unknown';
  if (done.length === children) return done.includes('ambiguous') ? 'ambiguous' : all;
  return done.includes('ambiguous') ? 'maybe' : undefined;
}

function mentions({ completions, signals, nested }: Future, entry: Appended['entry']): boolean {
  if (entry.kind === 'completion' && completions.includes(entry.completionId)) return true;
  if (entry.kind === 'signal' && signals.includes(entry.signal)) return true;
  return nested.some(child => mentions(child, entry));
}
